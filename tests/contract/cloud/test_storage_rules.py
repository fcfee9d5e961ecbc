"""Rules of Cloud Storage that plain HTTP meets: retention, holds, types of fields, corrupt content."""

import pytest
from google.api_core.exceptions import Forbidden
from google.cloud import storage
from google.oauth2.credentials import Credentials

from tests.contract.google_clients import unique


@pytest.fixture(scope="module")
def client(cloud_server):
    credentials, endpoint = Credentials(cloud_server.token), {"api_endpoint": cloud_server.url}
    return storage.Client(project="acme-rules", credentials=credentials, client_options=endpoint)


@pytest.fixture
def bucket(client):
    return client.create_bucket(unique("rules"))


def test_a_locked_retention_policy_is_neither_shortened_nor_removed(bucket):
    bucket.retention_period = 3600
    bucket.patch()
    bucket.lock_retention_policy()
    for period in (60, None):
        bucket.retention_period = period
        with pytest.raises(Forbidden, match="locked Retention Policy"):
            bucket.patch()
        bucket.reload()
    bucket.retention_period = 7200
    bucket.patch()
    assert bucket.retention_policy_locked


def test_a_lock_must_say_which_metageneration_it_locks(cloud_server, bucket):
    error = cloud_server.json("POST", f"/storage/v1/b/{bucket.name}/lockRetentionPolicy", status=400)["error"]
    assert error["errors"][0]["location"] == "ifMetagenerationMatch"


def test_an_object_says_until_when_it_is_retained(bucket):
    bucket.retention_period = 3600
    bucket.patch()
    blob = bucket.blob("kept")
    blob.upload_from_string(b"1")
    assert (blob.retention_expiration_time - blob.time_created).total_seconds() == 3600
    with pytest.raises(Forbidden, match="retention"):
        blob.delete()


def test_a_new_object_is_held_where_the_bucket_says_so_and_its_time_runs_from_its_release(bucket):
    bucket.default_event_based_hold = True
    bucket.retention_period = 3600
    bucket.patch()
    blob = bucket.blob("held")
    blob.upload_from_string(b"1")
    assert (blob.event_based_hold, blob.retention_expiration_time) == (True, None)
    blob.event_based_hold = False
    blob.patch()
    assert (blob.retention_expiration_time - blob.time_created).total_seconds() > 3600


def test_a_custom_time_never_goes_back(cloud_server, bucket):
    bucket.blob("x").upload_from_string(b"1")
    path = f"/storage/v1/b/{bucket.name}/o/x"
    cloud_server.json("PATCH", path, {"customTime": "2030-01-01T00:00:00Z"})
    for value in (None, "2029-01-01T00:00:00Z"):
        assert "Custom time" in cloud_server.json("PATCH", path, {"customTime": value}, status=400)["error"]["message"]
    cloud_server.json("PATCH", path, {"customTime": "2031-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"contentType": 5}, "contentType"),
        ({"customTime": "soon"}, "customTime"),
        ({"metadata": {"a": {}}}, "metadata"),
        ({"metadata": {"a": "b" * 9000}}, "metadata"),
        ({"temporaryHold": "yes"}, "temporaryHold"),
        ({"retention": {"mode": "Maybe"}}, "retention.mode"),
    ],
)
def test_a_field_of_an_object_has_its_type(cloud_server, bucket, body, field):
    bucket.blob("x").upload_from_string(b"1")
    for method in ("PATCH", "PUT"):
        error = cloud_server.json(method, f"/storage/v1/b/{bucket.name}/o/x", body, status=400)["error"]
        assert field in [each["field"] for each in error["details"][0]["fieldViolations"]]
    assert cloud_server.call("GET", f"/storage/v1/b/{bucket.name}/o/x?alt=media").content == b"1"


@pytest.mark.parametrize("body", [{"lifecycle": {"rule": "x"}}, {"lifecycle": {"rule": [1]}}, {"versioning": [True]}])
def test_a_setting_of_another_shape_is_refused(cloud_server, bucket, body):
    assert cloud_server.json("PATCH", f"/storage/v1/b/{bucket.name}", body, status=400)["error"]["details"]


@pytest.mark.parametrize("bindings", ["x", [1], [{"role": 1}], [{"role": "roles/viewer", "members": "user:a@b.c"}]])
def test_bindings_of_another_shape_are_refused(cloud_server, bucket, bindings):
    cloud_server.json("PUT", f"/storage/v1/b/{bucket.name}/iam", {"bindings": bindings}, status=400)
    body = {"policy": {"bindings": bindings}}
    cloud_server.json("POST", "/v1/projects/acme-rules:setIamPolicy", body, status=400)


def test_a_bucket_that_prevents_public_access_takes_no_public_member(cloud_server, bucket):
    body = {"iamConfiguration": {"publicAccessPrevention": "enforced"}}
    cloud_server.json("PATCH", f"/storage/v1/b/{bucket.name}", body)
    policy = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    error = cloud_server.json("PUT", f"/storage/v1/b/{bucket.name}/iam", policy, status=412)["error"]
    assert "'allUsers'" in error["message"]


def test_corrupt_content_is_not_copied_composed_or_loaded(cloud_server, bucket):
    name = bucket.name
    bucket.blob("rows.csv").upload_from_string(b"1\n2\n")
    fault = {"kind": "corrupt-object", "uri": f"gs://{name}/rows.csv"}
    cloud_server.json("POST", "/_local/faults", fault)
    copy = f"/storage/v1/b/{name}/o/rows.csv/rewriteTo/b/{name}/o/copy"
    assert cloud_server.json("POST", copy, {}, status=500)["error"]["status"] == "DATA_LOSS"
    compose = {"sourceObjects": [{"name": "rows.csv"}]}
    cloud_server.json("POST", f"/storage/v1/b/{name}/o/composed/compose", compose, status=500)
    assert [blob.name for blob in bucket.list_blobs()] == ["rows.csv"]
    dataset = {"datasetReference": {"datasetId": "corrupt"}}
    cloud_server.call("POST", "/bigquery/v2/projects/acme-rules/datasets", dataset)
    table = {"projectId": "acme-rules", "datasetId": "corrupt", "tableId": "t"}
    load = {"sourceUris": [f"gs://{name}/rows.csv"], "destinationTable": table, "autodetect": True}
    body = {"configuration": {"load": load}}
    job = cloud_server.json("POST", "/bigquery/v2/projects/acme-rules/jobs", body)["jobReference"]["jobId"]
    done = None
    while done is None or done["state"] != "DONE":
        done = cloud_server.json("GET", f"/bigquery/v2/projects/acme-rules/jobs/{job}")["status"]
    assert "corrupt" in done["errorResult"]["message"]


def test_a_softly_deleted_bucket_is_listed_and_restored(cloud_server, client):
    name = unique("restored")
    made = cloud_server.json("POST", "/storage/v1/b?project=acme-rules", {"name": name, "labels": {"a": "b"}})
    policy = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["user:reader@example.com"]}]}
    cloud_server.json("PUT", f"/storage/v1/b/{name}/iam", policy)
    blob = client.bucket(name).blob("x")
    blob.upload_from_string(b"1")
    blob.delete()
    client.bucket(name).delete()
    assert [each.name for each in client.list_buckets(prefix=name)] == []
    (found,) = client.list_buckets(prefix=name, soft_deleted=True)
    assert (found.soft_delete_time is not None, str(found.generation)) == (True, made["generation"])
    again = cloud_server.json("POST", "/storage/v1/b?project=acme-rules", {"name": name})
    assert list(client.list_blobs(name, soft_deleted=True)) == []
    restore = f"/storage/v1/b/{name}/restore?generation={made['generation']}"
    cloud_server.json("POST", restore, status=409)
    cloud_server.json("PATCH", f"/storage/v1/b/{name}", {"softDeletePolicy": {"retentionDurationSeconds": "0"}})
    client.bucket(name).delete()
    cloud_server.json("POST", f"/storage/v1/b/{name}/restore?generation={again['generation']}", status=404)
    bucket = client.restore_bucket(name, made["generation"])
    assert bucket.labels == {"a": "b"}
    assert cloud_server.json("GET", f"/storage/v1/b/{name}/iam")["bindings"] == policy["bindings"]
    assert [each.generation for each in client.list_blobs(name, soft_deleted=True)] == [blob.generation]
    client.bucket(name).restore_blob("x", generation=blob.generation)
    assert client.bucket(name).blob("x").download_as_bytes() == b"1"
    assert list(client.list_buckets(prefix=name, soft_deleted=True)) == []
