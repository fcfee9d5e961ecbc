"""A small, stateful stand-in for Google's APIs, for tests of the engine.

It keeps plain dictionaries by path and gives Google's answers as the recordings show them. `faults` holds functions
(method, path) -> None, a status to answer with, or an exception class to break the connection with; a fault of `after`
runs once the request was carried out.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.unit.engine import fake_services

NOW = "2026-01-02T03:04:05.678901Z"
NUMBER = "123456789012"
ENDPOINTS = {
    "STORAGE": "storage/v1/",
    "BIG_QUERY": "bigquery/v2/",
    "IAM_BETA": "iam/v1/",
    "RESOURCE_MANAGER": "crm/v1/",
    "SERVICE_USAGE": "serviceusage/v1beta1/",
    "ARTIFACT_REGISTRY": "artifactregistry/v1/",
    "VERTEX_AI": "aiplatform/v1beta1/",
    "COLAB": "aiplatform/v1beta1/",
    "CLOUD_BILLING": "cloudbilling/v1/",
    "COMPUTE": "compute/beta/",
    "DNS": "dns/v1/",
    "PUBSUB": "pubsub/v1/",
    "CLOUD_SCHEDULER": "cloudscheduler/v1/",
    "KMS": "kms/v1/",
    "SECRET_MANAGER": "secretmanager/v1/",
    "SERVICE_NETWORKING": "servicenetworking/v1/",
    "BILLING_BUDGETS": "billingbudgets/v1/",
    "MONITORING": "monitoring/",
    "LOGGING": "logging/v2/",
}
Fault = Callable[[str, str], Any]


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeGoogle:
    """The server; use as a context manager."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        self.enabled: set[str] = set()
        self.log: list[tuple[str, str, Any]] = []
        self.faults: list[Fault] = []
        self.faults_after: list[Fault] = []
        self.slow_operations = 0
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeGoogle:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        variables = {f"GOOGLE_{name}_CUSTOM_ENDPOINT": f"{self.url}/{path}" for name, path in ENDPOINTS.items()}
        return {**variables, "GOOGLE_OAUTH_ACCESS_TOKEN": "local"}

    def writes(self) -> list[str]:
        """The requests that change something, as `METHOD path`."""
        return [
            f"{method} {path}" for method, path, _ in self.log if method != "GET" and not path.endswith(":getIamPolicy")
        ]

    def answer(self, method: str, target: str, content: bytes, content_type: str) -> tuple[int, Any]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        path = parts.path
        body = json.loads(content) if content and "json" in content_type else None
        with self._lock:
            self.log.append((method, unquote(path), body))
            self._strike(self.faults, method, path)
            try:
                result = self._route(method, path, query, body, content, content_type)
            except Refused as refusal:
                return refusal.status, _error(refusal.status, str(refusal))
            self._strike(self.faults_after, method, path)
        return (204, None) if result is None else (200, result)

    def _strike(self, faults: list[Fault], method: str, path: str) -> None:
        for fault in faults:
            struck = fault(method, unquote(path))
            if isinstance(struck, type) and issubclass(struck, BaseException):
                raise struck
            if struck:
                raise Struck(struck)

    def _route(self, method: str, path: str, query: dict[str, str], body: Any, content: bytes, kind: str) -> Any:
        for pattern, function in _ROUTES:
            if match := re.fullmatch(pattern, path):
                groups = {key: unquote(value) for key, value in match.groupdict().items() if value is not None}
                return function(self, method, groups, query, body if body is not None else (content, kind))
        raise Refused(400, f"no route for {method} {path}")

    # -- building blocks ---------------------------------------------------------------------------------------------

    def need(self, name: str) -> dict[str, Any]:
        if name not in self.things:
            raise Refused(404, f"{name} was not found")
        return self.things[name]

    def add(self, name: str, thing: dict[str, Any]) -> dict[str, Any]:
        if name in self.things:
            raise Refused(409, f"{name} already exists")
        self.things[name] = thing
        return thing

    def unique(self) -> int:
        return next(self._ids)

    def operation(self, parent: str, response: Any) -> dict[str, Any]:
        name = f"{parent}/operations/{self.unique()}"
        done = {"name": name, "done": True, "response": response}
        if not self.slow_operations:
            return done
        self.operations[name] = {"left": self.slow_operations, "done": done}
        return {"name": name}

    def poll(self, name: str) -> dict[str, Any]:
        operation = self.operations[name]
        operation["left"] -= 1
        return operation["done"] if operation["left"] <= 0 else {"name": name}

    def policy(self, name: str, verb: str, body: Any) -> dict[str, Any]:
        current = self.policies.setdefault(name, {"version": 1, "etag": "e0", "bindings": []})
        if verb == "set":
            policy = body.get("policy", body)
            if policy.get("etag") not in (None, current["etag"]):
                raise Refused(409, "There were concurrent policy changes.")
            current = {"version": 3, "bindings": policy.get("bindings", []), "etag": f"e{self.unique()}"}
            current |= {"auditConfigs": policy["auditConfigs"]} if policy.get("auditConfigs") else {}
            self.policies[name] = current
        return dict(current)


class Struck(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": "ERROR"}}


# -- services ----------------------------------------------------------------------------------------------------------


def buckets(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    if "name" not in at:
        name = body["name"]
        bucket = {
            "projectNumber": NUMBER,
            "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
            "timeCreated": NOW,
            "updated": NOW,
            "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": NOW},
            "rpo": "DEFAULT",
        }
        fake.add(f"b/{name}", {**bucket, **body, "id": name, "storageClass": body.get("storageClass", "STANDARD")})
        fake.policies[f"b/{name}"] = {"version": 1, "etag": "e0", "bindings": []}
        return fake.things[f"b/{name}"]
    name = f"b/{at['name']}"
    if method == "DELETE":
        if any(other.startswith(f"{name}/o/") for other in fake.things):
            raise Refused(409, "The bucket you tried to delete is not empty.")
        fake.need(name)
        del fake.things[name]
        return None
    if method == "PATCH":
        _patch(fake.need(name), body)
    return fake.need(name)


def _patch(thing: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            thing.pop(key, None)
        elif isinstance(value, dict) and isinstance(thing.get(key), dict):
            _patch(thing[key], value)
        else:
            thing[key] = value


def objects(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    prefix = f"b/{at['bucket']}/o/"
    if "name" not in at:
        fake.need(f"b/{at['bucket']}")
        items = [thing for name, thing in fake.things.items() if name.startswith(prefix)]
        return {"kind": "storage#objects", **({"items": items} if items else {})}
    name = prefix + at["name"]
    thing = fake.need(name)
    if method == "DELETE":
        del fake.things[name]
        return None
    if method == "PATCH":
        thing.update(body)
    return thing


def upload(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    fake.need(f"b/{at['bucket']}")
    content, kind = body
    boundary = kind.split("boundary=")[1].encode()
    _, description, media, _ = content.split(b"--" + boundary)
    metadata = json.loads(description.split(b"\r\n\r\n", 1)[1])
    head, data = media.split(b"\r\n\r\n", 1)
    data = data.removesuffix(b"\r\n")
    media_type = re.search(rb"Content-Type: ([^\r\n]+)", head)
    name = query["name"]
    thing = {
        "contentType": media_type[1].decode() if media_type else None,
        "storageClass": "STANDARD",
        **metadata,
        "name": name,
        "bucket": at["bucket"],
        "generation": str(1700000000000000 + fake.unique()),
        "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        "crc32c": "AAAAAA==",
        "size": str(len(data)),
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{at['bucket']}/o/{name}",
        "mediaLink": f"https://storage.googleapis.com/{at['bucket']}/{name}",
    }
    fake.things[f"b/{at['bucket']}/o/{name}"] = thing
    fake.contents[name] = data
    return thing


def bucket_iam(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    fake.need(f"b/{at['name']}")
    return fake.policy(f"b/{at['name']}", "set" if method == "PUT" else "get", body)


def datasets(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    return _tabular(fake, method, at["parent"], at.get("name"), body, "datasetReference", "datasetId")


def tables(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    return _tabular(fake, method, at["parent"], at.get("name"), body, "tableReference", "tableId")


def _tabular(fake: FakeGoogle, method: str, parent: str, name: str | None, body: Any, reference: str, key: str) -> Any:
    if name is None:
        full = f"{parent}/{body[reference][key]}"
        extra = (
            {"access": [{"role": "OWNER", "specialGroup": "projectOwners"}], "maxTimeTravelHours": "168"}
            if key == "datasetId"
            else {"type": "VIEW" if "view" in body else "TABLE", "numRows": "0"}
        )
        times = {"creationTime": "1795322965971", "lastModifiedTime": "1795322965971", "etag": f"t{fake.unique()}"}
        return fake.add(
            full,
            {
                **extra,
                **times,
                "location": "EU",
                "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/{full}",
                **body,
            },
        )
    full = f"{parent}/{name}"
    thing = fake.need(full)
    if method == "DELETE":
        del fake.things[full]
        return None
    if method == "PATCH":
        thing.update(body)
    elif method == "PUT":
        kept = {
            item: thing[item]
            for item in ("access", "creationTime", "lastModifiedTime", "etag", "selfLink", "type", "location")
            if item in thing
        }
        fake.things[full] = {**kept, **{item: value for item, value in body.items() if value is not None}}
    return fake.things[full]


def accounts(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    if "name" not in at:
        project = at["parent"].split("/")[1]
        email = f"{body['accountId']}@{project}.iam.gserviceaccount.com"
        account = {
            **body["serviceAccount"],
            "email": email,
            "projectId": project,
            "uniqueId": f"1{fake.unique():020}",
            "etag": "MDE=",
        }
        return fake.add(f"{at['parent']}/{email}", {**account, "name": f"{at['parent']}/{email}"})
    name = f"{at['parent']}/{at['name']}"
    thing = fake.need(name)
    if method == "DELETE":
        del fake.things[name]
        return {}
    if method == "PATCH":
        thing.update(body["serviceAccount"])
    return thing


def roles(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    if "name" not in at:
        name = f"{at['parent']}/{body['roleId']}"
        return fake.add(name, {**body["role"], "name": name})
    thing = fake.need(f"{at['parent']}/{at['name']}")
    if method == "DELETE":
        thing["deleted"] = True
    elif method == "PATCH":
        thing.update(body)
    elif at.get("verb") == "undelete":
        thing.pop("deleted", None)
    return thing


def services(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    if method == "GET":
        return {"services": [{"name": f"projects/{NUMBER}/services/{name}"} for name in sorted(fake.enabled)]}
    (fake.enabled.add if at["verb"] == "enable" else fake.enabled.discard)(at["name"])
    return {"name": f"operations/{fake.unique()}", "done": True, "response": {}}


def project(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    if "verb" in at:
        return fake.policy(at["name"], at["verb"], body)
    return {"projectId": at["name"], "projectNumber": NUMBER, "name": at["name"], "lifecycleState": "ACTIVE"}


def billing(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    return {
        "name": f"projects/{at['name']}/billingInfo",
        "billingEnabled": True,
        "billingAccountName": "billingAccounts/0",
    }


def policies(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    fake.need(at["name"])
    return fake.policy(at["name"], at["verb"], body if isinstance(body, dict) else {})


_DEFAULTS = {
    "persistentResources": {"state": "RUNNING", "startTime": NOW, "resourceRuntime": {"accessUris": {}}},
    "schedules": {"state": "ACTIVE", "startTime": NOW, "nextRunTime": NOW, "startedRunCount": "0"},
    "metadataStores": {"state": {"diskUtilizationBytes": "0"}},
    "repositories": {
        "registryUri": "europe-west1-docker.pkg.dev/p/r",
        "vulnerabilityScanningConfig": {"enablementState": "SCANNING_DISABLED"},
    },
}
_ID_KEYS = ("persistentResourceId", "metadataStoreId", "repository_id")


def collection(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    """Persistent resources, metadata stores, schedules and repositories."""
    kind, parent = at["kind"], f"{at['parent']}/{at['kind']}"
    if "name" not in at:
        if method == "GET":
            return {kind: [thing for name, thing in fake.things.items() if name.startswith(parent + "/")]}
        name = next((query[key] for key in _ID_KEYS if key in query), None) or str(1000 + fake.unique())
        numbered = re.sub(r"^projects/[^/]+", f"projects/{NUMBER}", parent)
        thing = {
            **_DEFAULTS[kind],
            **body,
            "name": f"{parent if kind == 'repositories' else numbered}/{name}",
            "createTime": NOW,
            "updateTime": NOW,
        }
        for index, pool in enumerate(thing.get("resourcePools", [])):
            pool.setdefault("id", f"pool-{index}")
            pool.setdefault("usedReplicaCount", "0")
        fake.add(f"{parent}/{name}", thing)
        return thing if kind == "schedules" else fake.operation(at["parent"], thing)
    name = f"{parent}/{at['name']}"
    thing = fake.need(name)
    if method == "DELETE":
        del fake.things[name]
        return fake.operation(at["parent"], {})
    if at.get("verb"):
        thing["state"] = {"pause": "PAUSED", "resume": "ACTIVE"}[at["verb"]]
        return {}
    if method in ("PATCH", "PUT"):
        masked = (
            query.get("updateMask", "").split(",")
            if query.get("updateMask")
            else [key for key in body if key != "name"]
        )
        thing.update({key: body.get(key) for key in masked})
        return fake.operation(at["parent"], thing) if kind == "persistentResources" else thing
    return thing


def operations(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    return fake.poll(at["name"])


_LOCATION = r"(?P<parent>projects/[^/]+/locations/[^/]+)"
_ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"/cloudbilling/v1/projects/(?P<name>[^/]+)/billingInfo", billing),
    (r"/compute/beta/projects/\d+", lambda *_: {"name": "acme-recsys"}),
    *fake_services.ROUTES,
    (r"/storage/v1/b/[^/]+/anywhereCaches/", lambda *_: {"kind": "storage#anywhereCaches"}),
    (r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o", upload),
    (r"/storage/v1/b/(?P<name>[^/]+)/iam", bucket_iam),
    (r"/storage/v1/b/(?P<bucket>[^/]+)/o(/(?P<name>.+))?", objects),
    (r"/storage/v1/b(/(?P<name>[^/]+))?", buckets),
    (r"/bigquery/v2/(?P<parent>projects/[^/]+)/queries", lambda *_: {"jobComplete": True}),
    (r"/bigquery/v2/(?P<parent>projects/[^/]+/datasets/[^/]+/tables)(/(?P<name>[^/]+))?", tables),
    (r"/bigquery/v2/(?P<parent>projects/[^/]+/datasets)(/(?P<name>[^/]+))?", datasets),
    (r"/iam/v1/(?P<name>projects/[^/]+/serviceAccounts/[^/:]+):(?P<verb>get|set)IamPolicy", policies),
    (r"/iam/v1/(?P<parent>projects/[^/]+/serviceAccounts)(/(?P<name>[^/:]+))?(:(?P<verb>\w+))?", accounts),
    (r"/iam/v1/(?P<parent>projects/[^/]+/roles)(/(?P<name>[^/:]+))?(:(?P<verb>\w+))?", roles),
    (r"/serviceusage/v1/projects/[^/]+/services(/(?P<name>[^/:]+):(?P<verb>\w+))?", services),
    (r"/crm/v1/projects/(?P<name>[^/:]+)(:(?P<verb>get|set)IamPolicy)?", project),
    (r"/(artifactregistry/v1|aiplatform/v1beta1)/(?P<name>projects/.+/operations/\d+)", operations),
    (rf"/artifactregistry/v1/(?P<name>{_LOCATION[11:-1]}/repositories/[^/:]+):(?P<verb>get|set)IamPolicy", policies),
    (
        rf"/(artifactregistry/v1|aiplatform/v1beta1)/{_LOCATION}/(?P<kind>\w+)(/(?P<name>[^/:]+))?(:(?P<verb>\w+))?",
        collection,
    ),
]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, many clients at once are reset


def _handler(fake: FakeGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _content(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _serve(self) -> None:
            content = self._content()
            try:
                status, body = fake.answer(self.command, self.path, content, self.headers.get("Content-Type", ""))
            except Struck as fault:
                status, body = fault.status, _error(fault.status, "struck by a fault")
            except ConnectionError:
                self.close_connection = True
                self.connection.close()
                return
            payload = json.dumps(body).encode() if body is not None else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
