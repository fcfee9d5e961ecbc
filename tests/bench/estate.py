"""What the benchmark's cloud holds, who may read it, and the reads that the clients make.

Owns: a small project as users have one: a policy of many bindings, accounts of which half read objects under a
condition, a bucket, a pool, jobs, a dataset with a table. Does not own: how it is read (readers.py).
"""

import json
import sys
from pathlib import Path
from urllib.parse import quote

from tests.bench.readers import Read, request
from tests.contract.cloud_process import CloudProcess

PROJECT = "acme-recsys"
PARENT = f"projects/{PROJECT}/locations/europe-west1"
BUCKET = "acme-recsys-bench"
POOL = "bench"
MACHINE = {"machineType": "n1-standard-4"}
IMAGE = "europe-west1-docker.pkg.dev/acme-recsys/training/trainer@sha256:" + "b" * 64
MODULE = "print('done')\n"
REPLICAS = 2
_OBJECTS = 20
_OTHER_BINDINGS = 30
_READER_ROLES = (
    "roles/aiplatform.viewer",
    "roles/bigquery.metadataViewer",
    "roles/iam.securityReviewer",
    "roles/browser",
)


def furnish(cloud: CloudProcess, code: Path) -> str:
    """Make all of it; the name of a custom job that has a place in the reads."""
    code.mkdir()
    (code / "works.py").write_text(MODULE)
    runtime = {"interpreter": sys.executable, "workdir": str(code)}
    cloud.json("PUT", "/_local/images", {"image": IMAGE, "runtime": runtime})
    pool = {"machineSpec": MACHINE, "replicaCount": str(REPLICAS)}
    cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId={POOL}", {"resourcePools": [pool]})
    cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    for number in range(_OBJECTS):
        put_object(cloud, f"reads/{number:03}.json", f'{{"number": {number}}}'.encode())
    _make_table(cloud)
    return submit(cloud)


def readers_of(cloud: CloudProcess, count: int) -> list[str]:
    """Accounts that may read all of it, every other one its objects on a condition; a token of each."""
    emails = [cloud.account(PROJECT, f"bench-reader-{number}") for number in range(count)]
    others = [cloud.account(PROJECT, f"bench-other-{number}") for number in range(5)]
    policy = cloud.json("POST", f"/crm/v1/projects/{PROJECT}:getIamPolicy", {})
    bindings = [*policy.get("bindings", [])]
    used = ("roles/run.viewer", "roles/pubsub.viewer", "roles/logging.viewer", "roles/cloudkms.viewer", "roles/editor")
    for number in range(_OTHER_BINDINGS):
        condition = {
            "title": f"t{number}",
            "expression": f"request.time < timestamp('2099-01-{number % 28 + 1:02}T00:00:00Z')",
        }
        bindings.append(_binding(used[number % len(used)], [others[number % 5]]) | {"condition": condition})
    bindings += [_binding(role, emails) for role in _READER_ROLES]
    bindings.append(_binding("roles/storage.objectViewer", emails[0::2]))
    cel = f"resource.name.startsWith('projects/_/buckets/{BUCKET}') && request.time < timestamp('2099-01-01T00:00:00Z')"
    condition = {"title": "of the benchmark", "expression": cel}
    bindings.append(_binding("roles/storage.objectViewer", emails[1::2]) | {"condition": condition})
    cloud.json("POST", f"/crm/v1/projects/{PROJECT}:setIamPolicy", {"policy": {"version": 3, "bindings": bindings}})
    return [cloud.token_of(email) for email in emails]


def reads_of(token: str, job: str) -> list[Read]:
    """One of each kind, the objects in turn."""
    api, warehouse = "/aiplatform/v1", f"/bigquery/v2/projects/{PROJECT}/datasets/bench"
    policy = json.dumps({"options": {"requestedPolicyVersion": 3}}).encode()
    found: list[Read] = []
    for number in range(_OBJECTS):
        name = f"reads/{number:03}.json"
        path = f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"
        rows: list[tuple[str, str, str, bytes, str]] = [
            ("object", "GET", path, b"", f'"name":"{name}"'),
            ("object's media", "GET", f"/download{path}?alt=media", b"", f'"number": {number}'),
            ("some objects", "GET", f"/storage/v1/b/{BUCKET}/o?prefix=reads/00&maxResults=10", b"", "reads/009.json"),
            ("custom job", "GET", f"{api}/{job}", b"", '"displayName":"bench"'),
            ("persistent resource", "GET", f"{api}/{PARENT}/persistentResources/{POOL}", b"", '"state":"RUNNING"'),
            ("table", "GET", f"{warehouse}/tables/events", b"", '"numRows":"2"'),
            ("dataset", "GET", warehouse, b"", '"datasetId":"bench"'),
            ("bucket's policy", "GET", f"/storage/v1/b/{BUCKET}/iam", b"", "roles/storage.legacyBucketOwner"),
            ("project's policy", "POST", f"/crm/v1/projects/{PROJECT}:getIamPolicy", policy, "of the benchmark"),
        ]
        for kind, method, path, body, expected in rows:
            found.append(Read(kind, request(method, path, token=token, body=body), expected.encode()))
    return found


def put_object(cloud: CloudProcess, name: str, content: bytes) -> None:
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
    cloud.json("POST", path, data=content, headers={"content-type": "application/json"})


def submit(cloud: CloudProcess) -> str:
    """A custom job on the pool; its name."""
    container = {"imageUri": IMAGE, "command": ["python", "-m", "works"]}
    pool = {"machineSpec": MACHINE, "replicaCount": "1", "containerSpec": container}
    body = {"displayName": "bench", "jobSpec": {"workerPoolSpecs": [pool], "persistentResourceId": POOL}}
    return cloud.json("POST", f"/v1/{PARENT}/customJobs", body)["name"]


def _make_table(cloud: CloudProcess) -> None:
    datasets = f"/bigquery/v2/projects/{PROJECT}/datasets"
    reference = {"projectId": PROJECT, "datasetId": "bench"}
    cloud.json("POST", datasets, {"datasetReference": reference, "location": "europe-west1"})
    fields = [{"name": "user_id", "type": "STRING"}, {"name": "at", "type": "TIMESTAMP"}]
    table = {"tableReference": {**reference, "tableId": "events"}, "schema": {"fields": fields}}
    cloud.json("POST", f"{datasets}/bench/tables", table)
    rows = [{"json": {"user_id": user, "at": "2026-01-02T03:04:05Z"}} for user in ("u1", "u2")]
    cloud.json("POST", f"{datasets}/bench/tables/events/insertAll", {"rows": rows})


def _binding(role: str, members: list[str]) -> dict[str, object]:
    return {"role": role, "members": [f"serviceAccount:{email}" for email in members]}
