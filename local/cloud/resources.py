"""A collection of resources with the standard methods: create, get, list, patch, delete.

Owns: what is common to Google's resource-oriented APIs (https://google.aip.dev/121). A service derives a class for each
of its collections and says what is its own: the rules, what is computed, how a call is answered.
"""

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud import filters
from local.cloud.call import Call
from local.cloud.errors import aborted, already_exists, invalid_argument, not_found
from local.cloud.masks import masked_update
from local.cloud.messages import MESSAGES
from local.cloud.paging import page_of, stored_page
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
    message: ClassVar[str] = ""  # the resource's proto, by which requests are read: google.pubsub.v1.Topic
    output: ClassVar[tuple[str, ...]] = ("name", "createTime", "updateTime", "etag")
    immutable: ClassVar[tuple[str, ...]] = ()
    policies_by: ClassVar[str] = ""  # GET or POST, how a policy is read; "" for a resource without one
    page_size: ClassVar[int] = 100
    etag_form: ClassVar[str] = ""  # '{}', or '"{}"' where the API quotes it; "" for a resource without one
    shows_number: ClassVar[bool] = False  # names are answered with the project's number
    whole_without_mask: ClassVar[bool] = False  # a PATCH without a mask replaces all; else the fields that it has

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

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What is stored, with the caller's name where the API notes who made or changed a resource."""
        return resource

    def body(self, call: Call) -> dict[str, Any]:
        """The resource that a request carries."""
        return self.read(call.object())

    def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """A resource in its proto's canonical form; as it is where there is no table of the proto."""
        return MESSAGES.canonical(self.message, given, self.collection) if self.message in MESSAGES else given

    def mask(self, call: Call) -> str | None:
        return call.query.get("updateMask") or call.query.get("update_mask")

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        if not self.shows_number:
            return resource
        return resource | {"name": self.cloud.projects.with_number(resource["name"])}

    def removed(self, resource: dict[str, Any]) -> None:
        """What goes with a deleted resource, in the same transaction."""

    def answer(self, call: Call, method: str, resource: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The answer to create, patch or delete; a service with long-running operations wraps it."""
        return {} if method == "delete" else self.show(resource)

    # The methods

    def create(self, call: Call) -> dict[str, Any]:
        given = self.body(call)
        return self.make(call, call.params["parent"], self.new_id(call, given), given)

    def make(self, call: Call, parent: str, resource_id: str, given: dict[str, Any]) -> dict[str, Any]:
        """Check and keep a new resource; the call's answer."""
        body = {key: value for key, value in given.items() if key not in self.output and value is not None}
        found = Violations()
        self.check(found, resource_id, body)
        found.refuse()
        if parent.startswith("projects/"):
            self.cloud.projects.get(parent.split("/")[1])
        name = f"{parent}/{self.collection}/{resource_id}"
        with self.store.transaction():
            if self.find(name) is not None:
                raise already_exists(f"Resource '{name}' already exists")
            return self.answer(call, "create", self.keep(self.signed(call, self.fill(name, body))))

    def get(self, call: Call) -> dict[str, Any]:
        return self.show(self.named(call.params["name"]))

    def list(self, call: Call) -> dict[str, Any]:
        if asked := call.query.get("filter"):
            selects = filters.compiled(asked)
            held = self.store.list(self.kind, call.params["parent"])
            chosen = [(name, body) for name, body in held if selects(body)]
            return page_of(call, self.collection, chosen, default=self.page_size, render=self.show)
        return stored_page(
            call, self.collection, self.kind, call.params["parent"], default=self.page_size, render=self.show
        )

    def patch(self, call: Call) -> dict[str, Any]:
        wanted = self.body(call)
        with self.store.transaction():
            old = self.named(call.params["name"])
            self.refuse_stale(old, wanted.get("etag"))
            mask = self.mask(call)
            if self.message in MESSAGES:
                MESSAGES.refuse_bad_mask(self.message, mask)
            new = self.merged(old, wanted, mask)
            found = Violations()
            self.check(found, old["name"].rsplit("/", 1)[-1], new)
            found.refuse()
            return self.answer(call, "patch", self.keep(self.signed(call, self.refill(old, new))))

    def merged(self, old: dict[str, Any], wanted: dict[str, Any], mask: str | None) -> dict[str, Any]:
        fixed = (*self.output, *self.immutable)
        if self.whole_without_mask and not mask:
            kept = {key: value for key, value in old.items() if key in fixed}
            return kept | {key: value for key, value in wanted.items() if key not in fixed and value is not None}
        return masked_update(old, wanted, mask, fixed=fixed)

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            resource = self.named(call.params["name"])
            self.refuse_stale(resource, call.query.get("etag"))
            self.store.delete(self.kind, resource["name"])
            self.cloud.policies.delete(resource["name"])
            self.removed(resource)
            return self.answer(call, "delete", resource)

    # For them

    def find(self, name: str) -> dict[str, Any] | None:
        return self.store.get(self.kind, name)

    def keep(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Store a resource, with the etag of its content where it has one."""
        if self.etag_form:
            content = json.dumps({**resource, "etag": ""}, sort_keys=True).encode()
            digest = base64.b64encode(hashlib.sha256(content).digest()[:8]).decode()
            resource = resource | {"etag": self.etag_form.format(digest)}
        return self.store.put(self.kind, resource["name"], resource)

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
            rows += policy_routes(resource, self.policy_name, permission=self.kind, get_method=self.policies_by)
        return rows

    def policy_name(self, call: Call) -> str:
        """Under what the policy of the call's resource is kept."""
        return self.named(call.params["resource"])["name"]


class LongRunning(Resources):
    """A collection whose create, patch and delete are answered by an operation, which has already ended.

    `metadata` is the operations' proto; "" where the metadata is the resource itself.
    """

    metadata: ClassVar[str] = ""
    deleted_is_empty: ClassVar[bool] = True  # the response of a delete is Empty, not the resource
    operations_kind: ClassVar[str] = ""  # run.operations, where operations have permissions of their own

    def answer(self, call: Call, method: str, resource: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        empty = method == "delete" and self.deleted_is_empty
        return self.cloud.operations.done(
            self.operations_parent(resource["name"]),
            {} if empty else self.show(resource),
            kind=self.operations_kind or self.kind,
            response_type="google.protobuf.Empty" if empty else self.message,
            metadata_type=self.metadata or self.message,
        )

    def operations_parent(self, name: str) -> str:
        """Under what the operations on a resource are named: its location."""
        return "/".join(name.split("/")[:4])
