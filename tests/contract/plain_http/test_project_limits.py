"""What limits a project: its quotas, its organisation policies, and what zones offer; by google-api-python-client."""

import pytest
from googleapiclient.errors import HttpError

from tests.contract.google_clients import unique

L4 = "aiplatform.googleapis.com/custom_model_training_nvidia_l4_gpus"
LIMIT = (
    "projects/{}/services/aiplatform.googleapis.com/consumerQuotaMetrics/aiplatform.googleapis.com%2F{}"
    "/limits/%2Fproject%2Fregion"
)
CHECK_LIMIT = "constraints/iam.disableServiceAccountCreation"


def limit_of(local) -> str:
    return LIMIT.format(local.project, L4.partition("/")[2])


def pool(count: int, most: int = 0) -> dict:
    machine = {"machineType": "g2-standard-8", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    scaling = {"autoscalingSpec": {"minReplicaCount": "1", "maxReplicaCount": str(most)}} if most else {}
    return {"resourcePools": [{"machineSpec": machine, "replicaCount": str(count), **scaling}]}


def make_pool(local, body: dict, status: int = 200):
    path = f"/v1/{local.location}/persistentResources"
    return local.json("aiplatform", "POST", path, body, params={"persistentResourceId": unique("p")}, status=status)


@pytest.fixture
def overrides(local):
    client = local.client("serviceusage", "v1beta1").services().consumerQuotaMetrics().limits().consumerOverrides()
    yield client
    for each in client.list(parent=limit_of(local)).execute().get("overrides", []):
        client.delete(name=each["name"], force=True).execute()


def test_without_an_override_nothing_is_limited(local):
    usage = local.client("serviceusage", "v1beta1").services().consumerQuotaMetrics()
    parent = f"projects/{local.project}/services/aiplatform.googleapis.com"
    metrics = {each["metric"]: each for each in usage.list(parent=parent).execute()["metrics"]}
    (limit,) = metrics[L4]["consumerQuotaLimits"]
    assert limit["quotaBuckets"] == [{"effectiveLimit": "-1", "defaultLimit": "-1"}]
    assert limit["unit"] == "1/{project}/{region}"
    assert usage.limits().get(name=limit["name"]).execute() == limit
    assert usage.get(name=metrics[L4]["name"]).execute() == metrics[L4]


def test_a_limit_falls_by_force_and_holds_in_its_region(local, overrides):
    wanted = {"overrideValue": "2", "dimensions": {"region": "europe-west1"}}
    with pytest.raises(HttpError, match="LIMIT_DECREASE_PERCENTAGE_TOO_HIGH"):
        overrides.create(parent=limit_of(local), body=wanted).execute()
    made = overrides.create(parent=limit_of(local), body=wanted, force=True).execute()["response"]
    assert made["overrideValue"] == "2"
    with pytest.raises(HttpError, match="there is an override"):
        overrides.create(parent=limit_of(local), body=wanted, force=True).execute()
    limit = local.json("serviceusage", "GET", f"/serviceusage/v1beta1/{limit_of(local)}")
    here = next(each for each in limit["quotaBuckets"] if each.get("dimensions"))
    assert here["effectiveLimit"] == "2"
    assert made.pop("@type").endswith("v1beta1.QuotaOverride")
    assert here["consumerOverride"] == made
    changed = overrides.patch(name=made["name"], body={"overrideValue": "5"}, updateMask="override_value").execute()
    assert changed["response"]["overrideValue"] == "5"


def test_pools_and_jobs_beyond_the_quota_are_refused(local, overrides):
    wanted = {"overrideValue": "2", "dimensions": {"region": "europe-west1"}}
    overrides.create(parent=limit_of(local), body=wanted, force=True).execute()
    refused = make_pool(local, pool(1, most=3), status=429)
    assert refused["error"]["message"] == f"The following quota metrics exceed quota limits: {L4}"
    make_pool(local, pool(2))
    container = {"imageUri": "europe-docker.pkg.dev/vertex-ai/training/any:latest"}
    spec = {"machineSpec": pool(1)["resourcePools"][0]["machineSpec"], "replicaCount": "1", "containerSpec": container}
    job = {"displayName": "beyond", "jobSpec": {"workerPoolSpecs": [spec]}}
    refused = local.json("aiplatform", "POST", f"/v1/{local.location}/customJobs", job, status=429)
    assert refused["error"]["status"] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"overrideValue": "-2"}, "'-2' is not -1 .unlimited. or more"),
        ({"overrideValue": "1", "dimensions": {"region": "mars-north1"}}, "'mars-north1' is not one of"),
        ({"overrideValue": "1", "dimensions": {"zone": "a"}}, "dimensions"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(local, overrides, body, problem):
    with pytest.raises(HttpError, match=problem):
        overrides.create(parent=limit_of(local), body=body, force=True).execute()


def test_a_metric_that_is_not_modelled_is_not_found(local):
    usage = local.client("serviceusage", "v1beta1").services().consumerQuotaMetrics().limits()
    with pytest.raises(HttpError) as refused:
        usage.get(name=LIMIT.format(local.project, "made_up")).execute()
    assert refused.value.status_code == 404


def test_a_project_that_forbids_service_accounts_gets_none(local):
    projects, policy = local.client("cloudresourcemanager", "v1").projects(), {"constraint": CHECK_LIMIT}
    asked = {"resource": f"projects/{local.project}", "body": policy}
    assert projects.getEffectiveOrgPolicy(**asked).execute() == policy | {"booleanPolicy": {}}
    enforced = {"policy": policy | {"booleanPolicy": {"enforced": True}}}
    made = projects.setOrgPolicy(resource=asked["resource"], body=enforced).execute()
    account = {"accountId": unique("acct")[:30]}
    path = f"/iam/v1/projects/{local.project}/serviceAccounts"
    refused = local.json("iam", "POST", path, account, status=400)
    assert f"Constraint {CHECK_LIMIT} violated" in refused["error"]["message"]
    assert projects.getOrgPolicy(**asked).execute() == made
    assert projects.listOrgPolicies(resource=asked["resource"], body={}).execute()["policies"] == [made]
    stale = {"policy": enforced["policy"] | {"etag": "abc"}}
    with pytest.raises(HttpError, match="changed meanwhile"):
        projects.setOrgPolicy(resource=asked["resource"], body=stale).execute()
    projects.clearOrgPolicy(**asked).execute()
    local.json("iam", "POST", path, account)


def test_a_list_of_places_is_kept_and_a_contradictory_one_refused(local):
    projects, name = local.client("cloudresourcemanager", "v1").projects(), f"projects/{local.project}"
    policy = {"constraint": "constraints/gcp.resourceLocations", "listPolicy": {"allowedValues": ["in:us-locations"]}}
    projects.setOrgPolicy(resource=name, body={"policy": policy}).execute()
    asked = {"constraint": "constraints/gcp.resourceLocations"}
    assert projects.getEffectiveOrgPolicy(resource=name, body=asked).execute() == policy
    both = policy | {"listPolicy": {"allValues": "DENY", "allowedValues": ["in:us-locations"]}}
    with pytest.raises(HttpError, match="allValues DENY excludes allowedValues"):
        projects.setOrgPolicy(resource=name, body={"policy": both}).execute()


def test_zones_offer_machine_types_with_their_sizes(plain):
    compute = plain.client("compute", "v1")
    machine = compute.machineTypes().get(project=plain.project, zone="us-central1-a", machineType="n1-standard-4")
    assert {key: machine.execute()[key] for key in ("guestCpus", "memoryMb")} == {"guestCpus": 4, "memoryMb": 15360}
    asked = compute.machineTypes().aggregatedList(project=plain.project, filter="name=g2-standard-8")
    items = asked.execute()["items"]
    assert [each["name"] for each in items["zones/us-central1-a"]["machineTypes"]] == ["g2-standard-8"]
    zones = compute.zones().list(project=plain.project, filter="name=us-central1-*").execute()["items"]
    assert {each["name"] for each in zones} >= {"us-central1-a", "us-central1-b", "us-central1-c"}
    with pytest.raises(HttpError) as refused:
        compute.machineTypes().get(project=plain.project, zone="us-central1-a", machineType="n1-tiny-4").execute()
    assert refused.value.status_code == 404
