"""Requests that are too large, too deep, or something else than they say."""

import json
import random
import socket
import zlib
from pathlib import Path

import pytest
import requests

JOBS = "/v1/projects/acme-requests/locations/europe-west1/customJobs"
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def bucket(cloud_server):
    cloud_server.json("POST", "/storage/v1/b?project=acme-requests", {"name": "acme-requests"})
    return "acme-requests"


def sent(cloud, *chunks):
    """The first bytes of the answer to raw bytes; the server may hang up while they are sent."""
    with socket.create_connection(("127.0.0.1", int(cloud.url.rpartition(":")[2])), timeout=20) as client:
        try:
            for chunk in chunks:
                client.sendall(chunk)
        except OSError:
            pass
        try:
            return client.recv(4096)
        except ConnectionResetError:
            return b""


def most_memory(cloud):
    """The most that the server has held so far, in MiB."""
    lines = Path(f"/proc/{cloud.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def bomb(mebibytes):
    """A small gzip of many blanks within a JSON array."""
    deflate = zlib.compressobj(1, wbits=31)
    pieces = [deflate.compress(b"[")] + [deflate.compress(b" " * MEBIBYTE) for _ in range(mebibytes)]
    return b"".join([*pieces, deflate.compress(b"]"), deflate.flush()])


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory")


@needs_proc
@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ", b"GET /"], ids=["header", "path"])
def test_a_head_without_end_is_cut_off(cloud_server, start):
    before = most_memory(cloud_server)
    answer = sent(cloud_server, start, *[b"a" * MEBIBYTE] * 64)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert most_memory(cloud_server) - before < 32
    assert cloud_server.call("GET", "/_local/health").status_code == 200


def test_many_headers_are_refused_too(cloud_server):
    lines = [b"x-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1000)]
    answer = sent(cloud_server, b"GET /_local/health HTTP/1.1\r\nhost: 127.0.0.1\r\n", *lines, b"\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_a_long_head_is_no_matter_where_a_body_is_long(cloud_server, bucket):
    upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=large"
    data = random.Random(1).randbytes(MEBIBYTE)
    assert cloud_server.json("POST", upload, data=data)["size"] == str(MEBIBYTE)
    assert cloud_server.call("GET", "/_local/health", headers={"x-long": "a" * 60_000}).status_code == 200


@needs_proc
def test_a_small_body_that_unpacks_into_a_large_one_is_refused(cloud_server):
    before = most_memory(cloud_server)
    answer = cloud_server.call("POST", JOBS, data=bomb(700), headers={"content-encoding": "gzip"})
    assert answer.status_code == 413
    assert most_memory(cloud_server) - before < 600


@pytest.mark.parametrize("data", [b"no gzip", bomb(1)[:-9]], ids=["none", "torn"])
def test_a_body_that_is_no_gzip_is_refused(cloud_server, data):
    answer = cloud_server.call("POST", JOBS, data=data, headers={"content-encoding": "gzip"})
    assert answer.status_code == 400
    assert "Content-Encoding" in answer.json()["error"]["message"]


@needs_proc
def test_an_object_that_unpacks_into_a_large_one_is_streamed(cloud_server, bucket):
    metadata = json.dumps({"name": "bomb", "contentEncoding": "gzip"}).encode()
    parts = [b"--b\r\ncontent-type: application/json\r\n\r\n", metadata, b"\r\n--b\r\ncontent-type: text/plain\r\n\r\n"]
    body = b"".join([*parts, bomb(400), b"\r\n--b--"])
    upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
    cloud_server.json("POST", upload, data=body, headers={"content-type": "multipart/related; boundary=b"})
    before = most_memory(cloud_server)
    path = f"{cloud_server.url}/storage/v1/b/{bucket}/o/bomb?alt=media"
    headers = {"authorization": f"Bearer {cloud_server.token}", "accept-encoding": "identity"}
    with requests.get(path, headers=headers, stream=True, timeout=60) as answer:
        size = sum(len(chunk) for chunk in answer.iter_content(MEBIBYTE))
    assert size == 400 * MEBIBYTE + 2
    assert most_memory(cloud_server) - before < 64


@pytest.mark.parametrize(
    "data",
    [b"[" * 200_000, b'{"a":' * 200_000, b'{"displayName": "\\ud800"}', b"\xff\xfe\xff", b'{"a": 1e}', b"9" * 5000],
    ids=["lists", "objects", "half a character", "no text", "no number", "a long number"],
)
def test_a_body_that_cannot_be_read_is_refused(cloud_server, data):
    answer = cloud_server.call("POST", JOBS, data=data)
    assert answer.status_code == 400
    assert "Invalid JSON payload" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"true"])
def test_a_body_that_is_no_object_is_refused(cloud_server, body):
    assert cloud_server.call("POST", JOBS, data=body).status_code == 400


def test_an_objects_metadata_begins_no_header_of_its_own(cloud_server, bucket):
    metadata = {"name": "split", "contentType": "text/html\r\nset-cookie: a=b", "contentDisposition": "x\r\ny: z\u20ac"}
    parts = [b"--b\r\ncontent-type: application/json\r\n\r\n", json.dumps(metadata).encode()]
    body = b"".join([*parts, b"\r\n--b\r\ncontent-type: text/plain\r\n\r\nx\r\n--b--"])
    upload = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
    cloud_server.json("POST", upload, data=body, headers={"content-type": "multipart/related; boundary=b"})
    answer = cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/split?alt=media")
    assert answer.content == b"x"
    assert not {"set-cookie", "y"} & {name.lower() for name in answer.headers}


def test_a_batch_gives_its_parts_no_more_rights_and_no_other_host(cloud_server):
    inner = "GET /storage/v1/b?project=acme-requests HTTP/1.1\r\nauthorization: Bearer guess\r\n\r\n"
    own = f"--b\r\ncontent-type: application/http\r\n\r\n{inner}\r\n--b--"
    headers = {"content-type": "multipart/mixed; boundary=b"}
    assert "HTTP/1.1 401" in cloud_server.call("POST", "/batch/storage/v1", data=own, headers=headers).text
    nested = own.replace(inner, "POST /batch/storage/v1 HTTP/1.1\r\n\r\n")
    assert "HTTP/1.1 400" in cloud_server.call("POST", "/batch/storage/v1", data=nested, headers=headers).text
