"""A collection of resources with the standard methods: create, get, list, patch, delete.

Owns: what is common to Google's resource-oriented APIs (https://google.aip.dev/121). A service derives a class for each
of its collections and says what is its own: the rules, what is computed, how a call is answered.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud.call import Call
from local.cloud.errors import aborted, already_exists, invalid_argument, not_found
from local.cloud.masks import masked_update
from local.cloud.paging import page_of
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud


class Resources:
    """`kind` is the store's, and the prefix of the permissions: `artifactregistry.repositories`.

    `parent` and `collection` make the names: `projects/*/locations/*`, `repositories`. `id_parameter` is the query key
    that holds a new one's id. `output` fields are never taken from a body, `immutable` ones only at creation.
    """

    kind: ClassVar[str]
    parent: ClassVar[str] = "projects/*/locations/*"
    collection: ClassVar[str]
    version: ClassVar[str] = "v1"
    id_parameter: ClassVar[str] = ""
    output: ClassVar[tuple[str, ...]] = ("name", "createTime", "updateTime", "etag")
    immutable: ClassVar[tuple[str, ...]] = ()
    policies_by: ClassVar[str] = ""  # GET or POST, how a policy is read; "" for a resource without one
    page_size: ClassVar[int] = 100

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud
        self.store = cloud.store

    # What is a service's own

    def new_id(self, call: Call, body: dict[str, Any]) -> str:  # noqa: ARG002
        """The id of a resource that is created. Raises where the call gives none."""
        parameter = self.id_parameter
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in parameter)
        given = call.query.get(parameter) or call.query.get(snake)
        if not given:
            raise invalid_argument([(parameter, "an id for the new resource is required")])
        return given

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        """Note what is wrong with a resource as it would be stored."""

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """What is stored of a new resource."""
        now = self.cloud.clock.timestamp()
        return {"name": name, **body, "createTime": now, "updateTime": now}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What is stored of a changed one."""
        return new | {"updateTime": self.cloud.clock.timestamp()}

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        return resource

    def removed(self, resource: dict[str, Any]) -> None:
        """What goes with a deleted resource, in the same transaction."""

    def answer(self, call: Call, method: str, resource: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The answer to create, patch or delete; a service with long-running operations wraps it."""
        return {} if method == "delete" else self.show(resource)

    # The methods

    def create(self, call: Call) -> dict[str, Any]:
        body = {key: value for key, value in call.object().items() if key not in self.output and value is not None}
        resource_id = self.new_id(call, call.object())
        found = Violations()
        self.check(found, resource_id, body)
        found.refuse()
        parent = call.params["parent"]
        self.cloud.projects.get(parent.split("/")[1])
        name = f"{parent}/{self.collection}/{resource_id}"
        with self.store.transaction():
            if self.find(name) is not None:
                raise already_exists(f"Resource '{name}' already exists")
            resource = self.store.put(self.kind, name, self.fill(name, body))
            return self.answer(call, "create", resource)

    def get(self, call: Call) -> dict[str, Any]:
        return self.show(self.named(call.params["name"]))

    def list(self, call: Call) -> dict[str, Any]:
        items = self.store.list(self.kind, call.params["parent"])
        return page_of(call, self.collection, items, default=self.page_size, render=self.show)

    def patch(self, call: Call) -> dict[str, Any]:
        wanted = call.object()
        with self.store.transaction():
            old = self.named(call.params["name"])
            self.refuse_stale(old, wanted.get("etag"))
            new = masked_update(old, wanted, call.query.get("updateMask"), fixed=(*self.output, *self.immutable))
            found = Violations()
            self.check(found, call.params["name"].rsplit("/", 1)[-1], new)
            found.refuse()
            resource = self.store.put(self.kind, old["name"], self.refill(old, new))
            return self.answer(call, "patch", resource)

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            resource = self.named(call.params["name"])
            self.refuse_stale(resource, call.query.get("etag"))
            self.store.delete(self.kind, call.params["name"])
            self.cloud.policies.delete(call.params["name"])
            self.removed(resource)
            return self.answer(call, "delete", resource)

    # For them

    def find(self, name: str) -> dict[str, Any] | None:
        return self.store.get(self.kind, name)

    def named(self, name: str) -> dict[str, Any]:
        resource = self.find(name)
        if resource is None:
            raise not_found(f"Resource '{name}' was not found")
        return resource

    def refuse_stale(self, resource: dict[str, Any], etag: str | None) -> None:
        if etag and resource.get("etag") and etag != resource["etag"]:
            raise aborted(f"'{resource['name']}' was changed in the meantime: read it again and retry")

    def routes(self) -> "list[Route]":
        """The table of the standard methods, and of the policy's where there is one."""
        parent = f"/{self.version}/{{parent={self.parent}}}/{self.collection}"
        name = f"/{self.version}/{{name={self.parent}/{self.collection}/*}}"
        rows = [
            Route("POST", parent, self.create, f"{self.kind}.create"),
            Route("GET", parent, self.list, f"{self.kind}.list"),
            Route("GET", name, self.get, f"{self.kind}.get"),
            Route("PATCH", name, self.patch, f"{self.kind}.update"),
            Route("DELETE", name, self.delete, f"{self.kind}.delete"),
        ]
        if self.policies_by:
            resource = f"/{self.version}/{{resource={self.parent}/{self.collection}/*}}"
            rows += policy_routes(resource, self._policy_name, permission=self.kind, get_method=self.policies_by)
        return rows

    def _policy_name(self, call: Call) -> str:
        self.named(call.params["resource"])
        return call.params["resource"]
