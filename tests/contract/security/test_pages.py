"""What a page in a browser on this machine can do, to a cloud that asks nobody for a token."""

import json
import socket

import pytest
import requests

JOBS = "/v1/projects/acme-pages/locations/europe-west1/customJobs"
IMAGE = "europe-west1-docker.pkg.dev/acme-pages/r/i@sha256:" + "b" * 64
JOB = {
    "displayName": "evil",
    "jobSpec": {
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "n1-standard-4"},
                "replicaCount": "1",
                "containerSpec": {"imageUri": IMAGE, "command": ["true"]},
            }
        ]
    },
}
OWN = "{own}"


def post(cloud, headers):
    filled = {name: value.replace(OWN, cloud.url) for name, value in headers.items()}
    return requests.post(f"{cloud.url}{JOBS}", data=json.dumps(JOB), headers=filled, timeout=10)


def jobs(cloud):
    return requests.get(f"{cloud.url}{JOBS}", timeout=10).json().get("customJobs", [])


def test_the_job_itself_is_a_good_one(open_cloud):
    assert post(open_cloud, {"origin": OWN, "content-type": "application/json"}).status_code == 200
    assert len(jobs(open_cloud)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://attacker.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": "https://attacker.example", "content-type": "text/plain"},
        {"content-type": "text/plain", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"host": "attacker.example"},
        {"host": "attacker.example:80"},
        {"host": "127.0.0.1.attacker.example"},
        {"host": "localhost.attacker.example:80"},
        {"host": "127.0.0.1:80@attacker.example"},
        {"host": "[::1]attacker.example"},
        {"host": "0.0.0.0"},  # noqa: S104
        {"host": "2130706433"},
    ],
    ids=str,
)
def test_a_page_of_another_origin_cannot_start_a_job(open_cloud, headers):
    before = len(jobs(open_cloud))
    assert post(open_cloud, headers).status_code == 403
    assert len(jobs(open_cloud)) == before


def test_a_page_of_another_origin_is_not_allowed_to_ask_first(open_cloud):
    headers = {
        "origin": "https://attacker.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
        "access-control-request-private-network": "true",
    }
    answer = requests.options(f"{open_cloud.url}{JOBS}", headers=headers, timeout=10)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_page_may_lead_to_the_cloud_but_a_visit_starts_nothing(open_cloud):
    before = len(jobs(open_cloud))
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "x-http-method-override": "POST"}
    for path in (JOBS, f"{JOBS}?$httpMethod=POST", "/_local/stop", "/batch"):
        requests.get(f"{open_cloud.url}{path}", headers=headers, timeout=10)
    assert len(jobs(open_cloud)) == before


@pytest.mark.parametrize("origin", ["https://attacker.example", "null"])
def test_a_web_socket_of_a_page_is_refused(open_cloud, origin):
    host = open_cloud.url.removeprefix("http://")
    lines = [f"GET {JOBS} HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=10) as page:
        page.sendall("\r\n".join(lines).encode())
        assert page.recv(64).startswith(b"HTTP/1.1 403")


def test_the_clouds_own_commands_are_no_pages_either(open_cloud):
    for method, path in (("POST", "/_local/stop"), ("PUT", "/_local/images"), ("POST", "/_local/access/tokens")):
        assert requests.request(method, f"{open_cloud.url}{path}", json={}, timeout=10).status_code == 401
        foreign = open_cloud.call(method, path, {}, headers={"origin": "https://attacker.example"})
        assert foreign.status_code == 403


def test_an_object_that_is_a_page_has_no_rights_of_this_server(open_cloud):
    open_cloud.call("POST", "/storage/v1/b?project=acme-pages", {"name": "acme-pages"})
    upload = "/upload/storage/v1/b/acme-pages/o?uploadType=media&name=evil.html"
    page = b"<script>fetch('/v1/', {method: 'POST'})</script>"
    open_cloud.json("POST", upload, data=page, headers={"content-type": "text/html"})
    for path in ("/storage/v1/b/acme-pages/o/evil.html?alt=media", "/download/storage/v1/b/acme-pages/o/evil.html"):
        answer = requests.get(f"{open_cloud.url}{path}", timeout=10)
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers["content-security-policy"] == "sandbox"  # its origin is "null", which is refused
