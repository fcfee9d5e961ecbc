"""Rules that every API keeps: masks that name no field, filters that do not parse, bodies of another shape; and what
becomes of a deleted account.
"""

import time
from typing import Any

import pytest

from tests.contract.google_clients import unique


@pytest.fixture(scope="module")
def project(cloud_server):
    project = unique("acme")
    cloud_server.account(project, "first-one")
    return project


@pytest.fixture(scope="module")
def location(project):
    return f"/v1/projects/{project}/locations/europe-west1"


@pytest.fixture(scope="module")
def made(cloud_server, project, location):
    """A resource of each service, by the name that its path has."""
    account = f"/v1/projects/{project}/serviceAccounts/first-one@{project}.iam.gserviceaccount.com"
    cloud_server.json("POST", f"{location}/repositories?repositoryId=images", {"format": "DOCKER"})
    cloud_server.json("PUT", f"/v1/projects/{project}/topics/news", {})
    cloud_server.json("POST", f"{location}/keyRings?keyRingId=ring", {})
    key = f"{location}/keyRings/ring/cryptoKeys"
    cloud_server.json("POST", f"{key}?cryptoKeyId=key", {"purpose": "ENCRYPT_DECRYPT"})
    for name, labels in (("told", {"team": "a"}), ("kept", {"team": "b"})):
        body = {"replication": {"automatic": {}}, "labels": labels}
        cloud_server.json("POST", f"/v1/projects/{project}/secrets?secretId={name}", body)
    return {
        "repository": f"{location}/repositories/images",
        "topic": f"/v1/projects/{project}/topics/news",
        "key": f"{key}/key",
        "secret": f"/v1/projects/{project}/secrets/told",
        "account": account,
    }


@pytest.mark.parametrize("mask", ["nope", "labels,nope", "labels.a.b"])
@pytest.mark.parametrize("kind", ["repository", "key", "secret"])
def test_a_mask_that_names_no_field_is_refused(cloud_server, made, kind, mask):
    error = cloud_server.json("PATCH", f"{made[kind]}?updateMask={mask}", {"labels": {"a": "b"}}, status=400)["error"]
    assert error["details"][0]["fieldViolations"][0]["field"] == "updateMask"


def test_a_mask_in_the_body_is_checked_too(cloud_server, made):
    topic = {"topic": {"labels": {"a": "b"}}, "updateMask": "nope"}
    cloud_server.json("PATCH", made["topic"], topic, status=400)
    account = {"serviceAccount": {"displayName": "x"}, "updateMask": "nope"}
    cloud_server.json("PATCH", made["account"], account, status=400)


def test_a_mask_may_end_at_a_key_of_a_map(cloud_server, made):
    cloud_server.json("PATCH", f"{made['repository']}?updateMask=labels", {"labels": {"a": "b", "c": "d"}})
    cloud_server.json("PATCH", f"{made['repository']}?updateMask=labels.a", {"labels": {"a": "e"}})
    assert cloud_server.json("GET", made["repository"])["labels"] == {"a": "e", "c": "d"}


def test_lists_are_filtered_or_the_filter_is_refused(cloud_server, project, location, made):
    secrets = f"/v1/projects/{project}/secrets"
    found = cloud_server.json("GET", f"{secrets}?filter=labels.team=b")["secrets"]
    assert [each["name"].rsplit("/", 1)[-1] for each in found] == ["kept"]
    pending = f"{location}/operations?filter=done=false"
    assert cloud_server.json("GET", f"{location}/operations?filter=done=true")["operations"]
    assert cloud_server.json("GET", pending) == {}
    for path in (secrets, f"{location}/operations", f"{location}/repositories", f"{location}/keyRings"):
        error = cloud_server.json("GET", f"{path}?filter=((", status=400)["error"]
        assert error["details"][0]["fieldViolations"][0]["field"] == "filter"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/bigquery/v2/projects/{}/datasets", {"datasetReference": "x"}),
        ("/bigquery/v2/projects/{}/queries", {"query": 5}),
        ("/bigquery/v2/projects/{}/jobs", {"configuration": {"query": {"query": 5}}}),
        ("/bigquery/v2/projects/{}/jobs", {"configuration": {"copy": "x"}}),
        ("/v1/projects/{}/serviceAccounts", {"accountId": "of-a-shape", "serviceAccount": "x"}),
    ],
)
def test_a_body_of_another_shape_is_the_callers_error(cloud_server, project, path, body):
    assert cloud_server.json("POST", path.format(project), body, status=400)["error"]["message"]


def test_a_deleted_accounts_bindings_are_no_later_accounts(cloud_server, project):
    name = unique("leaver")
    accounts, body = f"/v1/projects/{project}/serviceAccounts", {"accountId": name}
    account = cloud_server.json("POST", accounts, body)
    member = f"serviceAccount:{account['email']}"
    cloud_server.grant(project, {"roles/viewer": [member]})
    cloud_server.json("DELETE", f"/v1/{account['name']}")
    deleted = f"deleted:{member}?uid={account['uniqueId']}"
    assert _members(cloud_server, project) == [deleted]
    cloud_server.json("POST", accounts, body)
    token = {"authorization": f"Bearer {cloud_server.token_of(account['email'])}"}
    assert cloud_server.call("GET", f"/storage/v1/b?project={project}", headers=token).status_code == 403
    cloud_server.json("DELETE", f"/v1/{account['name']}")
    cloud_server.json("POST", f"/v1/projects/-/serviceAccounts/{account['uniqueId']}:undelete", {})
    assert _members(cloud_server, project) == [member]


def test_nothing_runs_as_an_account_that_is_not_there(cloud_server, project, location):
    container = {"imageUri": "python:3.11", "command": ["true"]}
    machine = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}
    account = f"nobody@{project}.iam.gserviceaccount.com"
    job = {"displayName": "x", "jobSpec": {"serviceAccount": account, "workerPoolSpecs": [machine]}}
    error = cloud_server.json("POST", f"{location}/customJobs", job, status=403)["error"]
    assert account in error["message"]
    pool = {
        "resourcePools": [{"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1}],
        "resourceRuntimeSpec": {"serviceAccountSpec": {"enableCustomServiceAccount": True, "serviceAccount": account}},
    }
    cloud_server.json("POST", f"{location}/persistentResources?persistentResourceId=pool", pool, status=403)


def _members(cloud, project):
    policy = cloud.json("POST", f"/v1/projects/{project}:getIamPolicy", {})
    return [member for each in policy["bindings"] for member in each["members"] if "leaver" in member]


def test_a_run_whose_account_may_not_use_its_root_fails_at_its_task(cloud_server, project, location):
    """Google: every task writes what it made below the root, as the run's account."""
    account, bucket = cloud_server.account(project, "rootless"), unique("root")
    cloud_server.json("POST", f"/storage/v1/b?project={project}", {"name": bucket})
    container = {"image": "python:3.11", "command": ["true"]}
    spec = {
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.0",
        "pipelineInfo": {"name": "p"},
        "root": {"dag": {"tasks": {"a": {"taskInfo": {"name": "a"}, "componentRef": {"name": "comp-a"}}}}},
        "components": {"comp-a": {"executorLabel": "exec-a"}},
        "deploymentSpec": {"executors": {"exec-a": {"container": container}}},
    }
    config = {"gcsOutputDirectory": f"gs://{bucket}/runs"}
    body = {"serviceAccount": account, "runtimeConfig": config, "pipelineSpec": spec}
    cloud_server.json("POST", f"{location}/pipelineJobs?pipelineJobId=rootless", body)
    job: dict[str, Any] = {"state": ""}
    deadline = time.monotonic() + 30
    while job["state"] not in ("PIPELINE_STATE_FAILED", "PIPELINE_STATE_SUCCEEDED") and time.monotonic() < deadline:
        job = cloud_server.json("GET", f"{location}/pipelineJobs/rootless")
    errors = [each["error"] for each in job["jobDetail"]["taskDetails"] if each["taskName"] == "a"]
    assert (job["state"], errors[0]["code"]) == ("PIPELINE_STATE_FAILED", 7)
    assert f"{account} does not have storage.objects.get access" in errors[0]["message"]
