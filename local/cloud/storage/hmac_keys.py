"""HMAC keys of service accounts, and the service's own account.

Owns: the keys. Requests that are signed with one belong to the XML API, which is not here.
Sources: https://cloud.google.com/storage/docs/json_api/v1/projects/hmacKeys and …/projects/serviceAccount
"""

import base64
import hashlib
import secrets
import string
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument, not_found
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "storage.hmacKey"
_LETTERS = string.ascii_uppercase + string.digits
_STATES = ("ACTIVE", "INACTIVE")


def project_routes(cloud: "Cloud") -> list[Route]:
    """What a call needs, it needs on its project, which the handlers ask for: other paths name a bucket."""
    keys = HmacKeys(cloud)
    base = "/projects/{project}/hmacKeys"

    def service_account(call: Call) -> dict[str, Any]:
        project = cloud.projects.get(call.params["project"])
        call.require("resourcemanager.projects.get", f"projects/{project['projectId']}")
        email = f"service-{project['projectNumber']}@gs-project-accounts.iam.gserviceaccount.com"
        return {"kind": "storage#serviceAccount", "email_address": email}

    return [
        Route("GET", "/projects/{project}/serviceAccount", service_account),
        Route("POST", base, keys.create),
        Route("GET", base, keys.list),
        Route("GET", f"{base}/{{accessId}}", keys.get),
        Route("PUT", f"{base}/{{accessId}}", keys.update),
        Route("DELETE", f"{base}/{{accessId}}", keys.delete),
    ]


class HmacKeys:
    """A deleted key is still shown to whoever asks for deleted ones."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def create(self, call: Call) -> dict[str, Any]:
        project, email = self._project(call, "create"), call.query.get("serviceAccountEmail", "")
        if not email:
            raise ApiError(
                400, "Required parameter: serviceAccountEmail", reason="required", location="serviceAccountEmail"
            )
        if problem := next(
            (why for each in self._cloud.policies.member_checks if (why := each(f"serviceAccount:{email}"))), None
        ):
            raise not_found(problem)
        now = self._cloud.clock.timestamp()
        access_id = "GOOG1E" + "".join(secrets.choice(_LETTERS) for _ in range(55))
        key = {"accessId": access_id, "projectId": project, "serviceAccountEmail": email, "state": "ACTIVE"}
        key |= {"timeCreated": now, "updated": now}
        self._store.put(_KIND, access_id, key, parent=project)
        secret = base64.b64encode(secrets.token_bytes(30)).decode()
        return {"kind": "storage#hmacKey", "metadata": _shown(key), "secret": secret}

    def list(self, call: Call) -> dict[str, Any]:
        project, email = self._project(call, "list"), call.query.get("serviceAccountEmail")
        deleted = call.flag("showDeletedKeys")
        keys = [
            (name, key)
            for name, key in self._store.list(_KIND, project)
            if email in (None, key["serviceAccountEmail"]) and (deleted or key["state"] != "DELETED")
        ]
        return {"kind": "storage#hmacKeysMetadata"} | page_of(call, "items", keys, default=250, most=250, render=_shown)

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(self._key(call, self._project(call, "get")))

    def update(self, call: Call) -> dict[str, Any]:
        project, wanted = self._project(call, "update"), call.object()
        if wanted.get("state") not in _STATES:
            raise invalid_argument([("state", f"{wanted.get('state')!r} is not one of {', '.join(_STATES)}")])
        with self._store.transaction():
            key = self._key(call, project)
            if key["state"] == "DELETED":
                raise ApiError(400, f"HMAC key {key['accessId']} is deleted", reason="invalid")
            if wanted.get("etag") not in (None, "", _shown(key)["etag"]):
                raise ApiError(412, "The etag is not the present one: read the key again", reason="conditionNotMet")
            return _shown(self._keep(key | {"state": wanted["state"]}))

    def delete(self, call: Call) -> Response:
        project = self._project(call, "delete")
        with self._store.transaction():
            key = self._key(call, project)
            if key["state"] == "ACTIVE":
                raise ApiError(400, f"Cannot delete keys in ACTIVE state: make {key['accessId']} INACTIVE first")
            self._keep(key | {"state": "DELETED"})
        return no_content()

    def _project(self, call: Call, verb: str) -> str:
        project = self._cloud.projects.get(call.params["project"])["projectId"]
        call.require(f"storage.hmacKeys.{verb}", f"projects/{project}")
        return project

    def _key(self, call: Call, project: str) -> dict[str, Any]:
        key = self._store.get(_KIND, call.params["accessId"])
        if key is None or key["projectId"] != project:
            raise not_found(f"Access ID {call.params['accessId']} was not found in project {project}.")
        return key

    def _keep(self, key: dict[str, Any]) -> dict[str, Any]:
        new = key | {"updated": self._cloud.clock.timestamp()}
        return self._store.put(_KIND, key["accessId"], new, parent=key["projectId"])


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    etag = base64.b64encode(hashlib.sha256(repr(sorted(key.items())).encode()).digest()[:8]).decode()
    identity = f"{key['projectId']}/{key['accessId']}"
    link = f"https://www.googleapis.com/storage/v1/projects/{key['projectId']}/hmacKeys/{key['accessId']}"
    return {"kind": "storage#hmacKeyMetadata", "id": identity, "selfLink": link, **key, "etag": etag}
