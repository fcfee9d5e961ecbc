"""Discovery documents: what bq asks for first, and from what google-api-python-client builds a client.

Owns: where they are served, and that their addresses are this server's. The documents are Google's own, as
google-api-python-client ships them; they list every method of an API, not only those that this cloud has.
Source: https://developers.google.com/discovery/v1/reference/apis
"""

import json
from functools import lru_cache
from typing import Any

from local.cloud.call import Call
from local.cloud.errors import not_found
from local.cloud.routing import Route, Service

# What is served, newest version last. A host of Google's is one API's; this one is of all, and a version alone says
# little: of v2, which bq asks for, it is BigQuery's.
_VERSIONS = {
    "aiplatform": ("v1beta1", "v1"),
    "artifactregistry": ("v1beta2", "v1"),
    "bigquery": ("v2",),
    "billingbudgets": ("v1",),
    "cloudbilling": ("v1",),
    "cloudkms": ("v1",),
    "cloudresourcemanager": ("v1", "v3"),
    "cloudscheduler": ("v1",),
    "compute": ("v1",),
    "dns": ("v1",),
    "eventarc": ("v1",),
    "iam": ("v1",),
    "iamcredentials": ("v1",),
    "logging": ("v2",),
    "monitoring": ("v1", "v3"),
    "pubsub": ("v1",),
    "run": ("v2",),
    "secretmanager": ("v1",),
    "servicenetworking": ("v1",),
    "serviceusage": ("v1beta1", "v1"),
    "storage": ("v1",),
}
_OF_BARE_VERSION = {"v2": "bigquery"}


def service() -> Service:
    routes = [
        Route("GET", "/$discovery/rest", _of_host, public=True),
        Route("GET", "/{api}/$discovery/rest", _of_prefix, public=True),
        Route("GET", "/discovery/v1/apis", _directory, public=True),
        Route("GET", "/discovery/v1/apis/{api}/{version}/rest", _of_directory, public=True),
    ]
    return Service("discovery", routes, prefixes=("",), bare=False)


def document(api: str, version: str, url: str) -> dict[str, Any]:
    """The document of an API as the server at `url` has it. Raises NOT_FOUND."""
    if version not in _VERSIONS.get(api, ()):
        raise not_found(f"There is no discovery document of {api!r} {version!r}: /discovery/v1/apis lists them")
    found = json.loads(_text(api, version))
    root = f"{url}/"
    shown = {key: value for key, value in found.items() if key not in ("endpoints", "mtlsRootUrl")}
    return shown | {"rootUrl": root, "baseUrl": f"{root}{found['servicePath']}"}


def directory(url: str) -> list[dict[str, Any]]:
    """One entry for each document."""
    return [
        {
            "kind": "discovery#directoryItem",
            "id": f"{api}:{version}",
            "name": api,
            "version": version,
            "discoveryRestUrl": f"{url}/discovery/v1/apis/{api}/{version}/rest",
            "preferred": version == versions[-1],
        }
        for api, versions in _VERSIONS.items()
        for version in versions
    ]


def _of_host(call: Call) -> dict[str, Any]:
    version = call.query.get("version", "")
    api = _OF_BARE_VERSION.get(version)
    if api is None:
        raise not_found(f"Several APIs on this host have a version {version!r}: ask for /API/$discovery/rest")
    return document(api, version, call.url_base)


def _of_prefix(call: Call) -> dict[str, Any]:
    api = call.params["api"]
    return document(api, call.query.get("version") or _VERSIONS.get(api, ("",))[-1], call.url_base)


def _of_directory(call: Call) -> dict[str, Any]:
    return document(call.params["api"], call.params["version"], call.url_base)


def _directory(call: Call) -> dict[str, Any]:
    items = directory(call.url_base)
    name, preferred = call.query.get("name"), call.flag("preferred")
    chosen = [each for each in items if name in (None, each["name"]) and (each["preferred"] or not preferred)]
    return {"kind": "discovery#directoryList", "discoveryVersion": "v1"} | ({"items": chosen} if chosen else {})


@lru_cache(maxsize=4)
def _text(api: str, version: str) -> str:
    from googleapiclient.discovery_cache import get_static_doc  # large, and few ask

    text = get_static_doc(api, version)
    if text is None:
        raise not_found(f"google-api-python-client ships no discovery document of {api!r} {version!r}")
    return text
