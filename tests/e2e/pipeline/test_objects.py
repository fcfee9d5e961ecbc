"""Files in object storage, by Google's client on the local cloud."""

from pathlib import Path

import pytest
from google.api_core.exceptions import PreconditionFailed

from contracts.problems import Refused
from pipeline.objects import ABSENT, Objects, join
from tests.e2e.pipeline.platform import LocalPlatform


@pytest.fixture
def objects(platform: LocalPlatform) -> Objects:
    return Objects(platform.clients.storage)


@pytest.fixture
def uri(platform: LocalPlatform) -> str:
    return join(platform.outputs.artifact_bucket, "folder/a.txt")


def test_an_object_has_a_generation_and_keeps_its_metadata(objects: Objects, uri: str, tmp_path: Path) -> None:
    assert objects.state(uri) is None
    path = tmp_path / "a.txt"
    path.write_text("one")
    generation = objects.upload(path, uri, metadata={"data": "A"}, replaces_generation=ABSENT)
    state = objects.state(uri)
    assert state is not None
    assert (state.generation, state.metadata) == (generation, {"data": "A"})
    objects.set_metadata(uri, {"loaded": "yes"}, generation=generation)
    changed = objects.state(uri)
    assert changed is not None
    assert changed.metadata == {"data": "A", "loaded": "yes"}
    assert (changed.generation, changed.metageneration) == (generation, state.metageneration + 1)
    assert objects.read(uri) == b"one"


def test_only_the_expected_generation_is_replaced(objects: Objects, uri: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    first = objects.upload(path, uri)
    path.write_text("two")
    second = objects.upload(path, uri, replaces_generation=first)
    assert second != first
    for stale in (first, ABSENT):
        with pytest.raises(PreconditionFailed):
            objects.upload(path, uri, replaces_generation=stale)
    with pytest.raises(PreconditionFailed):
        objects.set_metadata(uri, {"a": "b"}, generation=first)


def test_large_files_travel_in_pieces(objects: Objects, uri: str, tmp_path: Path) -> None:
    path, copy = tmp_path / "large", tmp_path / "copy"
    path.write_bytes(bytes(range(256)) * 50_000)
    generation = objects.upload(path, uri, metadata={"data": "A"}, replaces_generation=ABSENT)
    objects.download(uri, copy, generation=generation)
    assert copy.read_bytes() == path.read_bytes()
    state = objects.state(uri)
    assert state is not None
    assert state.metadata == {"data": "A"}


def test_what_is_not_there_is_told_by_its_address(objects: Objects, uri: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=uri):
        objects.read(uri)
    with pytest.raises(FileNotFoundError, match=uri):
        objects.download(uri, tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    objects.delete(uri)


def test_objects_are_listed_by_prefix_in_order(objects: Objects, platform: LocalPlatform) -> None:
    bucket = platform.outputs.artifact_bucket
    for name in ("b/2", "a/1", "b/1"):
        objects.write_json(join(bucket, name), {"name": name})
    assert objects.list(join(bucket, "b/")) == [f"{bucket}/b/1", f"{bucket}/b/2"]
    assert objects.read_json(join(bucket, "a/1")) == {"name": "a/1"}


@pytest.mark.parametrize("address", ["/plain/file", "gs://bucket", "gs:///name"])
def test_an_address_without_bucket_or_name_is_refused(objects: Objects, address: str) -> None:
    with pytest.raises(Refused, match=address):
        objects.read(address)
