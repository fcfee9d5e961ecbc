"""What the server refuses before any service sees it."""

import socket
import subprocess
import sys

import pytest
import requests


def test_it_listens_on_the_loopback_only(cloud_server):
    port = int(cloud_server.url.rsplit(":", 1)[1])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in (address for address in others if not address.startswith("127.")):
        with socket.socket() as outside:
            outside.settimeout(2)
            assert outside.connect_ex((address, port)) != 0


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", ""])
def test_a_host_that_is_not_loopback_is_refused(cloud_server, host):
    answer = requests.get(f"{cloud_server.url}/_local/health", headers={"host": host}, timeout=10)
    assert answer.status_code in (400, 403)
    assert "root" not in answer.json() if answer.status_code == 403 else True


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_every_name_of_the_loopback_is_served(cloud_server, name):
    port = cloud_server.url.rsplit(":", 1)[1]
    answer = requests.get(f"{cloud_server.url}/_local/health", headers={"host": f"{name}:{port}"}, timeout=10)
    assert answer.json()["status"] == "ok"


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_a_page_of_another_origin_is_refused_even_with_a_token(cloud_server, origin):
    path = "/v1/projects/acme-recsys/serviceAccounts"
    answer = cloud_server.call("POST", path, {"accountId": "evil-account"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert origin in answer.json()["error"]["message"]


def test_a_page_of_another_site_that_sends_no_origin_is_refused(cloud_server):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert cloud_server.call("GET", "/_local/health", headers=headers).status_code == 403


def test_the_servers_own_origin_is_served(cloud_server):
    assert cloud_server.call("GET", "/_local/health", headers={"origin": cloud_server.url}).status_code == 200


def test_a_call_without_a_token_is_refused(cloud_server):
    answer = requests.get(f"{cloud_server.url}/v1/projects/acme-recsys/locations/l/operations", timeout=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (401, "UNAUTHENTICATED")
    assert "operator-token" in error["message"]
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("path", ["/v1/projects/acme-recsys/gadgets", "/nothing", "/storage/v1/x?a=b"])
def test_an_unknown_route_says_its_name_and_is_not_retried(cloud_server, path):
    error = cloud_server.json("POST", path, {}, status=400)["error"]
    assert error["status"] == "UNIMPLEMENTED"
    assert f"POST {path.split('?')[0]}" in error["message"]


def test_a_body_that_is_no_json_is_refused(cloud_server):
    answer = cloud_server.call("PUT", "/_local/projects", data=b"{nope")
    assert answer.status_code == 400
    assert "Invalid JSON payload" in answer.json()["error"]["message"]


def test_the_operators_token_is_needed_for_the_clouds_own_commands_in_audit_mode_too(new_cloud):
    cloud = new_cloud(iam="audit").start()
    assert requests.post(f"{cloud.url}/_local/stop", timeout=10).status_code == 401
    assert requests.put(f"{cloud.url}/_local/images", json={}, timeout=10).status_code == 401


def test_a_second_cloud_on_the_same_root_is_refused(cloud_server):
    command = [sys.executable, "-m", "local.cloud", "--root", str(cloud_server.root)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert f"is in use by process {cloud_server.pid}" in second.stderr


def test_env_prints_what_points_clients_at_a_running_cloud(cloud_server):
    command = [sys.executable, "-m", "local.cloud", "env", "--root", str(cloud_server.root)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert f"export STORAGE_EMULATOR_HOST={cloud_server.url}\n" in printed
    assert f"export GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT={cloud_server.url}/bigquery/v2/\n" in printed


def test_env_without_a_cloud_says_how_to_start_one(tmp_path):
    command = [sys.executable, "-m", "local.cloud", "env", "--root", str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert printed.returncode == 1
    assert "Start one: python -m local.cloud --root" in printed.stderr


def test_stop_ends_the_process_and_removes_its_address(new_cloud):
    cloud = new_cloud().start()
    assert (cloud.root / "server.json").exists()
    cloud.json("POST", "/_local/stop")
    cloud.stop()
    assert not (cloud.root / "server.json").exists()


def test_a_project_can_be_given_its_number(new_cloud):
    cloud = new_cloud().start()
    body = {"projectId": "acme-recsys", "projectNumber": "123456789012"}
    assert cloud.json("PUT", "/_local/projects", body)["projectNumber"] == "123456789012"
    other = {"projectId": "acme-other", "projectNumber": "123456789012"}
    assert "already in use" in cloud.json("PUT", "/_local/projects", other, status=409)["error"]["message"]
