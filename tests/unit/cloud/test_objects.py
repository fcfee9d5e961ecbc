"""The order of changes: what is acknowledged is never lost, whenever the process dies."""

import os
from datetime import timedelta

import pytest

from local.cloud.app import Cloud
from local.cloud.errors import ApiError
from local.cloud.storage.deleted_buckets import DeletedBuckets
from local.cloud.storage.files import Files
from local.cloud.storage.preconditions import Preconditions
from local.cloud.storage.sweep import Sweep
from local.cloud.storage.uploads import UploadApi
from local.cloud.store import Store


def make_bucket(cloud, name="bkt", **settings):
    settings.setdefault("softDeletePolicy", {"retentionDurationSeconds": "0"})
    cloud.objects.buckets.create("acme-recsys", {"name": name, **settings})
    cloud.objects.files.make_bucket(name)


def sweep(cloud):
    Sweep(cloud.objects, UploadApi(cloud.objects, cloud.clock), cloud.clock).run()


class Died(BaseException):
    """Stands for the end of the process: no handler below may catch it."""


def reopened(cloud):
    cloud.stop()
    again = Cloud(cloud.root, clock=cloud.clock)
    cloud.store, cloud.objects, cloud.background = again.store, again.objects, again.background
    return again.objects


def leftovers(cloud):
    folders = ("storage-staged", "storage-kept", "storage-uploads")
    return [path.name for folder in folders for path in (cloud.root / folder).iterdir()]


@pytest.mark.parametrize("versioning", [False, True])
@pytest.mark.parametrize("step", range(20))
def test_an_upload_that_dies_at_any_step_leaves_the_old_object_or_the_new(cloud, monkeypatch, step, versioning):
    """Every file operation and commit of an overwrite is the last one, in turn."""
    make_bucket(cloud, versioning={"enabled": versioning})
    cloud.objects.write("gs://bkt/a/b", b"old", content_type="text/old")
    left = [step]

    def counted(owner, name):
        original = getattr(owner, name)

        def once(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Died
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, once)

    counted(Store, "execute")
    for name in (
        "stage",
        "has_room",
        "keep_from_tree",
        "put_in_tree",
        "put_in_kept",
        "remove_from_tree",
        "staged_path",
    ):
        counted(Files, name)
    acknowledged = False
    try:
        cloud.objects.write("gs://bkt/a/b", b"new!", content_type="text/new")
        acknowledged = True
    except Died:
        pass
    monkeypatch.undo()
    objects = reopened(cloud)
    record = objects.find("bkt", "a/b")
    state = (objects.read("gs://bkt/a/b"), record.meta["contentType"], record.size)
    assert state in (
        [(b"new!", "text/new", 4)] if acknowledged else [(b"old", "text/old", 3), (b"new!", "text/new", 4)]
    )
    noncurrent = objects.records.all_in("bkt", ("noncurrent",))
    assert len(noncurrent) == (1 if versioning and state[0] == b"new!" else 0)
    assert len(leftovers(cloud)) == len(noncurrent)
    for old in noncurrent:
        assert os.pread(objects.open_record(old), 10, 0) == b"old"


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("step", range(8))
def test_a_delete_that_dies_at_any_step_is_done_or_not_done(cloud, monkeypatch, step, kept):
    make_bucket(cloud, softDeletePolicy={"retentionDurationSeconds": "604800" if kept else "0"})
    first = cloud.objects.write("gs://bkt/a/b", b"old", content_type="text/old")
    left = [step]
    for owner, name in ((Store, "execute"), (Files, "keep_from_tree"), (Files, "remove_from_tree")):
        original = getattr(owner, name)

        def once(*args, original=original, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Died
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, once)
    acknowledged = False
    try:
        cloud.objects.remove("gs://bkt/a/b")
        acknowledged = True
    except Died:
        pass
    monkeypatch.undo()
    objects = reopened(cloud)
    there = objects.exists("gs://bkt/a/b")
    assert not (acknowledged and there)
    if there:
        assert objects.find("bkt", "a/b").generation == first.generation
        assert objects.read("gs://bkt/a/b") == b"old"
    soft = objects.records.all_in("bkt", ("deleted",))
    assert len(soft) == (1 if kept and not there else 0)
    assert len(leftovers(cloud)) == len(soft)


def test_a_draft_that_nobody_published_is_removed_at_the_next_start(cloud):
    make_bucket(cloud)
    draft = cloud.objects.files.draft()
    draft.write(b"half")
    draft.close()
    reopened(cloud)
    assert leftovers(cloud) == []


def test_generations_rise_even_when_the_clock_goes_back(cloud, clock):
    make_bucket(cloud)
    clock.advance(timedelta(days=1))
    first = cloud.objects.write("gs://bkt/a", b"1")
    clock.advance(timedelta(days=-1))
    second = cloud.objects.write("gs://bkt/a", b"2")
    assert second.generation > first.generation
    assert reopened(cloud).write("gs://bkt/a", b"3").generation > second.generation


def test_readers_never_see_half_of_a_change(cloud):
    """Content and metadata agree while a writer overwrites as fast as it can."""
    import threading

    make_bucket(cloud)
    cloud.objects.write("gs://bkt/a", b"x" * 10)
    stop = threading.Event()

    def overwrite():
        size = 10
        while not stop.is_set():
            size = 10 + (size + 7) % 90
            cloud.objects.write("gs://bkt/a", b"x" * size)

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        for _ in range(300):
            record, descriptor = cloud.objects.open("bkt", "a")
            content = os.read(descriptor, 1000)
            os.close(descriptor)
            assert len(content) == record.size
    finally:
        stop.set()
        writer.join()


def test_of_many_writers_that_expect_no_object_one_wins(cloud):
    from concurrent.futures import ThreadPoolExecutor

    make_bucket(cloud)

    def create(number):
        with cloud.objects.files.draft() as draft:
            draft.write(str(number).encode())
            digests = draft.close()
            try:
                cloud.objects.publish(
                    "bkt",
                    "lock",
                    source=draft.path,
                    digests=digests,
                    meta={},
                    conditions=Preconditions(generation_match=0),
                )
            except ApiError as error:
                return error.code
        return 200

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(create, range(24)))
    assert codes == [200] + [412] * 23


def test_paths_of_uris_are_files_below_the_bucket(cloud):
    make_bucket(cloud)
    assert cloud.objects.path_of("gs://bkt/a/b") == cloud.root.resolve() / "storage/bkt/a/b"
    assert cloud.objects.path_of("gs://bkt/") == cloud.root.resolve() / "storage/bkt"
    with pytest.raises(ValueError, match=r"'gs://bkt/a/../b' cannot be a file"):
        cloud.objects.path_of("gs://bkt/a/../b")


def test_a_lifecycle_rule_deletes_what_is_old_enough_and_below_its_prefix(cloud, clock):
    rule = {"action": {"type": "Delete"}, "condition": {"age": 90, "matchesPrefix": ["staging/"]}}
    make_bucket(cloud, lifecycle={"rule": [rule]})
    for name in ("staging/a", "models/a"):
        cloud.objects.write(f"gs://bkt/{name}", b"x")
    clock.advance(timedelta(days=89))
    sweep(cloud)
    assert cloud.objects.list("gs://bkt/") == ["gs://bkt/models/a", "gs://bkt/staging/a"]
    clock.advance(timedelta(days=1, minutes=1))
    sweep(cloud)
    assert cloud.objects.list("gs://bkt/") == ["gs://bkt/models/a"]


def test_a_lifecycle_rule_on_versions_counts_newer_ones_and_changes_the_class(cloud, clock):
    rules = [
        {"action": {"type": "Delete"}, "condition": {"numNewerVersions": 2}},
        {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"isLive": False}},
    ]
    make_bucket(cloud, versioning={"enabled": True}, lifecycle={"rule": rules})
    for number in range(4):
        cloud.objects.write("gs://bkt/a", str(number).encode())
    sweep(cloud)
    records = cloud.objects.records.all_in("bkt", ("live", "noncurrent"))
    assert [(record.state, record.meta["storageClass"]) for record in records] == [
        ("noncurrent", "NEARLINE"),
        ("live", "STANDARD"),
    ]


def test_what_was_softly_deleted_goes_for_good_after_its_time(cloud, clock):
    make_bucket(cloud, softDeletePolicy={"retentionDurationSeconds": "604800"})
    cloud.objects.write("gs://bkt/a", b"1")
    cloud.objects.write("gs://bkt/a", b"2")
    cloud.objects.remove("gs://bkt/a")
    assert len(leftovers(cloud)) == 2
    clock.advance(timedelta(days=7, seconds=1))
    sweep(cloud)
    assert cloud.objects.records.all_in("bkt", ("deleted",)) == []
    assert leftovers(cloud) == []


def test_an_object_under_a_retention_policy_stays_until_its_age(cloud, clock):
    make_bucket(cloud, retentionPolicy={"retentionPeriod": "3600"})
    cloud.objects.write("gs://bkt/a", b"1")
    with pytest.raises(ApiError, match="retention policy"):
        cloud.objects.remove("gs://bkt/a")
    clock.advance(timedelta(hours=1))
    cloud.objects.remove("gs://bkt/a")


def test_a_lifecycle_rule_waits_for_the_end_of_retention(cloud, clock):
    rule = {"action": {"type": "Delete"}, "condition": {"age": 0}}
    make_bucket(cloud, retentionPolicy={"retentionPeriod": "3600"}, lifecycle={"rule": [rule]})
    cloud.objects.write("gs://bkt/a", b"1")
    sweep(cloud)
    assert cloud.objects.exists("gs://bkt/a")
    clock.advance(timedelta(hours=1))
    sweep(cloud)
    assert not cloud.objects.exists("gs://bkt/a")


def test_a_lifecycle_rule_moves_objects_to_colder_classes_only(cloud):
    classes = ["COLDLINE", "ARCHIVE", "NEARLINE"]
    rules = [{"action": {"type": "SetStorageClass", "storageClass": each}, "condition": {"age": 0}} for each in classes]
    make_bucket(cloud, lifecycle={"rule": rules})
    cloud.objects.write("gs://bkt/a", b"1")
    for _ in range(2):
        sweep(cloud)
        assert cloud.objects.find("bkt", "a").meta["storageClass"] == "ARCHIVE"


def test_a_softly_deleted_bucket_goes_for_good_after_its_time(cloud, clock):
    make_bucket(cloud, softDeletePolicy={"retentionDurationSeconds": "604800"})
    cloud.objects.write("gs://bkt/a", b"1")
    cloud.objects.remove("gs://bkt/a")
    deleted, bucket = DeletedBuckets(cloud.objects, cloud.policies), cloud.objects.buckets.get("bkt")
    deleted.keep(bucket)
    cloud.objects.empty_bucket("bkt")
    cloud.objects.buckets.remove("bkt")
    deleted.sweep()
    assert [name for name, _ in deleted.of_project("acme-recsys", "")] == [f"bkt#{bucket['generation']}"]
    clock.advance(timedelta(days=7, minutes=1))
    deleted.sweep()
    assert deleted.of_project("acme-recsys", "") == []
    assert leftovers(cloud) == []
