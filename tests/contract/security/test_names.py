"""Names of buckets and objects that try to be paths."""

import uuid
from urllib.parse import quote

import pytest

PROJECT = "acme-names"


@pytest.fixture(scope="module")
def bucket(cloud_server):
    name = f"acme-names-{uuid.uuid4().hex[:8]}"
    cloud_server.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": name})
    return name


def put(cloud, bucket, name, data):
    return cloud.call(
        "POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}", data=data
    )


def get(cloud, bucket, name):
    return cloud.call("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")


def outside(cloud, bucket):
    """Every file that is not the bucket's or the store's own, with its content's size."""
    kept = ("storage-", "state.sqlite", "access-log", "server.log", "bigquery", "jobs")
    below = [path for path in cloud.root.rglob("*") if path.is_file()]
    names = {path.relative_to(cloud.root).as_posix(): path.stat().st_size for path in below}
    return {name: size for name, size in names.items() if not name.startswith((*kept, f"storage/{bucket}/"))}


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "../../escaped",
        "a/../../escaped",
        "a/../../../escaped",
        "/etc/passwd",
        "//escaped",
        "a//b",
        "a/./b",
        "./a",
        "a/",
        "/",
        "..a",
        "a/..",
        "..\\..\\escaped",
        "%2e%2e/escaped",
        "..%2fescaped",
        "a\0b",
        "a\0/../../escaped",
        "state.sqlite",
        "operator-token",
        "../operator-token",
        "../storage-kept/1",
        "~/escaped",
        "$HOME/escaped",
        "\u202eescaped",
        "\uff0e\uff0e/escaped",
        "-rf",
        "*",
        "x" * 1024,
        "/".join(["d"] * 500),
        "é" * 512,
    ],
    ids=lambda name: repr(name[:24]),
)
def test_an_object_of_any_name_stays_in_its_bucket(cloud_server, bucket, name):
    before, content = outside(cloud_server, bucket), uuid.uuid4().bytes
    answer = put(cloud_server, bucket, name, content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == name
    assert get(cloud_server, bucket, name).content == content
    assert outside(cloud_server, bucket) == before
    assert not (cloud_server.root.parent / "escaped").exists()


@pytest.mark.parametrize("name", [".", "..", "x" * 1025, "é" * 513, "a\nb", "a\rb"], ids=lambda name: repr(name[:24]))
def test_names_that_google_refuses_are_refused(cloud_server, bucket, name):
    answer = put(cloud_server, bucket, name, b"x")
    assert answer.status_code == 400
    assert "object name" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["%ff", "%c3%28", "%ed%a0%80"])
def test_a_name_that_is_no_text_is_refused(cloud_server, bucket, name):
    upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    for answer in (
        cloud_server.call("POST", upload, data=b"x"),
        cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/{name}"),
    ):
        assert answer.status_code == 400
        assert "is not UTF-8" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["..", ".", "%2e%2e", "..%2f..%2fetc", "a%2f..%2fb", "..%2fstorage-kept", "a%00b", "%2fetc"]
)
def test_a_bucket_of_a_paths_name_is_not_there(cloud_server, name):
    upload = f"/upload/storage/v1/b/{name}/o?uploadType=media&name=x"
    assert cloud_server.call("POST", upload, data=b"x").status_code in (400, 404)
    for path in (f"/storage/v1/b/{name}", f"/storage/v1/b/{name}/o", f"/storage/v1/b/{name}/o/passwd?alt=media"):
        assert cloud_server.call("GET", path).status_code in (400, 404)
    assert cloud_server.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": name}).status_code == 400


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("Case", "case"),
        ("a", "a/b"),
        ("c/d", "c"),
        ("\u212b", "\u00c5"),
        ("x", "x/"),
        ("y ", "y"),
    ],
)
def test_twins_are_two_objects(cloud_server, bucket, first, second):
    for name in (first, second):
        assert put(cloud_server, bucket, name, name.encode()).status_code == 200
    for name in (first, second):
        assert get(cloud_server, bucket, name).content == name.encode()
    assert cloud_server.call("DELETE", f"/storage/v1/b/{bucket}/o/{quote(first, safe='')}").status_code == 204
    assert get(cloud_server, bucket, second).content == second.encode()


def test_a_symbolic_link_in_a_mounted_bucket_leads_nowhere(cloud_server, bucket, tmp_path):
    (tmp_path / "secret").write_text("secret")
    mounted = cloud_server.root / "storage" / bucket
    (mounted / "to-file").symlink_to(tmp_path / "secret")
    (mounted / "to-folder").symlink_to(tmp_path)
    (mounted / "to-token").symlink_to("../../operator-token")
    for name in ("to-file", "to-folder/secret", "to-token"):
        assert get(cloud_server, bucket, name).status_code == 404
    listed = cloud_server.json("GET", f"/storage/v1/b/{bucket}/o?prefix=to-").get("items", [])
    assert listed == []
    assert put(cloud_server, bucket, "to-folder/planted", b"x").status_code == 200
    assert put(cloud_server, bucket, "to-file", b"x").status_code == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    assert (tmp_path / "secret").read_text() == "secret"
    assert get(cloud_server, bucket, "to-folder/planted").content == b"x"


def test_what_a_composition_and_a_copy_name_stays_in_its_bucket(cloud_server, bucket):
    put(cloud_server, bucket, "part", b"x")
    before = outside(cloud_server, bucket)
    path = f"/storage/v1/b/{bucket}/o"
    target = quote("../../composed", safe="")
    cloud_server.json("POST", f"{path}/{target}/compose", {"sourceObjects": [{"name": "part"}]})
    cloud_server.json("POST", f"{path}/part/copyTo/b/{bucket}/o/{quote('../copied', safe='')}", {})
    cloud_server.json("POST", f"{path}/part/compose", {"sourceObjects": [{"name": "../token-key"}]}, status=404)
    assert outside(cloud_server, bucket) == before
