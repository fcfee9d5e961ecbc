"""Calls of principals with few rights, over HTTP and with Google's clients, on a cloud that enforces."""

import subprocess
import sys
import uuid

import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.cloud import bigquery, storage
from google.oauth2.credentials import Credentials

PROJECT = "acme-access"
PARENT = f"projects/{PROJECT}/locations/europe-west1"


@pytest.fixture(scope="module")
def cloud(cloud_server):
    cloud_server.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": "acme-access-data"})
    return cloud_server


@pytest.fixture
def account(cloud):
    """A fresh service account without any role."""
    return cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")


def as_(cloud, principal, method, path, body=None):
    headers = {"authorization": f"Bearer {cloud.token_of(principal)}"}
    return requests.request(method, f"{cloud.url}{path}", json=body, headers=headers, timeout=30)


def buckets(cloud, principal):
    credentials = Credentials(token=cloud.token_of(principal))
    return storage.Client(PROJECT, credentials=credentials, client_options={"api_endpoint": cloud.url})


def warehouse(cloud, principal):
    credentials = Credentials(token=cloud.token_of(principal))
    return bigquery.Client(PROJECT, credentials=credentials, client_options={"api_endpoint": cloud.url})


def test_a_refusal_names_permission_and_resource_as_google_does(cloud, account):
    answer = as_(cloud, account, "POST", f"/v1/{PARENT}/customJobs", {"displayName": "x"})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["status"] == "PERMISSION_DENIED"
    assert error["details"][0]["reason"] == "IAM_PERMISSION_DENIED"
    assert error["details"][0]["metadata"]["permission"] == "aiplatform.customJobs.create"


def test_a_job_that_names_an_account_needs_the_right_to_act_as_it(cloud, account):
    target = cloud.account(PROJECT, "sa-target")
    cloud.grant(PROJECT, {"roles/aiplatform.user": [f"serviceAccount:{account}"]})
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": {"imageUri": "i"}}
    job = {"displayName": "x", "jobSpec": {"serviceAccount": target, "workerPoolSpecs": [pool]}}
    refused = as_(cloud, account, "POST", f"/v1/{PARENT}/customJobs", job)
    assert refused.status_code == 403
    assert "iam.serviceAccounts.actAs" in refused.json()["error"]["message"]
    path = f"/iam/v1/projects/{PROJECT}/serviceAccounts/{target}:setIamPolicy"
    binding = {"role": "roles/iam.serviceAccountUser", "members": [f"serviceAccount:{account}"]}
    cloud.json("POST", path, {"policy": {"bindings": [binding]}})
    assert as_(cloud, account, "POST", f"/v1/{PARENT}/customJobs", job).status_code == 200


def test_overwriting_an_object_needs_the_right_to_delete_it(cloud, account):
    cloud.grant(PROJECT, {"roles/storage.objectCreator": [f"serviceAccount:{account}"]})
    blob = buckets(cloud, account).bucket("acme-access-data").blob(uuid.uuid4().hex)
    blob.upload_from_string(b"once")
    with pytest.raises(Forbidden, match=r"storage\.objects\.delete"):
        blob.upload_from_string(b"twice")
    with pytest.raises(Forbidden, match=r"storage\.objects\.get"):
        blob.download_as_bytes()


def test_a_query_needs_the_tables_that_it_reads(cloud, account):
    name = f"d{uuid.uuid4().hex[:8]}"
    cloud.json("POST", f"/bigquery/v2/projects/{PROJECT}/datasets", {"datasetReference": {"datasetId": name}})
    table = {"tableReference": {"tableId": "t"}, "schema": {"fields": [{"name": "x", "type": "INTEGER"}]}}
    cloud.json("POST", f"/bigquery/v2/projects/{PROJECT}/datasets/{name}/tables", table)
    client = warehouse(cloud, account)
    with pytest.raises(Forbidden, match=r"bigquery\.jobs\.create"):
        client.query("SELECT 1", job_retry=None).result()
    cloud.grant(PROJECT, {"roles/bigquery.jobUser": [f"serviceAccount:{account}"]})
    assert [row[0] for row in client.query("SELECT 1", job_retry=None).result()] == [1]
    with pytest.raises(Forbidden, match=r"bigquery\.tables\.getData"):
        client.query(f"SELECT * FROM {name}.t", job_retry=None).result()
    path = f"/bigquery/v2/projects/{PROJECT}/datasets/{name}"
    access = cloud.json("GET", path)["access"]
    cloud.json("PATCH", path, {"access": [*access, {"role": "READER", "userByEmail": account}]})
    assert list(client.query(f"SELECT * FROM {name}.t", job_retry=None).result()) == []
    with pytest.raises(Forbidden, match=r"bigquery\.tables\.updateData"):
        client.query(f"INSERT INTO {name}.t VALUES (1)", job_retry=None).result()
    with pytest.raises(Forbidden, match=r"bigquery\.tables\.create"):
        client.query(f"CREATE TABLE {name}.u AS SELECT 1 AS x", job_retry=None).result()


def test_a_job_of_somebody_else_cannot_be_followed(cloud, account):
    other = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    members = [f"serviceAccount:{each}" for each in (account, other)]
    cloud.grant(PROJECT, {"roles/bigquery.jobUser": members})
    job = warehouse(cloud, account).query("SELECT 1", job_retry=None)
    job.result()
    with pytest.raises(Forbidden, match=r"bigquery\.jobs\.get"):
        warehouse(cloud, other).get_job(job.job_id, location=job.location)


def test_an_account_is_impersonated_by_whoever_may_create_its_tokens(cloud, account):
    target = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    path = f"/v1/projects/-/serviceAccounts/{target}:generateAccessToken"
    body = {"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "600s"}
    assert as_(cloud, account, "POST", path, body).status_code == 403
    cloud.grant(PROJECT, {"roles/iam.serviceAccountTokenCreator": [f"serviceAccount:{account}"]})
    token = as_(cloud, account, "POST", path, body).json()["accessToken"]
    headers = {"authorization": f"Bearer {token}"}
    refused = requests.get(f"{cloud.url}/v1/{PARENT}/customJobs", headers=headers, timeout=30)
    assert refused.status_code == 403
    newest = cloud.json("GET", f"/_local/access/log?principal={target}&granted=false")["entries"][-1]
    assert newest["permission"] == "aiplatform.customJobs.list"


def test_permissions_are_tested_against_what_is_granted(cloud, account):
    cloud.grant(PROJECT, {"roles/storage.objectViewer": [f"serviceAccount:{account}"]})
    asked = ["storage.objects.get", "storage.objects.delete"]
    bucket = buckets(cloud, account).bucket("acme-access-data")
    assert bucket.test_iam_permissions(asked) == ["storage.objects.get"]


def test_a_principals_token_cannot_command_the_cloud(cloud, account):
    for method, path in (("POST", "/_local/stop"), ("PUT", "/_local/images"), ("GET", "/_local/access/log")):
        assert as_(cloud, account, method, path).status_code == 403


def test_the_command_explains_a_refusal_and_a_grant(cloud, account):
    def explain(permission):
        command = [
            sys.executable,
            "-m",
            "local.cloud",
            "explain",
            "--root",
            str(cloud.root),
            account,
            permission,
            PARENT,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    refused = explain("aiplatform.models.upload")
    assert refused.returncode == 1
    assert f"{account} lacks aiplatform.models.upload on {PARENT}" in refused.stdout
    cloud.grant(PROJECT, {"roles/aiplatform.user": [f"serviceAccount:{account}"]})
    granted = explain("aiplatform.models.upload")
    assert granted.returncode == 0
    assert "roles/aiplatform.user is granted to" in granted.stdout
    bad = explain("upload")
    assert bad.returncode == 2
    assert "'upload' is not service.resource.verb" in bad.stderr


def test_an_account_of_another_project_is_not_impersonated_under_the_callers_own(cloud, account):
    victim = cloud.account("acme-access-other", "sa-victim")
    cloud.grant(PROJECT, {"roles/iam.serviceAccountTokenCreator": [f"serviceAccount:{account}"]})
    path = f"/v1/projects/{PROJECT}/serviceAccounts/{victim}:generateAccessToken"
    refused = as_(cloud, account, "POST", path, {"scope": ["https://www.googleapis.com/auth/cloud-platform"]})
    assert refused.status_code == 403
    assert f"projects/acme-access-other/serviceAccounts/{victim}" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "email", ["alice@acme.example", "service-1@gcp-sa-aiplatform-cc.iam.gserviceaccount.com", "sa@other.example"]
)
def test_nobody_acts_as_what_is_no_account_of_a_project_of_theirs(cloud, account, email):
    roles = ("roles/aiplatform.user", "roles/iam.serviceAccountUser")
    cloud.grant(PROJECT, {role: [f"serviceAccount:{account}"] for role in roles})
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": {"imageUri": "i"}}
    job = {"displayName": "x", "jobSpec": {"serviceAccount": email, "workerPoolSpecs": [pool]}}
    assert as_(cloud, account, "POST", f"/v1/{PARENT}/customJobs", job).status_code == 403


def test_a_scheduled_call_as_an_account_needs_the_right_to_act_as_it(cloud, account):
    target = cloud.account(PROJECT, "sa-target")
    cloud.grant(PROJECT, {"roles/cloudscheduler.admin": [f"serviceAccount:{account}"]})
    http = {"uri": "https://aiplatform.googleapis.com/v1/x", "oauthToken": {"serviceAccountEmail": target}}
    job = {"name": f"{PARENT}/jobs/nightly", "schedule": "0 3 * * *", "httpTarget": http}
    refused = as_(cloud, account, "POST", f"/v1/{PARENT}/jobs", job)
    assert refused.status_code == 403
    assert "iam.serviceAccounts.actAs" in refused.json()["error"]["message"]


def test_logs_are_read_in_the_projects_that_one_may_read(cloud, account):
    asked = {"resourceNames": [f"projects/{PROJECT}"]}
    assert as_(cloud, account, "POST", "/v2/entries:list", asked).status_code == 403
    assert as_(cloud, account, "POST", "/v2/entries:list", {}).status_code == 403
    cloud.grant(PROJECT, {"roles/logging.viewer": [f"serviceAccount:{account}"]})
    assert as_(cloud, account, "POST", "/v2/entries:list", asked).status_code == 200
    both = {"resourceNames": [f"projects/{PROJECT}", "projects/acme-access-other"]}
    assert as_(cloud, account, "POST", "/v2/entries:list", both).status_code == 403


def test_a_dataset_with_an_underscore_is_guarded_like_any_other(cloud, account):
    path = f"/bigquery/v2/projects/{PROJECT}/datasets"
    cloud.json("POST", path, {"datasetReference": {"datasetId": "_hidden"}})
    assert as_(cloud, account, "GET", f"{path}/_hidden").status_code == 403
