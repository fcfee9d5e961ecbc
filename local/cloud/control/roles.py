"""Custom roles of a project, and the reading of predefined ones.

Source: https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles and
https://cloud.google.com/iam/docs/creating-custom-roles
"""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.bytes_fields import same_bytes
from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339
from local.cloud.errors import aborted, already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.iam.roles import predefined, predefined_role
from local.cloud.masks import masked_update
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "iam.role"
_STAGES = ("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")
_UNDELETE_DAYS = 7
_GONE_DAYS = 37
_MOST_PERMISSIONS = 3000
_FIELDS = ("title", "description", "includedPermissions", "stage")


def role_routes(cloud: "Cloud") -> list[Route]:
    roles = Roles(cloud)
    name = "/v1/{name=projects/*/roles/*}"
    return [
        Route("POST", "/v1/{parent=projects/*}/roles", roles.create, "iam.roles.create"),
        Route("GET", "/v1/{parent=projects/*}/roles", roles.list, "iam.roles.list"),
        Route("GET", name, roles.get, "iam.roles.get"),
        Route("GET", "/v1/roles/{role}", roles.get_predefined),
        Route("GET", "/v1/roles", roles.list_predefined),
        Route("POST", "/v1/roles:queryGrantableRoles", roles.query_grantable),
        Route("POST", "/v1/permissions:queryTestablePermissions", roles.query_testable),
        Route("PATCH", name, roles.patch, "iam.roles.update"),
        Route("DELETE", name, roles.delete, "iam.roles.delete"),
        Route("POST", f"{name}:undelete", roles.undelete, "iam.roles.undelete"),
    ]


class Roles:
    """A deleted role stays, marked, and can be brought back for 7 days; its id is free again after 37."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def create(self, call: Call) -> dict[str, Any]:
        body = call.object()
        role_id, wanted = body.get("roleId"), body.get("role") or {}
        found = Violations()
        found.matches(r"[a-zA-Z0-9_.]{3,64}", role_id, "roleId", "must be 3 to 64 letters, digits, '_' and '.'")
        _check(found, wanted)
        found.refuse()
        name = f"{call.params['parent']}/roles/{role_id}"
        role = {"name": name, "stage": "ALPHA", **{key: wanted[key] for key in _FIELDS if wanted.get(key)}}
        role["includedPermissions"] = sorted(set(role.get("includedPermissions", [])))
        with self._store.transaction():
            held = self._held(name)
            if held and held.get("deleted"):
                rule = "there is an existing role with that role_id in a deleted state: undelete it, or use another id"
                raise failed_precondition(f"A role with role_id {role_id!r} cannot be created, since {rule}")
            if held:
                raise already_exists(f"A role named {role_id} in {call.params['parent']} already exists.")
            self._store.put(_KIND, name, role)
        return _shown(role)

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(self._named(call.params["name"]))

    def get_predefined(self, call: Call) -> dict[str, Any]:
        name = f"roles/{call.params['role']}"
        role = predefined_role(name)
        if role is None:
            raise not_found(f"The role named {name} was not found.")
        return role | {"etag": _etag(role)}

    def list_predefined(self, call: Call) -> dict[str, Any]:
        """The predefined roles of the table; other parents have none of their own here."""
        full = call.query.get("view", "").upper() == "FULL"
        return page_of(call, "roles", _predefined(full=full), default=300)

    def query_grantable(self, call: Call) -> dict[str, Any]:
        """Predefined roles that mean something on a resource: those with a permission on it or below it."""
        body, tested = call.object(), set(_testable(call))
        found = [(name, role) for name, role in _predefined(full=True) if tested.intersection(_included(role))]
        if body.get("view") not in ("FULL", 1):
            found = [(name, _without_permissions(role)) for name, role in found]
        return page_of(_paged(call, body), "roles", found, default=300)

    def query_testable(self, call: Call) -> dict[str, Any]:
        found = [(name, {"name": name, "stage": "GA"}) for name in _testable(call)]
        return page_of(_paged(call, call.object()), "permissions", found, default=100)

    def list(self, call: Call) -> dict[str, Any]:
        deleted, full = call.flag("showDeleted"), call.query.get("view", "").upper() == "FULL"

        def render(role: dict[str, Any]) -> dict[str, Any]:
            return _shown(role) if full else _without_permissions(_shown(role))

        named = self._store.list(_KIND, call.params["parent"])
        roles = [(name, role) for name, role in named if self._held(name) and (deleted or not role.get("deleted"))]
        return page_of(call, "roles", roles, default=300, render=render)

    def patch(self, call: Call) -> dict[str, Any]:
        wanted = call.object()
        found = Violations()
        _check(found, wanted)
        found.refuse()
        with self._store.transaction():
            role = self._named(call.params["name"])
            self._refuse_stale(role, wanted.get("etag"))
            if role.get("deleted"):
                raise failed_precondition(f"The role {role['name']} is deleted: undelete it before it is changed")
            changed = masked_update(role, wanted, call.query.get("updateMask"), fixed=("name", "etag", "deleted"))
            changed["includedPermissions"] = sorted(set(changed.get("includedPermissions", [])))
            self._store.put(_KIND, role["name"], changed)
        return _shown(changed)

    def delete(self, call: Call) -> dict[str, Any]:
        with self._store.transaction():
            role = self._named(call.params["name"])
            self._refuse_stale(role, call.query.get("etag"))
            if role.get("deleted"):
                raise failed_precondition(f"The role {role['name']} is already deleted.")
            gone = role | {"deleted": True, "deleteTime": self._cloud.clock.timestamp()}
            self._store.put(_KIND, role["name"], gone)
        return _shown(gone)

    def undelete(self, call: Call) -> dict[str, Any]:
        with self._store.transaction():
            role = self._named(call.params["name"])
            self._refuse_stale(role, call.object().get("etag"))
            if not role.get("deleted"):
                raise failed_precondition(f"The role {role['name']} is not in a deleted state.")
            if self._age(role) >= timedelta(days=_UNDELETE_DAYS):
                raise failed_precondition(f"The role {role['name']} was deleted more than {_UNDELETE_DAYS} days ago")
            restored = {key: value for key, value in role.items() if key not in ("deleted", "deleteTime")}
            self._store.put(_KIND, role["name"], restored)
        return _shown(restored)

    def _named(self, name: str) -> dict[str, Any]:
        role = self._held(name)
        if role is None:
            raise not_found(f"The role named {name} was not found.")
        return role

    def _held(self, name: str) -> dict[str, Any] | None:
        role = self._store.get(_KIND, name)
        return None if role and role.get("deleted") and self._age(role) >= timedelta(days=_GONE_DAYS) else role

    def _age(self, role: dict[str, Any]) -> timedelta:
        return self._cloud.clock.now() - parse_rfc3339(role["deleteTime"])

    def _refuse_stale(self, role: dict[str, Any], etag: str | None) -> None:
        if etag and not same_bytes(etag, _etag(role)):
            raise aborted(f"The role {role['name']} was changed in the meantime: read it again and retry")


def _predefined(*, full: bool) -> list[tuple[str, dict[str, Any]]]:
    roles = [(name, predefined_role(name) or {}) for name in sorted(predefined())]
    shown = [(name, role | {"etag": _etag(role)}) for name, role in roles]
    return shown if full else [(name, _without_permissions(role)) for name, role in shown]


def _without_permissions(role: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in role.items() if key != "includedPermissions"}


def _included(role: dict[str, Any]) -> list[str]:
    return role.get("includedPermissions", [])


def _testable(call: Call) -> list[str]:
    """The permissions that can be tested on the resource of a query's `fullResourceName`, in order of name: those of
    its service, and on a project those of all.
    """
    name = str(call.object().get("fullResourceName") or "")
    host, _, rest = name.removeprefix("//").partition("/")
    if not name.startswith("//") or not rest:
        raise invalid_argument([("fullResourceName", f"{name!r} is not //SERVICE.googleapis.com/RESOURCE")])
    known = sorted({permission for permissions in predefined().values() for permission in permissions})
    service, googles, _ = host.partition(".googleapis.com")
    prefix = f"{service}." if googles and service != "cloudresourcemanager" else ""  # gcloud names the host it calls
    return [permission for permission in known if permission.startswith(prefix)]


def _paged(call: Call, body: dict[str, Any]) -> Call:
    """These queries carry page size and token in their bodies."""
    asked = {key: str(body[key]) for key in ("pageSize", "pageToken") if body.get(key)}
    return replace(call, query=call.query | asked)


def _check(found: Violations, role: dict[str, Any]) -> None:
    for field, most in (("title", 100), ("description", 256)):
        size = len(str(role.get(field) or "").encode())
        found.unless(size <= most, f"role.{field}", f"{size} bytes are more than the {most} allowed")
    if role.get("stage"):
        found.one_of(_STAGES, role["stage"], "role.stage")
    permissions = role.get("includedPermissions") or []
    found.unless(
        len(permissions) <= _MOST_PERMISSIONS,
        "role.includedPermissions",
        f"{len(permissions)} permissions are more than the {_MOST_PERMISSIONS} allowed",
    )
    for permission in permissions:
        found.matches(
            r"[a-z][\w-]*(\.[A-Za-z][\w-]*){2,}", permission, "role.includedPermissions", "is not a permission"
        )


def _etag(role: dict[str, Any]) -> str:
    return base64.b64encode(hashlib.sha256(repr(sorted(role.items())).encode()).digest()[:8]).decode()


def _shown(role: dict[str, Any]) -> dict[str, Any]:
    """As protos print it: an empty list of permissions is left out, as is the time that only this cloud keeps."""
    return {key: value for key, value in role.items() if value and key != "deleteTime"} | {"etag": _etag(role)}
