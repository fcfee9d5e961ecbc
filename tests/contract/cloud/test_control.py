"""Projects, service accounts, roles, services and repositories over REST, as their reference pages say."""

import sys
import uuid

import pytest

SHA = "sha256:" + "ab" * 32
RUNTIME = {"interpreter": sys.executable, "workdir": "/"}


@pytest.fixture
def project():
    return f"acme-{uuid.uuid4().hex[:8]}"


def account(cloud, project, account_id="ct-pipeline", **fields):
    body = {"accountId": account_id, "serviceAccount": fields}
    return cloud.json("POST", f"/v1/projects/{project}/serviceAccounts", body)


# Projects


def test_a_project_is_there_by_id_and_by_number_with_one_number_for_good(cloud_server, project):
    by_id = cloud_server.json("GET", f"/v1/projects/{project}")
    assert by_id["projectNumber"].isdigit()
    assert cloud_server.json("GET", f"/crm/v1/projects/{by_id['projectNumber']}") == by_id
    v3 = cloud_server.json("GET", f"/v3/projects/{project}")
    assert v3["name"] == f"projects/{by_id['projectNumber']}"
    listed = cloud_server.json("GET", f"/v1/projects?filter=id:{project}")["projects"]
    assert listed == [by_id]


@pytest.mark.parametrize("bad", ["Acme", "acme_x", "a", "9acme-recsys"])
def test_a_bad_project_id_is_refused(cloud_server, bad):
    error = cloud_server.json("GET", f"/v1/projects/{bad}", status=400)["error"]
    assert repr(bad) in error["message"]


def test_an_unknown_project_number_is_refused(cloud_server):
    assert "'999999999999'" in cloud_server.json("GET", "/v1/projects/999999999999", status=403)["error"]["message"]


def test_a_projects_policy_changes_by_read_modify_write(cloud_server, project):
    email = account(cloud_server, project)["email"]
    path = f"/crm/v1/projects/{project}"
    before = cloud_server.json("POST", f"{path}:getIamPolicy", {})
    assert "bindings" not in before
    binding = {"role": "roles/aiplatform.user", "members": [f"serviceAccount:{email}"]}
    policy = {"etag": before["etag"], "bindings": [binding]}
    after = cloud_server.json("POST", f"{path}:setIamPolicy", {"policy": policy})
    assert after["bindings"] == [binding]
    stale = cloud_server.json("POST", f"{path}:setIamPolicy", {"policy": policy}, status=409)["error"]
    assert stale["status"] == "ABORTED"
    assert cloud_server.json("POST", f"{path}:getIamPolicy", {})["bindings"] == [binding]


def test_a_policy_cannot_name_an_account_that_does_not_exist(cloud_server, project):
    cloud_server.json("GET", f"/v1/projects/{project}")
    member = f"serviceAccount:nobody@{project}.iam.gserviceaccount.com"
    policy = {"bindings": [{"role": "roles/viewer", "members": [member]}]}
    error = cloud_server.json("POST", f"/v1/projects/{project}:setIamPolicy", {"policy": policy}, status=400)["error"]
    assert "nobody@" in error["message"]
    agent = "serviceAccount:service-1@gcp-sa-aiplatform.iam.gserviceaccount.com"
    policy = {"bindings": [{"role": "roles/viewer", "members": [agent]}]}
    cloud_server.json("POST", f"/v1/projects/{project}:setIamPolicy", {"policy": policy})


# Service accounts


def test_an_account_lives_changes_and_is_deleted(cloud_server, project):
    made = account(cloud_server, project, displayName="CT", description="d")
    email = f"ct-pipeline@{project}.iam.gserviceaccount.com"
    assert made["email"] == email
    assert made["name"] == f"projects/{project}/serviceAccounts/{email}"
    assert len(made["uniqueId"]) == 21
    path = f"/iam/v1/{made['name']}"
    assert cloud_server.json("GET", path) == made
    assert cloud_server.json("GET", f"/v1/projects/-/serviceAccounts/{made['uniqueId']}") == made
    patch = {"serviceAccount": {"displayName": "CT 2", "etag": made["etag"]}, "updateMask": "display_name"}
    changed = cloud_server.json("PATCH", path, patch)
    assert (changed["displayName"], changed["description"]) == ("CT 2", "d")
    assert changed["etag"] != made["etag"]
    assert cloud_server.json("PATCH", path, patch, status=409)["error"]["status"] == "ABORTED"
    assert cloud_server.json("POST", f"{path}:disable") == {}
    patch["serviceAccount"] |= {"displayName": "CT 3", "etag": changed["etag"]}  # as the provider disables and renames
    assert cloud_server.json("PATCH", path, patch)["displayName"] == "CT 3"
    assert cloud_server.json("GET", path)["disabled"] is True
    cloud_server.json("POST", f"{path}:enable")
    assert [
        each["email"] for each in cloud_server.json("GET", f"/v1/projects/{project}/serviceAccounts")["accounts"]
    ] == [email]
    assert cloud_server.json("DELETE", path) == {}
    assert cloud_server.json("GET", path, status=404)["error"]["status"] == "NOT_FOUND"
    restored = cloud_server.json("POST", f"/v1/projects/{project}/serviceAccounts/{made['uniqueId']}:undelete")
    assert restored["restoredAccount"]["email"] == email


def test_a_taken_account_id_is_a_conflict(cloud_server, project):
    account(cloud_server, project)
    body = {"accountId": "ct-pipeline"}
    error = cloud_server.json("POST", f"/v1/projects/{project}/serviceAccounts", body, status=409)["error"]
    assert error["status"] == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"accountId": "ab"}, "accountId"),
        ({"accountId": "a" * 31}, "accountId"),
        ({"accountId": "Bad_Name"}, "accountId"),
        ({}, "accountId"),
        ({"accountId": "good-name", "serviceAccount": {"displayName": "x" * 101}}, "serviceAccount.displayName"),
        ({"accountId": "good-name", "serviceAccount": {"description": "x" * 257}}, "serviceAccount.description"),
    ],
)
def test_a_bad_account_is_refused_by_its_field(cloud_server, project, body, field):
    error = cloud_server.json("POST", f"/v1/projects/{project}/serviceAccounts", body, status=400)["error"]
    assert [each["field"] for each in error["details"][0]["fieldViolations"]] == [field]


def test_accounts_are_listed_in_pages(cloud_server, project):
    for number in range(3):
        account(cloud_server, project, f"account-{number}")
    path = f"/v1/projects/{project}/serviceAccounts?pageSize=2"
    first = cloud_server.json("GET", path)
    second = cloud_server.json("GET", f"{path}&pageToken={first['nextPageToken']}")
    emails = [each["email"].split("@")[0] for each in first["accounts"] + second["accounts"]]
    assert emails == ["account-0", "account-1", "account-2"]
    assert "nextPageToken" not in second
    assert "pageToken" in cloud_server.json("GET", f"{path}&pageToken=%25%25", status=400)["error"]["message"]


def test_who_may_act_as_an_account_is_a_policy_of_its_own(cloud_server, project):
    made = account(cloud_server, project)
    path = f"/iam/v1/{made['name']}"
    binding = {"role": "roles/iam.serviceAccountUser", "members": ["user:a@example.com"]}
    cloud_server.json("POST", f"{path}:setIamPolicy", {"policy": {"bindings": [binding]}})
    got = cloud_server.json("POST", f"{path}:getIamPolicy?options.requestedPolicyVersion=3")
    assert got["bindings"] == [binding]
    cloud_server.json("DELETE", path)
    cloud_server.json("POST", f"{path}:getIamPolicy", status=404)


# Custom roles


def test_a_deleted_role_stays_marked_and_can_be_brought_back(cloud_server, project):
    body = {"roleId": "ctSubmitter", "role": {"title": "CT", "includedPermissions": ["aiplatform.customJobs.create"]}}
    made = cloud_server.json("POST", f"/v1/projects/{project}/roles", body)
    path = f"/iam/v1/{made['name']}"
    changed = cloud_server.json("PATCH", path, {"title": "CT 2", "stage": "GA"})
    assert (changed["title"], changed["stage"]) == ("CT 2", "GA")
    assert changed["includedPermissions"] == ["aiplatform.customJobs.create"]
    assert cloud_server.json("DELETE", path)["deleted"] is True
    assert cloud_server.json("GET", path)["deleted"] is True
    assert cloud_server.json("GET", f"/v1/projects/{project}/roles") == {}
    assert len(cloud_server.json("GET", f"/v1/projects/{project}/roles?showDeleted=true")["roles"]) == 1
    error = cloud_server.json("POST", f"/v1/projects/{project}/roles", body, status=400)["error"]
    assert "'ctSubmitter'" in error["message"]
    assert "deleted" not in cloud_server.json("POST", f"{path}:undelete", {})
    cloud_server.json("POST", f"/v1/projects/{project}/roles", body, status=409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"roleId": "a-b", "role": {}}, "roleId"),
        ({"roleId": "good", "role": {"stage": "NOPE"}}, "role.stage"),
        ({"roleId": "good", "role": {"includedPermissions": ["nope"]}}, "role.includedPermissions"),
        ({"roleId": "good", "role": {"title": "x" * 101}}, "role.title"),
    ],
)
def test_a_bad_role_is_refused_by_its_field(cloud_server, project, body, field):
    error = cloud_server.json("POST", f"/v1/projects/{project}/roles", body, status=400)["error"]
    assert [each["field"] for each in error["details"][0]["fieldViolations"]] == [field]


# Services


def test_services_are_enabled_one_by_one_and_in_batches(cloud_server, project):
    path = f"/serviceusage/v1/projects/{project}/services"
    assert cloud_server.json("GET", f"{path}/aiplatform.googleapis.com")["state"] == "DISABLED"
    done = cloud_server.json("POST", f"{path}/aiplatform.googleapis.com:enable", {})
    assert done["done"] is True
    assert done["response"]["service"]["state"] == "ENABLED"
    assert cloud_server.json("GET", f"/serviceusage/v1/{done['name']}") == done
    batch = {"serviceIds": ["bigquery.googleapis.com", "storage.googleapis.com"]}
    assert len(cloud_server.json("POST", f"{path}:batchEnable", batch)["response"]["services"]) == 2
    listed = cloud_server.json("GET", f"/v1beta1/projects/{project}/services?filter=state:ENABLED&pageSize=200")
    names = [each["config"]["name"].split(".")[0] for each in listed["services"]]
    assert names == ["aiplatform", "bigquery", "cloudresourcemanager", "serviceusage", "storage"]
    cloud_server.json("POST", f"{path}/storage.googleapis.com:disable", {})
    assert cloud_server.json("GET", f"{path}/storage.googleapis.com")["state"] == "DISABLED"


@pytest.mark.parametrize(("service", "status"), [("pubsub", 400), ("nope.example.com", 403)])
def test_a_service_that_does_not_exist_is_refused(cloud_server, project, service, status):
    path = f"/v1/projects/{project}/services/{service}:enable"
    assert service in cloud_server.json("POST", path, {}, status=status)["error"]["message"]


# Repositories


def repository(cloud, project, repository_id="training", **fields):
    path = f"/artifactregistry/v1/projects/{project}/locations/europe-west1/repositories?repositoryId={repository_id}"
    return cloud.json("POST", path, {"format": "DOCKER", **fields})["response"]


def test_a_repository_lives_changes_and_is_deleted(cloud_server, project):
    policies = {"old": {"action": "DELETE", "condition": {"olderThan": "86400s", "tagState": "ANY"}}}
    made = repository(cloud_server, project, cleanupPolicies=policies, labels={"env": "dev"})
    assert made["registryUri"] == f"europe-west1-docker.pkg.dev/{project}/training"
    assert made["cleanupPolicies"]["old"]["id"] == "old"
    path = f"/v1/{made['name']}"
    body = {"description": "images", "labels": {"env": "prod"}}
    changed = cloud_server.json("PATCH", f"{path}?updateMask=description", body)
    assert (changed["description"], changed["labels"]) == ("images", {"env": "dev"})
    assert cloud_server.json("GET", path) == changed
    deleted = cloud_server.json("DELETE", path)
    assert deleted["done"] is True
    cloud_server.json("GET", path, status=404)


@pytest.mark.parametrize(
    ("repository_id", "fields", "field"),
    [
        ("Bad_ID", {}, "repositoryId"),
        ("good", {"format": "NOPE"}, "format"),
        ("good", {"labels": {"UP": "x"}}, "labels['UP']"),
        (
            "good",
            {"cleanupPolicies": {"p": {"action": "NOPE", "condition": {}}}},
            "cleanupPolicies['p'].action",
        ),
    ],
)
def test_a_bad_repository_is_refused_by_its_field(cloud_server, project, repository_id, fields, field):
    path = f"/v1/projects/{project}/locations/europe-west1/repositories?repositoryId={repository_id}"
    error = cloud_server.json("POST", path, {"format": "DOCKER", **fields}, status=400)["error"]
    assert field in [each["field"] for each in error["details"][0]["fieldViolations"]]


def test_registered_images_are_seen_in_their_repository(cloud_server, project):
    base = repository(cloud_server, project)["name"]
    image = f"europe-west1-docker.pkg.dev/{project}/training/recsys/trainer@{SHA}"
    cloud_server.json("PUT", "/_local/images", {"image": image, "runtime": RUNTIME, "tags": ["abc123"]})
    [docker] = cloud_server.json("GET", f"/v1/{base}/dockerImages")["dockerImages"]
    assert (docker["uri"], docker["tags"]) == (image, ["abc123"])
    assert cloud_server.json("GET", f"/v1/{docker['name']}") == docker
    [package] = cloud_server.json("GET", f"/v1/{base}/packages")["packages"]
    assert package["name"] == f"{base}/packages/recsys%2Ftrainer"
    [version] = cloud_server.json("GET", f"/v1/{package['name']}/versions")["versions"]
    assert version["name"].endswith(SHA)
    tag = cloud_server.json("GET", f"/v1/{package['name']}/tags/abc123")
    assert tag["version"] == version["name"]


@pytest.mark.parametrize(
    "image", ["trainer", "docker.io/library/python:3", f"europe-west1-docker.pkg.dev/p/r/i:tag@{SHA}", None]
)
def test_an_image_that_is_not_named_by_digest_is_not_registered(cloud_server, image):
    body = {"image": image, "runtime": RUNTIME}
    assert repr(image) in cloud_server.json("PUT", "/_local/images", body, status=400)["error"]["message"]


# Billing


def test_a_project_is_billed_to_an_account(cloud_server, project):
    path = f"/v1/projects/{project}/billingInfo"
    assert cloud_server.json("GET", path)["billingEnabled"] is True
    account_name = "billingAccounts/012345-6789AB-CDEF01"
    assert cloud_server.json("PUT", path, {"billingAccountName": account_name})["billingAccountName"] == account_name
