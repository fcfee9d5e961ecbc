"""ACLs of buckets and objects, and buckets' defaults for new objects.

Owns: the lists. They are kept as the API documents them and grant nothing: whoever may do something has it from a
policy. Where uniform bucket-level access is on, as Google recommends, there are none, and every call is refused.
Source: https://cloud.google.com/storage/docs/json_api/v1/objectAccessControls and its kin
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument, not_found
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

Entries = list[dict[str, str]]  # entity and role

_KIND = "storage.acl"
_ENTITY = ("user-", "group-", "domain-", "project-owners-", "project-editors-", "project-viewers-")
_BUCKET = ("bucketAccessControl", ("READER", "WRITER", "OWNER"))
_OBJECT = ("objectAccessControl", ("READER", "OWNER"))


def access_control_routes(cloud: "Cloud") -> list[Route]:
    rows: list[Route] = []
    for path, shape in (("acl", _BUCKET), ("defaultObjectAcl", _OBJECT), ("o/{object}/acl", _OBJECT)):
        lists = AccessControls(cloud, path, *shape)
        may = "storage.objects" if "{object}" in path else "storage.buckets"
        base = f"/b/{{bucket}}/{path}"
        rows += [
            Route("GET", base, lists.list, f"{may}.getIamPolicy"),
            Route("POST", base, lists.insert, f"{may}.setIamPolicy"),
            Route("GET", f"{base}/{{entity}}", lists.get, f"{may}.getIamPolicy"),
            Route("PATCH", f"{base}/{{entity}}", lists.change, f"{may}.setIamPolicy"),
            Route("PUT", f"{base}/{{entity}}", lists.change, f"{may}.setIamPolicy"),
            Route("DELETE", f"{base}/{{entity}}", lists.delete, f"{may}.setIamPolicy"),
        ]
    return rows


class AccessControls:
    """The lists of one kind of thing; an object's belongs to a generation."""

    def __init__(self, cloud: "Cloud", path: str, kind: str, roles: tuple[str, ...]) -> None:
        self._cloud = cloud
        self._path = path
        self._kind = kind
        self._roles = roles

    def list(self, call: Call) -> dict[str, Any]:
        shown = [self._shown(call, entry) for entry in self._read(call)[1]]
        return {"kind": f"storage#{self._kind}s", "items": shown}

    def get(self, call: Call) -> dict[str, Any]:
        return self._shown(call, self._entry(call, self._read(call)[1], call.params["entity"]))

    def insert(self, call: Call) -> dict[str, Any]:
        entity = str(call.object().get("entity") or "")
        if entity not in ("allUsers", "allAuthenticatedUsers") and not entity.startswith(_ENTITY):
            raise invalid_argument([("entity", f"{entity!r} is neither allUsers nor of a form such as user-ADDRESS")])
        return self._put(call, entity)

    def change(self, call: Call) -> dict[str, Any]:
        self._entry(call, self._read(call)[1], call.params["entity"])
        return self._put(call, call.params["entity"])

    def delete(self, call: Call) -> Response:
        entity = call.params["entity"]

        def without(entries: Entries) -> Entries:
            self._entry(call, entries, entity)
            return [entry for entry in entries if entry["entity"] != entity]

        self._write(call, without)
        return no_content()

    def _put(self, call: Call, entity: str) -> dict[str, Any]:
        role = call.object().get("role")
        if role not in self._roles:
            raise invalid_argument([("role", f"{role!r} is not one of {', '.join(self._roles)}")])
        entry = {"entity": entity, "role": role}
        self._write(call, lambda entries: [*(each for each in entries if each["entity"] != entity), entry])
        return self._shown(call, entry)

    def _write(self, call: Call, changed: Callable[[Entries], Entries]) -> None:
        with self._cloud.store.transaction():
            name, entries = self._read(call)
            self._cloud.store.put(_KIND, name, {"entries": changed(entries)}, parent=call.params["bucket"])

    def _read(self, call: Call) -> tuple[str, Entries]:
        """Under what a list is kept, and what it holds: the project's owners, editors and viewers at first."""
        bucket = self._cloud.objects.buckets.get(call.params["bucket"])
        if bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
            what = "an object" if "{object}" in self._path else "a bucket"
            verb = "get" if call.method == "GET" else "update"
            message = f"Cannot {verb} legacy ACL for {what} when uniform bucket-level access is enabled."
            where = "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
            raise ApiError(400, f"{message} Read more at {where}", reason="invalid")
        name = f"{bucket['name']}#{bucket['generation']}/{self._path}"
        if "object" in call.params:
            record = self._cloud.objects.find(bucket["name"], call.params["object"], call.number("generation"))
            name = f"{name}/{record.name}#{record.generation}"
        number = bucket["projectNumber"]
        roles = (("owners", "OWNER"), ("editors", "OWNER"), ("viewers", "READER"))
        first = [{"entity": f"project-{team}-{number}", "role": role} for team, role in roles]
        held = self._cloud.store.get(_KIND, name)
        return name, held["entries"] if held else first

    def _entry(self, call: Call, entries: Entries, entity: str) -> dict[str, str]:
        found = next((entry for entry in entries if entry["entity"] == entity), None)
        if found is None:
            raise not_found(f"The specified ACL entry {entity!r} of {call.params['bucket']} does not exist.")
        return found

    def _shown(self, call: Call, entry: dict[str, str]) -> dict[str, Any]:
        where = "/".join([call.params["bucket"], *([call.params["object"]] if "object" in call.params else [])])
        shown: dict[str, Any] = {"kind": f"storage#{self._kind}", "id": f"{where}/{entry['entity']}", **entry}
        shown["bucket"] = call.params["bucket"]
        if "object" in call.params:
            shown["object"] = call.params["object"]
        if entry["entity"].startswith("project-"):
            _, team, number = entry["entity"].split("-", 2)
            shown["projectTeam"] = {"projectNumber": number, "team": team}
        elif "@" in entry["entity"]:
            shown["email"] = entry["entity"].partition("-")[2]
        return shown
