"""The calls that gcloud's commands make."""

import base64
import json
import time
import uuid

import pytest

from tests.contract.google_clients import unique

_IMAGE = f"europe-west1-docker.pkg.dev/acme/images/none@sha256:{'1' * 64}"


def _pool(replicas: str = "1"):
    return {
        "displayName": "pool",
        "resourcePools": [
            {
                "machineSpec": {"machineType": "n1-standard-4"},
                "replicaCount": replicas,
                "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
            }
        ],
    }


def _job(pool: str = ""):
    worker = {
        "machineSpec": {"machineType": "n1-standard-4"},
        "replicaCount": "1",
        "containerSpec": {"imageUri": _IMAGE},
    }
    return {"displayName": "job", "jobSpec": {"workerPoolSpecs": [worker], "persistentResourceId": pool}}


@pytest.fixture
def account(plain):
    account_id = unique("acct")
    made = plain.json("iam", "POST", f"/v1/{plain.parent}/serviceAccounts", {"accountId": account_id})
    yield made["email"]
    plain.call("iam", "DELETE", f"/v1/projects/-/serviceAccounts/{made['email']}")


@pytest.fixture
def bucket(plain):
    name = unique("plain-bucket")
    body = {"name": name, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    plain.json("storage", "POST", "/storage/v1/b", body, params={"project": plain.project, "projection": "full"})
    return name


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_persistent_resource_is_created_listed_described_and_deleted(plain, version):
    short = unique("pool")
    base, name = f"/{version}/{plain.location}/persistentResources", f"{plain.location}/persistentResources/{short}"
    made = plain.json("aiplatform", "POST", base, _pool(), params={"persistentResourceId": short})
    while not made.get("done"):
        made = plain.json("aiplatform", "GET", f"/{version}/{made['name']}")
    listed = plain.json("aiplatform", "GET", base, params={"pageSize": 100})["persistentResources"]
    assert short in [each["name"].rsplit("/", 1)[-1] for each in listed]
    found = plain.json("aiplatform", "GET", f"/{version}/{name}")
    assert (found["state"], found["resourcePools"][0]["replicaCount"]) == ("RUNNING", "1")
    plain.json("aiplatform", "DELETE", f"/{version}/{name}")


def test_a_job_is_created_listed_by_filter_described_cancelled_and_its_log_streamed(plain):
    base = f"/v1beta1/{plain.location}/customJobs"
    job = plain.json("aiplatform", "POST", base, _job())
    plain.json("aiplatform", "POST", f"/v1beta1/{job['name']}:cancel", {})
    ended = {"JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}
    while (found := plain.json("aiplatform", "GET", f"/v1beta1/{job['name']}"))["state"] not in ended:
        time.sleep(0.05)
    listed = plain.json("aiplatform", "GET", base, params={"filter": f'state="{found["state"]}"', "pageSize": 10})
    assert job["name"] in [each["name"] for each in listed["customJobs"]]
    job_id = job["name"].rsplit("/", 1)[-1]
    wanted = f'resource.type="ml_job" AND resource.labels.job_id="{job_id}" AND timestamp<="2999-01-01T00:00:00Z"'
    request = {"resourceNames": [plain.parent], "filter": wanted, "orderBy": "timestamp asc", "pageSize": 1000}
    entries = plain.json("logging", "POST", "/v2/entries:list", request).get("entries", [])
    assert all(each["resource"]["labels"]["job_id"] == job_id for each in entries)


def test_an_object_is_uploaded_in_the_multipart_form_that_gcloud_writes(plain, bucket):
    boundary = "===============5286391834567890123=="
    meta = json.dumps({"name": "a/b.txt", "contentType": "text/plain"})
    parts = [f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{meta}", "Content-Type: text/plain\r\n\r\nhello"]
    data = f"\r\n--{boundary}\r\n".join(parts) + f"\r\n--{boundary}--"
    kind = {"content-type": f"multipart/related; boundary='{boundary}'"}
    made = plain.json(
        "storage",
        "POST",
        f"/upload/storage/v1/b/{bucket}/o",
        params={"uploadType": "multipart"},
        headers=kind,
        data=data,
    )
    assert (made["name"], made["size"]) == ("a/b.txt", "5")
    media = plain.call("storage", "GET", f"/download/storage/v1/b/{bucket}/o/a%2Fb.txt", params={"alt": "media"})
    assert media.content == b"hello"
    assert f"crc32c={made['crc32c']}" in media.headers["x-goog-hash"]


def test_a_bucket_with_uniform_access_has_no_acls(plain, bucket):
    refused = plain.json("storage", "GET", f"/storage/v1/b/{bucket}/acl", status=400)["error"]
    assert "uniform bucket-level access is enabled" in refused["message"]


def test_a_bucket_without_it_has_those_of_its_project(plain):
    name = unique("plain-acl")
    plain.json("storage", "POST", "/storage/v1/b", {"name": name}, params={"project": plain.project})
    items = plain.json("storage", "GET", f"/storage/v1/b/{name}/acl")["items"]
    assert [(each["projectTeam"]["team"], each["role"]) for each in items][:2] == [
        ("owners", "OWNER"),
        ("editors", "OWNER"),
    ]
    plain.json("storage", "POST", f"/storage/v1/b/{name}/acl", {"entity": "domain-example.com", "role": "READER"})
    plain.json("storage", "DELETE", f"/storage/v1/b/{name}/acl/domain-example.com", status=204)
    plain.json("storage", "GET", f"/storage/v1/b/{name}/acl/domain-example.com", status=404)


def test_a_change_of_an_object_is_published_to_its_buckets_topic(plain, bucket):
    topic, subscription = f"{plain.parent}/topics/{unique('topic')}", f"{plain.parent}/subscriptions/{unique('sub')}"
    plain.json("pubsub", "PUT", f"/v1/{topic}", {})
    plain.json("pubsub", "PUT", f"/v1/{subscription}", {"topic": topic})
    config = {"topic": f"//pubsub.googleapis.com/{topic}", "payload_format": "JSON_API_V1", "object_name_prefix": "a/"}
    plain.json("storage", "POST", f"/storage/v1/b/{bucket}/notificationConfigs", config)
    for name in ("b/left-out", "a/told"):
        plain.json(
            "storage",
            "POST",
            f"/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            data=b"x",
        )
    pulled = plain.json("pubsub", "POST", f"/v1/{subscription}:pull", {"maxMessages": 10})["receivedMessages"]
    told = [each["message"] for each in pulled]
    assert [(each["attributes"]["eventType"], each["attributes"]["objectId"]) for each in told] == [
        ("OBJECT_FINALIZE", "a/told")
    ]
    assert json.loads(base64.b64decode(told[0]["data"]))["bucket"] == bucket


def test_deleted_objects_are_brought_back_together(plain, bucket):
    for name in ("a/1", "a/2", "b/1"):
        plain.json(
            "storage",
            "POST",
            f"/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            data=b"x",
        )
        plain.json("storage", "DELETE", f"/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}", status=204)
    started = plain.json("storage", "POST", f"/storage/v1/b/{bucket}/o/bulkRestore", {"matchGlobs": ["a/**"]})
    operation = f"/storage/v1/b/{bucket}/operations/{started['name'].rsplit('/', 1)[-1]}"
    while not plain.json("storage", "GET", operation).get("done"):
        time.sleep(1)
    items = plain.json("storage", "GET", f"/storage/v1/b/{bucket}/o")["items"]
    assert [each["name"] for each in items] == ["a/1", "a/2"]


def test_a_managed_folder_that_holds_objects_is_not_deleted_by_mistake(plain, bucket):
    base = f"/storage/v1/b/{bucket}/managedFolders"
    assert plain.json("storage", "POST", base, {"name": "kept"})["name"] == "kept/"
    plain.json(
        "storage",
        "POST",
        f"/upload/storage/v1/b/{bucket}/o",
        params={"uploadType": "media", "name": "kept/x"},
        data=b"x",
    )
    plain.json("storage", "DELETE", f"{base}/kept%2F", status=409)
    plain.json("storage", "DELETE", f"{base}/kept%2F", params={"allowNonEmpty": "true"}, status=204)
    assert "items" not in plain.json("storage", "GET", base)


def test_an_hmac_key_is_deleted_only_when_it_is_inactive(plain, account):
    base = f"/storage/v1/{plain.parent}/hmacKeys"
    made = plain.json("storage", "POST", base, params={"serviceAccountEmail": account})
    key = f"{base}/{made['metadata']['accessId']}"
    assert len(made["secret"]) == 40
    plain.json("storage", "DELETE", key, status=400)
    assert plain.json("storage", "PUT", key, {"state": "INACTIVE"})["state"] == "INACTIVE"
    plain.json("storage", "DELETE", key, status=204)


def test_a_repository_is_created_with_an_unspecified_mode_and_found_across_locations(plain):
    short = unique("repo")
    base = f"/v1/{plain.location}/repositories"
    body = {"format": "DOCKER", "mode": "MODE_UNSPECIFIED", "description": "images"}
    made = plain.json("artifactregistry", "POST", base, body, params={"repositoryId": short})
    while not made.get("done"):
        made = plain.json("artifactregistry", "GET", f"/v1/{made['name']}")
    assert plain.json("artifactregistry", "GET", f"{base}/{short}")["mode"] == "STANDARD_REPOSITORY"
    locations = plain.json("artifactregistry", "GET", f"/v1/{plain.parent}/locations", params={"pageSize": 100})
    assert plain.location in [each["name"] for each in locations["locations"]]
    plain.json("artifactregistry", "DELETE", f"{base}/{short}")


def test_tags_move_and_a_version_goes_only_without_them(local):
    repository, digests = unique("repo"), [f"sha256:{digit * 64}" for digit in "12"]
    base = f"/v1/{local.location}/repositories"
    local.json("artifactregistry", "POST", base, {"format": "DOCKER"}, params={"repositoryId": repository})
    for digest in digests:
        image = f"europe-west1-docker.pkg.dev/{local.project}/{repository}/app@{digest}"
        runtime = {"interpreter": "/usr/bin/python3", "workdir": "/", "entrypoint": ["true"]}
        local.cloud.json("PUT", "/_local/images", {"image": image, "tags": ["v1"], "runtime": runtime})
    package = f"{base}/{repository}/packages/app"
    name = package.removeprefix("/v1/")
    moved = local.json(
        "artifactregistry",
        "PATCH",
        f"{package}/tags/v1",
        {"name": f"{name}/tags/v1", "version": f"{name}/versions/{digests[1]}"},
    )
    assert moved["version"].endswith(digests[1])
    local.json("artifactregistry", "DELETE", f"{package}/versions/{digests[1]}", status=400)
    local.json("artifactregistry", "DELETE", f"{package}/versions/{digests[1]}", params={"force": "true"})
    left = local.json("artifactregistry", "GET", f"{package}/versions")["versions"]
    assert [each["name"].rsplit("/", 1)[-1] for each in left] == digests[:1]


def test_a_policys_etag_is_taken_in_either_alphabet(plain, account):
    resource = f"/v1/projects/-/serviceAccounts/{account}"
    for turn in range(8):  # of so many etags, some hold a character in which the alphabets differ
        policy = plain.json("iam", "POST", f"{resource}:getIamPolicy", {})
        member = f"serviceAccount:{account}"
        roles = ["roles/iam.serviceAccountUser", "roles/iam.serviceAccountTokenCreator"]
        bindings = [{"role": roles[turn % 2], "members": [member]}]
        etag = policy["etag"].replace("+", "-").replace("/", "_")
        plain.json("iam", "POST", f"{resource}:setIamPolicy", {"policy": {"bindings": bindings, "etag": etag}})
    stale = {"policy": {"bindings": [], "etag": policy["etag"]}}
    assert plain.json("iam", "POST", f"{resource}:setIamPolicy", stale, status=409)["error"]["status"] == "ABORTED"


def test_a_custom_role_is_made_of_permissions_that_can_be_tested(plain):
    name = f"//cloudresourcemanager.googleapis.com/{plain.parent}"
    asked = {"fullResourceName": name, "pageSize": 1000}
    found = plain.json("iam", "POST", "/v1/permissions:queryTestablePermissions", asked)
    assert found["nextPageToken"]
    assert found["permissions"][0].keys() >= {"name"}
    granted = plain.json("iam", "POST", "/v1/roles:queryGrantableRoles", asked | {"pageSize": 5, "view": "BASIC"})
    assert len(granted["roles"]) == 5
    listed = plain.json("iam", "GET", "/v1/roles", params={"pageSize": 2, "view": "FULL"})
    assert all(role["includedPermissions"] for role in listed["roles"])


def test_a_secret_and_a_ciphertext_are_taken_in_the_alphabet_that_gcloud_writes(plain):
    secret, payload = unique("secret"), bytes(range(256))
    text = base64.urlsafe_b64encode(payload).decode()
    base = f"/v1/{plain.parent}/secrets"
    plain.json("secretmanager", "POST", base, {"replication": {"automatic": {}}}, params={"secretId": secret})
    plain.json("secretmanager", "POST", f"{base}/{secret}:addVersion", {"payload": {"data": text}})
    read = plain.json("secretmanager", "GET", f"{base}/{secret}/versions/latest:access")
    assert base64.b64decode(read["payload"]["data"], validate=True) == payload
    plain.json("secretmanager", "DELETE", f"{base}/{secret}")


def test_a_request_with_an_id_is_carried_out_once(plain):
    networks = f"/compute/v1/{plain.parent}/global/networks"
    body = {"name": unique("net"), "autoCreateSubnetworks": False}
    request = {"requestId": str(uuid.uuid4())}
    first, again = (plain.json("compute", "POST", networks, body, params=request) for _ in range(2))
    assert first["name"] == again["name"]
    plain.json("compute", "POST", networks, body, params={"requestId": "no-uuid"}, status=400)
    plain.call("compute", "DELETE", f"{networks}/{body['name']}")


def test_quotas_refuse_what_is_above_them_and_are_off_by_default(local):
    jobs = f"/v1/{local.parent}/locations/us-central1/customJobs"
    for _ in range(3):
        local.json("aiplatform", "GET", jobs)
    local.cloud.json("PUT", "/_local/aiplatform/settings", {"requestsPerMinute": 2, "submissionsPerMinute": 1})
    try:
        codes = [local.call("aiplatform", "GET", jobs).status_code for _ in range(7)]  # a minute may turn in between
        error = local.json("aiplatform", "GET", jobs, status=429)["error"]
        other = local.call("aiplatform", "GET", jobs.replace("us-central1", "us-east1")).status_code
    finally:
        local.cloud.json("PUT", "/_local/aiplatform/settings", {"requestsPerMinute": 0, "submissionsPerMinute": 0})
    assert codes.count(200) in (2, 4)
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert {each["@type"].rsplit(".", 1)[-1] for each in error["details"]} == {"ErrorInfo", "QuotaFailure"}
    assert other == 200
