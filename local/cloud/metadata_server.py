"""What a job finds where Google's machines have their metadata server.

Owns: the paths under `/_metadata/SECRET/`. The secret in the path is the job's credential, so no token is asked for.
Source: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
"""

from typing import Any
from urllib.parse import unquote

from local.cloud.call import Call, Response
from local.cloud.errors import ApiError
from local.cloud.routing import Route, Service

PREFIX = "/_metadata"
_FLAVOR = {"metadata-flavor": "Google", "server": "Metadata Server for VM"}
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email")


def service() -> Service:
    routes = [
        Route("GET", "/{secret}", _root, public=True),
        Route("GET", "/{secret}/computeMetadata/v1", _value, public=True),
        Route("GET", "/{secret}/computeMetadata/v1/{path=**}", _value, public=True),
    ]
    return Service("metadata", routes, prefixes=(PREFIX,), bare=False)


def _root(call: Call) -> Response:
    call.cloud.identity.job_of(call.params["secret"])
    return _text("computeMetadata/\n")


def _value(call: Call) -> Response:
    if call.headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in call.headers:
        raise ApiError(
            403, "A request to the metadata server needs the header 'Metadata-Flavor: Google' and no X-Forwarded-For"
        )
    secret = call.params["secret"]
    job = call.cloud.identity.job_of(secret)
    path = unquote(call.params.get("path", "")).strip("/")
    found: Any = _tree(call, job)
    for part in path.split("/") if path else ():
        if not isinstance(found, dict) or part not in found:
            raise ApiError(404, f"There is no metadata key {path!r}", headers=_FLAVOR)
        found = found[part]
    if path.endswith("/token"):
        token, seconds = call.cloud.identity.access_token(secret)
        return Response({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}, headers=dict(_FLAVOR))
    if not isinstance(found, dict):
        return _text(found)
    if call.flag("recursive"):
        return Response(_camel_keys(found), headers=dict(_FLAVOR))
    return _text("".join(f"{key}/\n" if isinstance(value, dict) else f"{key}\n" for key, value in found.items()))


def _tree(call: Call, job: dict[str, Any]) -> dict[str, Any]:
    number = call.cloud.projects.number_of(job["project"])
    account = {"aliases": "default", "email": job["email"], "scopes": "\n".join(_SCOPES), "token": ""}
    return {
        "instance": {
            "attributes": job["attributes"],
            "id": str(int(job["job"].encode().hex()[:15] or "1", 16)),
            "name": job["job"].rsplit("/", 1)[-1],
            "service-accounts": {"default": account, job["email"]: account},
            "zone": f"projects/{number}/zones/local-a",
        },
        "project": {"attributes": {}, "numeric-project-id": number, "project-id": job["project"]},
        "universe": {"universe-domain": "googleapis.com"},
    }


def _camel_keys(tree: dict[str, Any]) -> dict[str, Any]:
    """Recursive answers are JSON: camel-case keys, lists where the plain ones have lines, no tokens."""
    shown: dict[str, Any] = {}
    for key, value in tree.items():
        head, *rest = key.split("-") if "@" not in key else [key]
        name = head + "".join(part.capitalize() for part in rest)
        if isinstance(value, dict):
            shown[name] = _camel_keys(value)
        elif key in ("scopes", "aliases"):
            shown[name] = value.split("\n")
        elif key != "token":
            shown[name] = int(value) if key == "numeric-project-id" else value
    return shown


def _text(text: str) -> Response:
    return Response(text.encode(), headers=dict(_FLAVOR), media_type="application/text")


def metadata_host(url: str, secret: str) -> str:
    """What GCE_METADATA_HOST of a job holds: host, port and path, without a scheme."""
    return f"{url.partition('://')[2]}{PREFIX}/{secret}"
