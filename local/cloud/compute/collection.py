"""What Compute Engine's collections have in common: insert, get, list, patch, delete, each answered by an operation.

Owns: names, ids, fingerprints, self links, references between resources, and what keeps one from being deleted.
Source: https://cloud.google.com/compute/docs/reference/rest/v1
"""

import base64
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud import filters
from local.cloud.call import Call
from local.cloud.compute.names import HOST, partial, path_of
from local.cloud.compute.operations import ComputeOperations
from local.cloud.errors import ApiError
from local.cloud.masks import mask_paths, merge_patch
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME_RULE = "must begin with a letter and hold at most 63 lowercase letters, digits and hyphens, the last no hyphen"
_OWN = ("id", "kind", "selfLink", "selfLinkWithId", "creationTimestamp", "_name")


class ComputeCollection:
    """`scope` is `global` or `regions/*`; `references` are fields that name other resources of Compute Engine, or
    several of them.
    """

    collection: ClassVar[str]
    permission: ClassVar[str]
    scope: ClassVar[str] = "global"
    singular: ClassVar[str]
    references: ClassVar[tuple[str, ...]] = ()
    output: ClassVar[tuple[str, ...]] = ()
    used_by: ClassVar[dict[str, str]] = {}  # kinds whose resources may refer to one: the field that does

    def __init__(self, cloud: "Cloud", operations: ComputeOperations) -> None:
        self.cloud = cloud
        self.store = cloud.store
        self.operations = operations

    @property
    def kind(self) -> str:
        return f"compute.{self.permission}"

    # What is a collection's own

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        """Note what is wrong with a resource as it would be stored."""

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        """What the service adds to a new resource."""
        return body

    def stored(self, resource: dict[str, Any]) -> dict[str, Any]:
        """What the service keeps up to date in a new or changed one."""
        return resource

    # The methods

    def routes(self) -> list[Route]:
        parent = f"/v1/{{parent=projects/*/{self.scope}}}/{self.collection}"
        name = f"/v1/{{name=projects/*/{self.scope}/{self.collection}/*}}"
        may = f"compute.{self.permission}"
        rows = [
            Route("POST", parent, self.insert, f"{may}.create"),
            Route("GET", parent, self.list, f"{may}.list"),
            Route("GET", name, self.get, f"{may}.get"),
            Route("DELETE", name, self.delete, f"{may}.delete"),
            Route("GET", f"/v1/{{project=projects/*}}/aggregated/{self.collection}", self.aggregated, f"{may}.list"),
        ]
        return rows if self.scope != "global" else rows[:-1]

    def insert(self, call: Call) -> dict[str, Any]:
        parent = call.params["parent"]
        self.cloud.projects.get(parent.split("/")[1])
        body = {key: value for key, value in call.object().items() if key not in (*_OWN, *self.output)}
        with self.store.transaction():
            body = self._checked(parent, {key: value for key, value in body.items() if value is not None})
            name = f"{parent}/{self.collection}/{body['name']}"
            if self.store.get(self.kind, name):
                raise ApiError(409, f"The resource '{name}' already exists")
            own = {"_name": name, "id": str(secrets.randbits(62)), "creationTimestamp": self.cloud.clock.timestamp()}
            scoped = {"region": parent} if "/regions/" in parent else {}
            resource = self.keep({**self.fill(body), **scoped, **own})
            return self.operations.done(call, "insert", resource)

    def get(self, call: Call) -> dict[str, Any]:
        return self.show(call, self.named(call.params["name"]))

    def list(self, call: Call) -> dict[str, Any]:
        selects = filters.compiled(call.query.get("filter", ""))
        held = self.store.list(self.kind, call.params["parent"])
        shown = [(name, each) for name, body in held if selects(each := self.show(call, body))]
        link = f"{HOST}{path_of(call)}/{call.params['parent']}/{self.collection}"
        found = page_of(call, "items", shown, default=500, most=500)
        return {"kind": f"compute#{self.singular}List", "id": link, "selfLink": link, **found}

    def aggregated(self, call: Call) -> dict[str, Any]:
        """Of all regions of a project."""
        groups: dict[str, Any] = {}
        for name, body in self.store.list(self.kind):
            if name.startswith(f"{call.params['project']}/"):
                scope = "/".join(name.split("/")[2:-2])
                groups.setdefault(scope, {self.collection: []})[self.collection].append(self.show(call, body))
        return {"kind": f"compute#{self.singular}AggregatedList", "items": groups}

    def patch(self, call: Call) -> dict[str, Any]:
        """JSON merge patch, as Compute Engine's PATCH is."""
        return self.change(call, "patch", lambda old: merge_patch(old, self._patchable(call)))

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            resource = self.named(call.params["name"])
            for kind, field in self.used_by.items():
                for user, body in self.store.list(kind):
                    if resource["_name"] in _several(body.get(field)):
                        raise _in_use(self.singular, resource["_name"], user)
            self.store.delete(self.kind, resource["_name"])
            return self.operations.done(call, "delete", resource)

    # For them

    def change(self, call: Call, operation_type: str, changed: Any) -> dict[str, Any]:
        """Check and keep `changed(old)`; the operation."""
        with self.store.transaction():
            old = self.named(call.params["name"])
            told = call.object().get("fingerprint")
            if told and old.get("fingerprint") not in (None, told):
                raise ApiError(
                    412, f"Invalid fingerprint for '{old['_name']}': read it again", reason="conditionNotMet"
                )
            own = {key: old[key] for key in (*_OWN, *self.output, "region") if key in old}
            parent = old["_name"].rsplit("/", 2)[0]
            new = self._checked(parent, {**changed(old), **own})
            return self.operations.done(call, operation_type, self.keep(new))

    def named(self, name: str) -> dict[str, Any]:
        found = self.store.get(self.kind, name)
        if found is None:
            raise ApiError(404, f"The resource '{name}' was not found")
        return found

    def keep(self, resource: dict[str, Any]) -> dict[str, Any]:
        return self.store.put(self.kind, resource["_name"], self.stored(resource))

    def show(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """With links of the version that was called."""
        base = f"{HOST}{path_of(call)}"
        shown = {key: value for key, value in resource.items() if key != "_name"}
        for field in (*self.references, "region"):
            if isinstance(shown.get(field), list):
                shown[field] = [f"{base}/{each}" for each in shown[field]]
            elif str(shown.get(field, "")).startswith("projects/"):
                shown[field] = f"{base}/{shown[field]}"
        return shown | {"kind": f"compute#{self.singular}", "selfLink": f"{base}/{resource['_name']}"}

    def _checked(self, parent: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body with its references as partial names; raises for what is wrong with it."""
        project = parent.split("/")[1]
        for field in self.references:
            if body.get(field):
                named = [self.cloud.projects.with_id(partial(each, project=project)) for each in _several(body[field])]
                body = body | {field: named if isinstance(body[field], list) else named[0]}
        found = ComputeViolations()
        found.matches(_NAME, body.get("name"), "name", _NAME_RULE)
        self.check(found, body)
        found.refuse()
        self._refuse_unknown(body)
        return body

    def _refuse_unknown(self, body: dict[str, Any]) -> None:
        network = body.get("network") if "network" in self.references else None
        if network and self.store.get("compute.networks", network) is None:
            raise ApiError(404, f"The resource '{network}' was not found")

    def _patchable(self, call: Call) -> dict[str, Any]:
        body = {key: value for key, value in call.object().items() if key not in (*_OWN, *self.output, "name")}
        paths = {path[0] for path in mask_paths(call.query.get("updateMask") or call.query.get("paths"))}
        return {key: value for key, value in body.items() if not paths or key in paths}


class ComputeViolations(Violations):
    """Compute Engine's wording, with the details that newer APIs give."""

    def refuse(self) -> None:
        if not self.found:
            return
        try:
            super().refuse()
        except ApiError as error:
            texts = [f"Invalid value for field 'resource.{field}': {why}" for field, why in self.found]
            raise ApiError(400, "; ".join(texts), details=error.details, reason="invalid") from None


def _several(reference: Any) -> list[Any]:
    return reference if isinstance(reference, list) else [reference]


def fingerprint(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _in_use(singular: str, name: str, user: str) -> ApiError:
    message = f"The {singular} resource '{name}' is already being used by '{user}'"
    return ApiError(400, message, "FAILED_PRECONDITION", reason="resourceInUseByAnotherResource")
