"""google-cloud-storage against the local cloud; LOCAL_CLOUD_CONTRACT=google runs the same against Google Cloud."""

import base64
import gzip
import hashlib
import io
import os
import uuid

import google_crc32c
import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
)
from google.cloud import storage
from google.oauth2.credentials import Credentials


@pytest.fixture(scope="module")
def client(cloud_server):
    if os.environ.get("LOCAL_CLOUD_CONTRACT") == "google":
        return storage.Client()
    return storage.Client(
        project="acme-recsys",
        credentials=Credentials(cloud_server.token),
        client_options={"api_endpoint": cloud_server.url},
    )


@pytest.fixture
def bucket(client):
    bucket = client.bucket(f"ct-{uuid.uuid4().hex[:12]}")
    bucket.soft_delete_policy.retention_duration_seconds = 0
    bucket.create(location="europe-west1")
    yield bucket
    for blob in client.list_blobs(bucket, versions=True):
        blob.delete()
    bucket.delete()


def test_a_new_bucket_has_the_documented_defaults(client, bucket):
    found = client.get_bucket(bucket.name)
    assert found.location == "EUROPE-WEST1"
    assert found.location_type == "region"
    assert found.storage_class == "STANDARD"
    assert found.metageneration == 1
    assert found.versioning_enabled is False
    assert found.iam_configuration.public_access_prevention == "inherited"


def test_a_taken_bucket_name_is_a_conflict(client, bucket):
    with pytest.raises(Conflict, match="you already own it"):
        client.create_bucket(bucket.name)


@pytest.mark.parametrize("name", ["Bad_Name", "ab", "-abc", "a..b", "192.168.5.4", "goog-bucket", "a" * 64])
def test_a_bad_bucket_name_is_refused(cloud_server, name):
    error = cloud_server.json("POST", "/storage/v1/b?project=acme-recsys", {"name": name}, status=400)["error"]
    assert repr(name) in error["message"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"storageClass": "NOPE"}, "storageClass"),
        ({"location": "MARS"}, "location"),
        ({"iamConfiguration": {"publicAccessPrevention": "nope"}}, "iamConfiguration.publicAccessPrevention"),
        (
            {"lifecycle": {"rule": [{"action": {"type": "Nope"}, "condition": {"age": 1}}]}},
            "lifecycle.rule[0].action.type",
        ),
        ({"softDeletePolicy": {"retentionDurationSeconds": 5}}, "softDeletePolicy.retentionDurationSeconds"),
        ({"labels": {"UP": "x"}}, "labels['UP']"),
    ],
)
def test_what_the_plan_lets_through_the_api_refuses_by_its_field(cloud_server, settings, field):
    body = {"name": "acme-refused", **settings}
    error = cloud_server.json("POST", "/storage/v1/b?project=acme-recsys", body, status=400)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert field in [violation["field"] for violation in error["details"][0]["fieldViolations"]]


def test_settings_change_by_patch_and_raise_the_metageneration(bucket):
    bucket.labels = {"env": "dev", "team": "recsys"}
    bucket.versioning_enabled = True
    bucket.add_lifecycle_delete_rule(age=90, matches_prefix=["staging/"])
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.patch()
    bucket.labels = {"env": "dev"}
    bucket.patch()
    bucket.reload()
    assert bucket.labels == {"env": "dev"}
    assert bucket.metageneration == 3
    assert bucket.versioning_enabled is True
    assert next(iter(bucket.lifecycle_rules))["condition"] == {"age": 90, "matchesPrefix": ["staging/"]}
    assert bucket.iam_configuration.uniform_bucket_level_access_locked_time is not None


def test_a_bucket_that_holds_objects_is_not_deleted(bucket):
    bucket.blob("a").upload_from_string("x")
    with pytest.raises(Conflict, match="not empty"):
        bucket.delete()


def test_buckets_of_a_project_are_listed_by_prefix_and_page(client, bucket):
    assert bucket.name in [found.name for found in client.list_buckets(prefix="ct-")]
    assert bucket.name not in [found.name for found in client.list_buckets(prefix="none-")]
    assert len(list(client.list_buckets(page_size=1, max_results=1))) == 1


def test_a_small_object_round_trips_with_its_digests_and_metadata(bucket):
    blob = bucket.blob("docs/read me.txt")
    blob.metadata = {"owner": "ct"}
    blob.cache_control = "no-cache"
    blob.upload_from_string("hello", content_type="text/plain; charset=utf-8")
    found = bucket.get_blob("docs/read me.txt")
    assert found.download_as_bytes() == b"hello"
    assert found.md5_hash == base64.b64encode(hashlib.md5(b"hello", usedforsecurity=False).digest()).decode()
    assert found.crc32c == base64.b64encode(google_crc32c.Checksum(b"hello").digest()).decode()
    assert (found.size, found.content_type, found.metadata) == (5, "text/plain; charset=utf-8", {"owner": "ct"})
    assert found.cache_control == "no-cache"
    assert found.metageneration == 1


@pytest.mark.parametrize("size", [0, 1, 9 * 1024 * 1024 + 17])
def test_an_object_of_any_size_round_trips(bucket, size):
    data = os.urandom(size)
    blob = bucket.blob("big.bin", chunk_size=None if size < 10 else 1024 * 1024)
    blob.upload_from_file(io.BytesIO(data), size=size)
    assert bucket.blob("big.bin").download_as_bytes() == data


def test_a_resumable_upload_goes_in_chunks(bucket):
    data = os.urandom(3 * 262_144 + 5)
    with bucket.blob("streamed").open("wb", chunk_size=262_144) as file:
        for start in range(0, len(data), 100_000):
            file.write(data[start : start + 100_000])
    assert bucket.blob("streamed").download_as_bytes(checksum="crc32c") == data


def test_ranges_are_read(bucket):
    blob = bucket.blob("range")
    blob.upload_from_string(b"0123456789")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=7) == b"789"
    assert blob.download_as_bytes(start=-3) == b"789"
    with pytest.raises(RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)


def test_a_wrong_digest_is_refused_and_nothing_is_stored(cloud_server, bucket):
    body = (
        b'--x\r\ncontent-type: application/json\r\n\r\n{"name": "bad", "md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}\r\n'
        b"--x\r\ncontent-type: text/plain\r\n\r\nhello\r\n--x--"
    )
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    answer = cloud_server.call("POST", path, data=body, headers={"content-type": "multipart/related; boundary=x"})
    assert answer.status_code == 400
    assert "AAAAAAAAAAAAAAAAAAAAAA==" in answer.json()["error"]["message"]
    assert bucket.get_blob("bad") is None


def test_only_the_first_of_two_creators_wins(bucket):
    bucket.blob("lock").upload_from_string("one", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("lock").upload_from_string("two", if_generation_match=0)
    assert bucket.blob("lock").download_as_bytes() == b"one"


def test_a_stale_generation_neither_overwrites_nor_deletes(bucket):
    blob = bucket.blob("state")
    blob.upload_from_string("1")
    first = blob.generation
    blob.upload_from_string("2")
    with pytest.raises(PreconditionFailed):
        bucket.blob("state").upload_from_string("3", if_generation_match=first)
    with pytest.raises(PreconditionFailed):
        bucket.blob("state").delete(if_generation_match=first)
    with pytest.raises(PreconditionFailed):
        bucket.blob("state").upload_from_string("3", if_metageneration_match=7)
    assert bucket.blob("state").download_as_bytes() == b"2"


def test_metadata_changes_by_patch(bucket):
    blob = bucket.blob("meta")
    blob.upload_from_string("x")
    blob.metadata = {"a": "1", "b": "2"}
    blob.patch()
    blob.metadata = {"a": "1", "b": None}
    blob.content_type = "text/csv"
    blob.patch()
    found = bucket.get_blob("meta")
    assert (found.metadata, found.content_type, found.metageneration) == ({"a": "1"}, "text/csv", 3)


def test_old_versions_are_kept_read_and_deleted(client, bucket):
    bucket.versioning_enabled = True
    bucket.patch()
    blob = bucket.blob("v")
    blob.upload_from_string("1")
    first = blob.generation
    blob.upload_from_string("2")
    assert bucket.blob("v", generation=first).download_as_bytes() == b"1"
    assert bucket.blob("v").download_as_bytes() == b"2"
    bucket.delete_blob("v")
    assert bucket.get_blob("v") is None
    versions = list(client.list_blobs(bucket, versions=True))
    assert [version.generation for version in versions] == sorted(version.generation for version in versions)
    assert len(versions) == 2
    assert all(version.time_deleted for version in versions)
    bucket.delete_blob("v", generation=first)
    assert len(list(client.list_blobs(bucket, versions=True))) == 1


def test_a_softly_deleted_object_is_restored(client, bucket):
    bucket.soft_delete_policy.retention_duration_seconds = 7 * 86_400
    bucket.patch()
    blob = bucket.blob("precious")
    blob.upload_from_string("data", content_type="text/plain")
    generation = blob.generation
    blob.delete()
    assert bucket.get_blob("precious") is None
    [gone] = client.list_blobs(bucket, soft_deleted=True)
    assert gone.generation == generation
    assert gone.hard_delete_time > gone.soft_delete_time
    restored = bucket.restore_blob("precious", generation=generation)
    assert restored.generation != generation
    assert restored.download_as_bytes() == b"data"
    assert restored.content_type == "text/plain"


def test_lists_have_prefixes_pages_and_offsets(client, bucket):
    for name in ("a/1", "a/2", "a/b/3", "c", "d/", "é/4"):
        bucket.blob(name).upload_from_string("x")

    def names(**options):
        return [blob.name for blob in client.list_blobs(bucket, **options)]

    assert names() == ["a/1", "a/2", "a/b/3", "c", "d/", "é/4"]
    assert names(prefix="a/") == ["a/1", "a/2", "a/b/3"]
    assert names(start_offset="a/2", end_offset="d") == ["a/2", "a/b/3", "c"]
    assert names(match_glob="a/*") == ["a/1", "a/2"]
    assert names(match_glob="**/[34]") == ["a/b/3", "é/4"]
    assert names(page_size=2) == names()
    tops = client.list_blobs(bucket, delimiter="/", page_size=2)
    assert [blob.name for blob in tops] == ["c"]
    assert tops.prefixes == {"a/", "d/", "é/"}
    below = client.list_blobs(bucket, prefix="a/", delimiter="/")
    assert [blob.name for blob in below] == ["a/1", "a/2"]
    assert below.prefixes == {"a/b/"}
    trailing = client.list_blobs(bucket, delimiter="/", include_trailing_delimiter=True)
    assert [blob.name for blob in trailing] == ["c", "d/"]


def test_objects_are_copied_renamed_rewritten_and_composed(client, bucket):
    one = bucket.blob("one")
    one.metadata = {"k": "v"}
    one.upload_from_string("1", content_type="text/plain")
    copied = bucket.copy_blob(one, bucket, "copy")
    assert (copied.download_as_bytes(), copied.metadata, copied.content_type) == (b"1", {"k": "v"}, "text/plain")
    renamed = bucket.rename_blob(copied, "two")
    assert bucket.get_blob("copy") is None
    target = bucket.blob("rewritten")
    token, done, total = target.rewrite(renamed)
    assert (token, done, total) == (None, 1, 1)
    composed = bucket.blob("composed")
    composed.content_type = "text/plain"
    composed.compose([one, renamed, target])
    assert composed.download_as_bytes() == b"111"
    composed.reload()
    assert composed.component_count == 3
    assert composed.md5_hash is None
    assert composed.crc32c


def test_an_absent_object_is_not_found(bucket):
    with pytest.raises(NotFound):
        bucket.blob("nothing").download_as_bytes()
    assert bucket.get_blob("nothing") is None
    assert bucket.blob("nothing").exists() is False


def test_a_gzipped_object_is_inflated_for_who_cannot(bucket, cloud_server):
    blob = bucket.blob("z")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"hello" * 100), content_type="text/plain")
    assert bucket.blob("z").download_as_bytes() == b"hello" * 100
    assert gzip.decompress(bucket.blob("z").download_as_bytes(raw_download=True)) == b"hello" * 100
    path = f"/storage/v1/b/{bucket.name}/o/z?alt=media"
    plain = cloud_server.call("GET", path, headers={"accept-encoding": "identity"})
    assert plain.content == b"hello" * 100


def test_a_policy_changes_by_read_modify_write(bucket):
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.version = 3
    condition = {"title": "t", "expression": 'resource.name.startsWith("projects/_/buckets/b/objects/pipelines/")'}
    member = "user:ct@example.com"
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {member}, "condition": condition})
    bucket.set_iam_policy(policy)
    again = bucket.get_iam_policy(requested_policy_version=3)
    assert again.version == 3
    assert {"role": "roles/storage.objectViewer", "members": {member}, "condition": condition} in again.bindings
    with pytest.raises(PreconditionFailed):
        bucket.set_iam_policy(policy)
    permissions = ["storage.objects.get"]
    assert bucket.test_iam_permissions(permissions) == permissions


def test_an_object_under_a_hold_is_neither_deleted_nor_overwritten(bucket):
    blob = bucket.blob("held")
    blob.upload_from_string("x")
    blob.temporary_hold = True
    blob.patch()
    with pytest.raises(Forbidden, match="under active hold"):
        blob.delete()
    with pytest.raises(Forbidden, match="under active hold"):
        bucket.blob("held").upload_from_string("y")
    blob.temporary_hold = False
    blob.patch()


@pytest.mark.parametrize("name", ["a" * 1025, ".", "..", "a\nb", ".well-known/acme-challenge/x"])
def test_a_bad_object_name_is_refused(bucket, name):
    with pytest.raises(BadRequest, match="Invalid object name"):
        bucket.blob(name).upload_from_string("x")


def test_many_deletes_go_in_one_batch(client, bucket):
    for number in range(3):
        bucket.blob(f"n{number}").upload_from_string("x")
    with client.batch():
        for number in range(3):
            bucket.blob(f"n{number}").delete()
    assert list(client.list_blobs(bucket)) == []
