"""Objects as files: a bucket is a directory, and nothing else is."""

import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector, FileType, GcsFileSystem


@pytest.fixture
def bucket(cloud_server):
    name = f"ct-{uuid.uuid4().hex[:12]}"
    body = {"name": name, "softDeletePolicy": {"retentionDurationSeconds": "0"}}
    cloud_server.json("POST", "/storage/v1/b?project=acme-recsys", body)
    return name


def upload(cloud, bucket, name, data=b"x"):
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
    return cloud.call("POST", path, data=data).json()


def content(cloud, bucket, name):
    answer = cloud.call("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
    return answer.content if answer.status_code == 200 else answer.status_code


def names(cloud, bucket):
    return [item["name"] for item in cloud.json("GET", f"/storage/v1/b/{bucket}/o").get("items", [])]


def test_an_ordinary_name_is_a_plain_file(cloud_server, bucket):
    upload(cloud_server, bucket, "runs/7 a/%2e%20/model.pt", b"weights")
    assert (cloud_server.root / "storage" / bucket / "runs/7 a/%2e%20/model.pt").read_bytes() == b"weights"


def test_a_file_that_a_program_writes_is_an_object(cloud_server, bucket):
    folder = cloud_server.root / "storage" / bucket / "out"
    folder.mkdir()
    (folder / "metrics.json").write_bytes(b'{"a": 1}')
    assert content(cloud_server, bucket, "out/metrics.json") == b'{"a": 1}'
    found = cloud_server.json("GET", f"/storage/v1/b/{bucket}/o/out%2Fmetrics.json")
    assert (found["contentType"], found["size"]) == ("application/json", "8")
    assert found["md5Hash"]
    assert found["crc32c"]
    assert names(cloud_server, bucket) == ["out/metrics.json"]


def test_a_file_that_a_program_changes_is_a_new_generation(cloud_server, bucket):
    first = upload(cloud_server, bucket, "a.txt", b"one")
    path = cloud_server.root / "storage" / bucket / "a.txt"
    path.write_bytes(b"three")
    second = cloud_server.json("GET", f"/storage/v1/b/{bucket}/o/a.txt")
    assert int(second["generation"]) > int(first["generation"])
    assert second["size"] == "5"
    assert content(cloud_server, bucket, "a.txt") == b"three"
    path.unlink()
    assert content(cloud_server, bucket, "a.txt") == 404
    assert names(cloud_server, bucket) == []


def test_a_deleted_object_leaves_no_empty_directories(cloud_server, bucket):
    upload(cloud_server, bucket, "a/b/c")
    cloud_server.json("DELETE", f"/storage/v1/b/{bucket}/o/a%2Fb%2Fc", status=204)
    assert list((cloud_server.root / "storage" / bucket).iterdir()) == []


@pytest.mark.parametrize("order", [("a", "a/b", "a/"), ("a/b", "a/", "a"), ("a/", "a", "a/b")])
def test_an_object_may_have_the_name_of_a_folder(cloud_server, bucket, order):
    for name in order:
        upload(cloud_server, bucket, name, name.encode())
    assert names(cloud_server, bucket) == ["a", "a/", "a/b"]
    for name in order:
        assert content(cloud_server, bucket, name) == name.encode()
    for name in order:
        upload(cloud_server, bucket, name, b"new")
        assert content(cloud_server, bucket, name) == b"new"
        cloud_server.json("DELETE", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", status=204)
    assert names(cloud_server, bucket) == []


HOSTILE = [
    "../escaped",
    "../../escaped",
    "a/../../escaped",
    "a/./b",
    "/absolute",
    "//x",
    "a//b",
    "a/..",
    "nul\0byte",
    "a" * 300,
    "back\\..\\slash",
    "~/x",
    "-rf",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_its_bucket(cloud_server, bucket, name):
    before = set(cloud_server.root.parent.rglob("*escaped*"))
    stored = upload(cloud_server, bucket, name, b"payload")
    assert stored["name"] == name
    assert content(cloud_server, bucket, name) == b"payload"
    assert names(cloud_server, bucket) == [name]
    assert set(cloud_server.root.parent.rglob("*escaped*")) == before
    cloud_server.json("DELETE", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", status=204)


@pytest.mark.parametrize(
    "name", ["../operator-token", "..%2Foperator-token", "%2e%2e/state.sqlite", "../../etc/passwd"]
)
def test_no_name_reads_a_file_outside_its_bucket(cloud_server, bucket, name):
    raw = subprocess.run(
        [
            *("curl", "-s", "--path-as-is", "-H", f"Authorization: Bearer {cloud_server.token}"),
            f"{cloud_server.url}/storage/v1/b/{bucket}/o/{name}?alt=media",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert '"code":404' in raw or '"code":400' in raw
    assert cloud_server.token not in raw


@pytest.mark.parametrize("name", ["..", "../..", "%2e%2e", "."])
def test_no_bucket_name_leads_out_of_the_storage(cloud_server, name):
    answer = cloud_server.call("POST", "/storage/v1/b?project=acme-recsys", {"name": name})
    assert answer.status_code == 400
    listed = cloud_server.call("GET", f"/storage/v1/b/{quote(name, safe='')}/o")
    assert listed.status_code in (400, 404)


def test_a_symbolic_link_is_no_object(cloud_server, bucket, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = cloud_server.root / "storage" / bucket
    (folder / "link").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    assert content(cloud_server, bucket, "link") == 404
    assert content(cloud_server, bucket, "folder/secret") == 404
    assert names(cloud_server, bucket) == []
    upload(cloud_server, bucket, "folder/secret", b"mine")
    assert secret.read_text() == "secret"
    assert content(cloud_server, bucket, "folder/secret") == b"mine"
    (folder / "link").unlink()
    (folder / "folder").unlink()


# pyarrow


@pytest.fixture
def arrow_fs(cloud_server):
    return GcsFileSystem(
        access_token=cloud_server.token,
        credential_token_expiration=datetime.now(UTC) + timedelta(hours=1),
        scheme="http",
        endpoint_override=cloud_server.url.removeprefix("http://"),
        retry_time_limit=timedelta(seconds=8),
        project_id="acme-recsys",
    )


def test_arrow_writes_and_reads_parquet(bucket, arrow_fs):
    table = pa.table({"user_id": ["u1", "u2"], "n": [1, 2]})
    pq.write_table(table, f"{bucket}/t/part-0.parquet", filesystem=arrow_fs)
    assert pq.read_table(f"{bucket}/t/part-0.parquet", filesystem=arrow_fs) == table
    assert ds.dataset(f"{bucket}/t", filesystem=arrow_fs, format="parquet").count_rows() == 2


def test_arrow_streams_a_large_object(bucket, arrow_fs):
    data = bytes(range(256)) * 4096 * 40
    with arrow_fs.open_output_stream(f"{bucket}/big.bin") as stream:
        for start in range(0, len(data), 5_000_000):
            stream.write(data[start : start + 5_000_000])
    with arrow_fs.open_input_file(f"{bucket}/big.bin") as file:
        assert file.read_at(10, 1_000_000) == data[1_000_000:1_000_010]
        assert file.read() == data


def test_arrow_makes_lists_moves_and_deletes(bucket, arrow_fs):
    arrow_fs.create_dir(f"{bucket}/d/e", recursive=True)
    with arrow_fs.open_output_stream(f"{bucket}/d/f") as stream:
        stream.write(b"x")
    found = {info.path: info.type for info in arrow_fs.get_file_info(FileSelector(f"{bucket}/d", recursive=True))}
    assert found[f"{bucket}/d/f"] == FileType.File
    arrow_fs.copy_file(f"{bucket}/d/f", f"{bucket}/d/g")
    arrow_fs.move(f"{bucket}/d/g", f"{bucket}/d/h")
    arrow_fs.delete_file(f"{bucket}/d/f")
    assert arrow_fs.get_file_info(f"{bucket}/d/f").type == FileType.NotFound
    assert arrow_fs.get_file_info(f"{bucket}/d/h").size == 1
    arrow_fs.delete_dir(f"{bucket}/d")


# The provider's resumable upload


def test_the_providers_chunks_come_by_post_and_cannot_take_308(cloud_server, bucket):
    path = f"/upload/storage/v1/b/{bucket}/o?alt=json&name=big%2Ffile.bin&prettyPrint=false&uploadType=resumable"
    started = cloud_server.call(
        "POST", path, {"bucket": bucket}, headers={"x-upload-content-type": "application/octet-stream"}
    )
    location = started.headers["location"].removeprefix(cloud_server.url)
    quirk = {"x-guploader-no-308": "yes", "content-type": "application/octet-stream"}
    first = cloud_server.call(
        "POST", location, data=b"a" * 262_144, headers={**quirk, "content-range": "bytes 0-262143/*"}
    )
    assert (first.status_code, first.headers["x-http-status-code-override"]) == (200, "308")
    assert first.headers["range"] == "bytes=0-262143"
    last = cloud_server.call(
        "POST", location, data=b"bc", headers={**quirk, "content-range": "bytes 262144-262145/262146"}
    )
    assert last.json()["size"] == "262146"
    assert "x-http-status-code-override" not in last.headers
    assert content(cloud_server, bucket, "big/file.bin") == b"a" * 262_144 + b"bc"


def test_a_repeated_chunk_is_taken_once_and_a_gap_is_refused(cloud_server, bucket):
    path = f"/upload/storage/v1/b/{bucket}/o?name=r&uploadType=resumable"
    location = cloud_server.call("POST", path, {}).headers["location"].removeprefix(cloud_server.url)

    def send(data, content_range):
        return cloud_server.call("PUT", location, data=data, headers={"content-range": content_range})

    assert send(b"abcd", "bytes 0-3/*").status_code == 308
    assert send(b"abcdef", "bytes 0-5/*").headers["range"] == "bytes=0-5"
    assert send(b"z", "bytes 9-9/*").status_code == 400
    assert send(b"", "bytes */*").headers["range"] == "bytes=0-5"
    done = send(b"gh", "bytes 6-7/8")
    assert done.status_code == 200
    assert send(b"", "bytes */8").json()["generation"] == done.json()["generation"]
    assert content(cloud_server, bucket, "r") == b"abcdefgh"


def test_a_cancelled_upload_is_gone(cloud_server, bucket):
    path = f"/upload/storage/v1/b/{bucket}/o?name=r&uploadType=resumable"
    location = cloud_server.call("POST", path, {}).headers["location"].removeprefix(cloud_server.url)
    assert cloud_server.call("DELETE", location).status_code == 499
    assert cloud_server.call("PUT", location, data=b"x").status_code == 404
    assert names(cloud_server, bucket) == []
