"""What the provider's plan lets through, Google refuses: so does the local cloud, by the field's JSON path.

The rows are those of plan_time_validation.json that a preview accepted. Each is sent as the API's own request; REFUSED
says which field is refused and which page says so, TAKEN why a row is none of the API's refusals.
"""

import copy
import json
import uuid
from typing import Any

import pytest

from tests.contract.provider_replay import DATA

_DOCS = "https://cloud.google.com"
_VERTEX = f"{_DOCS}/vertex-ai/docs/reference/rest/v1"
_POOLS = f"{_VERTEX}/projects.locations.persistentResources"
_SCHEDULES = f"{_VERTEX}/projects.locations.schedules"
_BUCKETS = f"{_DOCS}/storage/docs/json_api/v1/buckets"
_LOCATION = "locations/europe-west1"

# Of each type: the method, the path (P is a project of its own, NAME a new name), and a body that is taken as it is.
_POOL: dict[str, Any] = {
    "displayName": "warm",
    "resourcePools": [
        {
            "machineSpec": {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1},
            "replicaCount": "2",
            "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
        }
    ],
    "resourceRuntimeSpec": {"serviceAccountSpec": {"enableCustomServiceAccount": True}},
}
_ELASTIC = copy.deepcopy(_POOL)
_ELASTIC["resourcePools"][0] |= {
    "replicaCount": "1",
    "autoscalingSpec": {"minReplicaCount": "1", "maxReplicaCount": "4"},
}
_SPEC = {
    "pipelineInfo": {"name": "p"},
    "root": {"dag": {"tasks": {"t": {"componentRef": {"name": "c"}, "taskInfo": {"name": "t"}}}}},
    "components": {"c": {"executorLabel": "e"}},
    "deploymentSpec": {"executors": {"e": {"container": {"image": "python:3.11", "command": ["true"]}}}},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
}
_SCHEDULE = {
    "displayName": "nightly",
    "cron": "TZ=Europe/Paris 0 3 * * *",
    "maxConcurrentRunCount": "1",
    "createPipelineJobRequest": {
        "pipelineJob": {
            "pipelineSpec": _SPEC,
            "runtimeConfig": {"gcsOutputDirectory": "gs://b/runs", "parameterValues": {}},
        }
    },
}
_RULES = [{"action": {"type": "Delete"}, "condition": {"age": 90}}]
BASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "AiPersistentResource": ("POST", f"/v1beta1/P/{_LOCATION}/persistentResources?persistentResourceId=pool", _POOL),
    "Elastic": ("POST", f"/v1beta1/P/{_LOCATION}/persistentResources?persistentResourceId=pool", _ELASTIC),
    "Schedule": ("POST", f"/v1beta1/P/{_LOCATION}/schedules", _SCHEDULE),
    "Bucket": ("POST", "/storage/v1/b?project=PID", {"name": "NAME", "location": "EU", "lifecycle": {"rule": _RULES}}),
    "Table": (
        "POST",
        "/bigquery/v2/P/datasets/d/tables",
        {
            "tableReference": {"tableId": "NAME"},
            "schema": {"fields": [{"name": "ts", "type": "TIMESTAMP"}]},
            "timePartitioning": {"type": "DAY", "field": "ts"},
        },
    ),
    "Account": ("POST", "/v1/P/serviceAccounts", {"accountId": "ct-deployer", "serviceAccount": {"displayName": "d"}}),
    "IAMMember": (
        "POST",
        "/crm/v1/P:setIamPolicy",
        {"policy": {"bindings": [{"role": "roles/viewer", "members": ["user:a@example.com"]}]}},
    ),
    "Repository": ("POST", f"/v1/P/{_LOCATION}/repositories?repositoryId=training", {"format": "DOCKER"}),
    "Topic": ("PUT", "/v1/P/topics/NAME", {"messageRetentionDuration": "86400s"}),
    "Subscription": (
        "PUT",
        "/v1/P/subscriptions/NAME",
        {
            "topic": "P/topics/base",
            "ackDeadlineSeconds": 60,
            "deadLetterPolicy": {"deadLetterTopic": "P/topics/base", "maxDeliveryAttempts": 5},
        },
    ),
    "Job": (
        "POST",
        f"/v1/P/{_LOCATION}/jobs",
        {
            "name": f"P/{_LOCATION}/jobs/check",
            "schedule": "0 * * * *",
            "pubsubTarget": {"topicName": "P/topics/base", "data": "e30="},
            "retryConfig": {"retryCount": 3},
        },
    ),
    "Subnetwork": (
        "POST",
        "/compute/v1/P/regions/europe-west1/subnetworks",
        {"name": "ct-subnet", "network": "P/global/networks/base", "ipCidrRange": "10.10.0.0/20"},
    ),
    "WorkloadIdentityPoolProvider": (
        "POST",
        "/v1/P/locations/global/workloadIdentityPools/base/providers?workloadIdentityPoolProviderId=github-oidc",
        {"oidc": {"issuerUri": "https://issuer.example.com"}, "attributeMapping": {"google.subject": "assertion.sub"}},
    ),
    "Budget": (
        "POST",
        "/v1/billingAccounts/012345-6789AB-CDEF01/budgets",
        {
            "amount": {"specifiedAmount": {"currencyCode": "EUR", "units": "500"}},
            "thresholdRules": [{"thresholdPercent": 0.5}],
        },
    ),
}

# (type, change, value as the file writes it): where the value goes in the request, the refused field, the page.
Row = tuple[str, str, str]
_AUTOSCALED = "resourcePools.0.autoscalingSpec"
REFUSED: dict[Row, tuple[str, str, str]] = {
    ("AiPersistentResource", "name", '"Warm_Pool"'): ("?persistentResourceId", "persistentResourceId", _POOLS),
    ("AiPersistentResource", "name", '"aaaaaaaa..(64)"'): ("?persistentResourceId", "persistentResourceId", _POOLS),
    ("AiPersistentResource", "name", "null"): ("?persistentResourceId", "persistentResourceId", _POOLS),
    ("AiPersistentResource", "resourcePools", "[]"): ("resourcePools", "resourcePools", _POOLS),
    ("AiPersistentResource", "resourcePools.0.replicaCount", '"abc"'): (
        *("resourcePools.0.replicaCount", "resourcePools[0].replicaCount"),
        _POOLS,
    ),
    ("AiPersistentResource", "resourcePools.0.replicaCount", '"0"'): (
        *("resourcePools.0.replicaCount", "resourcePools[0].replicaCount"),
        _POOLS,
    ),
    ("AiPersistentResource", "resourcePools.0.machineSpec.machineType", "null"): (
        *("resourcePools.0.machineSpec.machineType", "resourcePools[0].machineSpec.machineType"),
        f"{_VERTEX}/MachineSpec",
    ),
    ("AiPersistentResource", "resourcePools.0.machineSpec.acceleratorType", '"NVIDIA_NOPE"'): (
        *("resourcePools.0.machineSpec.acceleratorType", "resourcePools[0].machineSpec.acceleratorType"),
        f"{_VERTEX}/MachineSpec",
    ),
    ("AiPersistentResource", "resourcePools.0.diskSpec.bootDiskType", '"pd-nope"'): (
        *("resourcePools.0.diskSpec.bootDiskType", "resourcePools[0].diskSpec.bootDiskType"),
        f"{_VERTEX}/DiskSpec",
    ),
    ("AiPersistentResource", "resourcePools.0.diskSpec.bootDiskSizeGb", "1"): (
        *("resourcePools.0.diskSpec.bootDiskSizeGb", "resourcePools[0].diskSpec.bootDiskSizeGb"),
        f"{_VERTEX}/DiskSpec",
    ),
    ("AiPersistentResource", f"{_AUTOSCALED}.minReplicaCount", '"9"'): (
        *(f"{_AUTOSCALED}.minReplicaCount", "resourcePools[0].autoscalingSpec.maxReplicaCount"),
        _POOLS,
    ),
    ("AiPersistentResource", f"{_AUTOSCALED}.maxReplicaCount", "null"): (
        *(f"{_AUTOSCALED}.maxReplicaCount", "resourcePools[0].autoscalingSpec.maxReplicaCount"),
        _POOLS,
    ),
    ("AiPersistentResource", "labels", '{"Bad Key": "V"}'): ("labels", "labels['Bad Key']", _POOLS),
    ("Schedule", "cron", '"every day"'): ("cron", "cron", _SCHEDULES),
    ("Schedule", "maxConcurrentRunCount", '"x"'): ("maxConcurrentRunCount", "maxConcurrentRunCount", _SCHEDULES),
    ("Schedule", "createPipelineJobRequest.pipelineJob.runtimeConfig.failurePolicy", '"NOPE"'): (
        *(("createPipelineJobRequest.pipelineJob.runtimeConfig.failurePolicy",) * 2),
        f"{_VERTEX}/projects.locations.pipelineJobs#PipelineFailurePolicy",
    ),
    ("Schedule", "startTime", '"tomorrow"'): ("startTime", "startTime", _SCHEDULES),
    ("Bucket", "name", '"Bad_Name"'): ("name", "name", f"{_DOCS}/storage/docs/buckets#naming"),
    ("Bucket", "storageClass", '"NOPE"'): ("storageClass", "storageClass", _BUCKETS),
    ("Bucket", "publicAccessPrevention", '"nope"'): (
        *("iamConfiguration.publicAccessPrevention", "iamConfiguration.publicAccessPrevention"),
        _BUCKETS,
    ),
    ("Bucket", "lifecycleRules.0.action.type", '"Nope"'): (
        *("lifecycle.rule.0.action.type", "lifecycle.rule[0].action.type"),
        f"{_DOCS}/storage/docs/lifecycle",
    ),
    ("Bucket", "softDeletePolicy.retentionDurationSeconds", "5"): (
        *("softDeletePolicy.retentionDurationSeconds", "softDeletePolicy.retentionDurationSeconds"),
        f"{_DOCS}/storage/docs/soft-delete",
    ),
    ("Table", "timePartitioning.field", '"nope"'): (
        *("timePartitioning.field", "timePartitioning.field"),
        f"{_DOCS}/bigquery/docs/reference/rest/v2/tables#TimePartitioning",
    ),
    ("Account", "displayName", '"xxxxxxxx..(101)"'): (
        *("serviceAccount.displayName", "serviceAccount.displayName"),
        f"{_DOCS}/iam/docs/reference/rest/v1/projects.serviceAccounts",
    ),
    ("IAMMember", "role", '"aiplatform.admin"'): (
        *("policy.bindings.0.role", "policy.bindings[0].role"),
        f"{_DOCS}/iam/docs/reference/rest/v1/Policy",
    ),
    ("Repository", "format", '"NOPE"'): (
        *("format", "format"),
        f"{_DOCS}/artifact-registry/docs/reference/rest/v1/projects.locations.repositories",
    ),
    ("Repository", "repositoryId", '"Bad_ID"'): (
        *("?repositoryId", "repositoryId"),
        f"{_DOCS}/artifact-registry/docs/repositories/create-repos",
    ),
    ("Topic", "name", '"goog-x"'): ("NAME", "name", f"{_DOCS}/pubsub/docs/pubsub-basics#resource_names"),
    ("Topic", "messageRetentionDuration", '"1 day"'): (
        *("messageRetentionDuration", "messageRetentionDuration"),
        f"{_DOCS}/pubsub/docs/reference/rest/v1/projects.topics",
    ),
    ("Subscription", "ackDeadlineSeconds", "5"): (
        *("ackDeadlineSeconds", "ackDeadlineSeconds"),
        f"{_DOCS}/pubsub/docs/reference/rest/v1/projects.subscriptions",
    ),
    ("Subscription", "deadLetterPolicy.maxDeliveryAttempts", "3"): (
        *("deadLetterPolicy.maxDeliveryAttempts", "deadLetterPolicy.maxDeliveryAttempts"),
        f"{_DOCS}/pubsub/docs/reference/rest/v1/projects.subscriptions#DeadLetterPolicy",
    ),
    ("Job", "schedule", '"nope"'): (
        *("schedule", "schedule"),
        f"{_DOCS}/scheduler/docs/configuring/cron-job-schedules",
    ),
    ("Job", "retryConfig.retryCount", "9"): (
        *("retryConfig.retryCount", "retryConfig.retryCount"),
        f"{_DOCS}/scheduler/docs/reference/rest/v1/projects.locations.jobs#RetryConfig",
    ),
    ("Subnetwork", "ipCidrRange", '"10.0.0.1/24"'): (
        *("ipCidrRange", "ipCidrRange"),
        f"{_DOCS}/compute/docs/reference/rest/v1/subnetworks",
    ),
    ("WorkloadIdentityPoolProvider", "attributeMapping", '{"x": "y"}'): (
        *("attributeMapping", "attributeMapping['x']"),
        f"{_DOCS}/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers",
    ),
    ("Budget", "thresholdRules.0.thresholdPercent", "-1"): (
        *("thresholdRules.0.thresholdPercent", "thresholdRules[0].thresholdPercent"),
        f"{_DOCS}/billing/docs/reference/budget/rest/v1/billingAccounts.budgets#ThresholdRule",
    ),
}
TAKEN: dict[Row, str] = {
    ("AiPersistentResource", "location", "null"): "the provider takes its region instead",
    ("AiPersistentResource", "resourcePools.0.replicaCount", "3"): "an int64 may come as a number",
    ("AiPersistentResource", "resourcePools.0.machineSpec.acceleratorCount", '"1"'): "an int32 may come as a string",
    ("AiPersistentResource", "resourceRuntimeSpec", "null"): "it is optional",
    ("AiPersistentResource", "deletionPolicy", '"NOPE"'): "it is the provider's own, and is not sent",
    ("Schedule", "desiredState", '"STOPPED"'): "it is the provider's own, and is not sent",
    ("Schedule", "createPipelineJobRequest.pipelineJob.pipelineSpec", '"not json"'): "the provider fails to send it",
    (
        "Schedule",
        "createPipelineJobRequest.pipelineJob.runtimeConfig.parameterValues",
        '{"a": 1}',
    ): "a number is a value",
    ("Dataset", "location", "null"): "the default is US",
}
_LONG = {'"aaaaaaaa..(64)"': "a" * 64, '"xxxxxxxx..(101)"': "x" * 101}


def accepted() -> list[Row]:
    """What a preview let through."""
    rows = json.loads((DATA / "plan_time_validation.json").read_text())
    return [
        (row["type"].rpartition(":")[2], row["change"], json.dumps(row["value"]))
        for row in rows
        if row.get("preview_create") == "accepted"
    ]


def test_every_accepted_row_is_decided():
    assert sorted(accepted()) == sorted([*REFUSED, *TAKEN])


@pytest.fixture(scope="module")
def project(cloud_server):
    """A project with what the bases refer to."""
    name = f"projects/refuse-{uuid.uuid4().hex[:8]}"
    cloud_server.json("PUT", f"/v1/{name}/topics/base", {})
    cloud_server.json("POST", f"/bigquery/v2/{name}/datasets", {"datasetReference": {"datasetId": "d"}})
    cloud_server.json("POST", f"/compute/v1/{name}/global/networks", {"name": "base", "autoCreateSubnetworks": False})
    pools = f"/v1/{name}/locations/global/workloadIdentityPools?workloadIdentityPoolId=base"
    cloud_server.json("POST", pools, {})
    return name


def request_of(kind: str, project: str, place: str = "", value: Any = None) -> tuple[str, str, Any]:
    """The base of a type with a value put in its place; None takes the place's value away."""
    method, path, body = BASES[kind]
    own = value if place == "NAME" else f"t{uuid.uuid4().hex[:12]}"
    body = json.loads(json.dumps(body).replace("P/", f"{project}/").replace("NAME", own))
    path = path.replace("/P/", f"/{project}/").replace("/P:", f"/{project}:").replace("PID", project.split("/")[1])
    if place.startswith("?"):
        head, _, _ = path.rpartition(f"{place[1:]}=")
        return method, f"{head}{place[1:]}={value or ''}", body
    path = path.replace("NAME", own)
    if place and place != "NAME":
        put(body, place.split("."), value)
    return method, path, body


def put(body: Any, place: list[str], value: Any) -> None:
    *above, last = place
    for key in above:
        body = body[int(key)] if isinstance(body, list) else body.setdefault(key, {})
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value


@pytest.mark.parametrize("kind", [kind for kind in BASES if kind != "Elastic"])
def test_the_request_without_the_mistake_is_taken(cloud_server, project, kind):
    """Else a refusal below would show nothing."""
    method, path, body = request_of(kind, project)
    cloud_server.json(method, path, body)


@pytest.mark.parametrize("row", list(REFUSED), ids="-".join)
def test_what_a_plan_lets_through_is_refused_by_its_field(cloud_server, project, row):
    kind, _, text = row
    place, field, page = REFUSED[row]
    base = "Elastic" if place.startswith(_AUTOSCALED) else kind
    value = _LONG.get(text) or json.loads(text)
    error = cloud_server.json(*request_of(base, project, place, value), status=400)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    [bad_request] = [each for each in error["details"] if each["@type"].endswith("google.rpc.BadRequest")]
    assert field in [each["field"] for each in bad_request["fieldViolations"]], page
    if text not in ("null", "[]", *_LONG):
        shown = value if isinstance(value, str) else next(iter(value), "") if isinstance(value, dict) else str(value)
        assert shown in error["message"]
