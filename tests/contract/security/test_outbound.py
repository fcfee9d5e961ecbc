"""Requests that the cloud is made to send: where they go, and as whom."""

import socket
import threading
import uuid

import pytest

PROJECT = "acme-outbound"
PARENT = f"projects/{PROJECT}/locations/europe-west1"


@pytest.fixture
def elsewhere():
    """A listener on an address that is not one of the cloud's own; `heard` tells what came."""
    listener = socket.create_server(("127.0.0.2", 0))
    heard = []

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            heard.append(connection.recv(1024))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)


def fire(cloud, uri, **target):
    """How a job of Cloud Scheduler with that target ends."""
    name = f"{PARENT}/jobs/j{uuid.uuid4().hex[:8]}"
    job = {"name": name, "schedule": "0 3 * * *", "httpTarget": {"uri": uri, "httpMethod": "GET", **target}}
    created = cloud.call("POST", f"/v1/{PARENT}/jobs", job)
    if created.status_code != 200:
        return {"code": 3, "message": created.text}
    return cloud.json("POST", f"/v1/{name}:run", {})["status"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.2:{port}/",
        "http://127.0.0.2:{port}\\@127.0.0.1/",
        "http://127.0.0.1\\@127.0.0.2:{port}/",
        "http://127.0.0.2:{port}#@127.0.0.1/",
        "http://127.0.0.2:{port}?@127.0.0.1/",
        "http://127.0.0.1@127.0.0.2:{port}/",
        "http://x.googleapis.com@127.0.0.2:{port}/",
        "http://127.0.0.2:{port}/.googleapis.com",
        "http://2130706434:{port}/",
        "http://0x7f.0.0.2:{port}/",
        "http://127.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
    ],
)
def test_no_url_leads_a_request_to_another_host(cloud_server, elsewhere, uri):
    port, heard = elsewhere
    assert fire(cloud_server, uri.format(port=port))["code"] != 0
    assert heard == []


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "gopher://127.0.0.1/", "http:///x", "http://\t127.0.0.1/", "x"])
def test_what_is_no_http_url_is_refused(cloud_server, uri):
    assert "httpTarget.uri" in fire(cloud_server, uri)["message"]


def test_a_request_without_an_account_has_no_rights_and_the_operators_never(cloud_server, open_cloud):
    bucket = "https://storage.googleapis.com/storage/v1/b?project=acme-outbound"
    assert "answered 401" in fire(cloud_server, bucket)["message"]
    for cloud in (cloud_server, open_cloud):
        for base in ("https://storage.googleapis.com", cloud.url):
            status = fire(cloud, f"{base}/_local/stop", httpMethod="POST", headers={"Authorization": "Bearer guess"})
            assert status["code"] != 0
            assert "answered 40" in status["message"]
        assert cloud.call("GET", "/_local/health").status_code == 200


def test_a_request_as_an_account_has_that_accounts_rights_and_its_token_ends_with_it(cloud_server):
    account = cloud_server.account(PROJECT, "sa-caller")
    bucket = "https://storage.googleapis.com/storage/v1/b?project=acme-outbound"
    token = {"oauthToken": {"serviceAccountEmail": account}}
    assert "answered 403" in fire(cloud_server, bucket, **token)["message"]
    cloud_server.grant(PROJECT, {"roles/storage.admin": [f"serviceAccount:{account}"]})
    assert fire(cloud_server, bucket, **token) == {}
    newest = cloud_server.json("GET", f"/_local/access/log?principal={account}&limit=1")["entries"]
    assert newest[0]["permission"] == "storage.buckets.list"


def test_a_redirect_is_not_followed(cloud_server, elsewhere):
    port, heard = elsewhere
    server = socket.create_server(("127.0.0.1", 0))

    def redirect():
        connection, _ = server.accept()
        connection.recv(4096)
        target = f"http://127.0.0.2:{port}/".encode()
        connection.sendall(b"HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\nlocation: " + target + b"\r\n\r\n")
        connection.close()

    thread = threading.Thread(target=redirect, daemon=True)
    thread.start()
    assert "answered 307" in fire(cloud_server, f"http://127.0.0.1:{server.getsockname()[1]}/")["message"]
    thread.join(timeout=5)
    server.close()
    assert heard == []
