"""Requests, their retries, long-running operations, and the journal under many threads."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from engine.backend import FileBackend
from engine.crypto import SecretsManager
from engine.errors import EngineError, OperationError, UnsureError
from engine.gcp.api import Api, RefusedError
from engine.http import Client
from engine.journal import Journal
from engine.state import ResourceState, Snapshot
from tests.unit.engine.fake_google import FakeGoogle

POOLS = "projects/acme/locations/eu/persistentResources"


@pytest.fixture
def api(google: FakeGoogle) -> Api:
    return Api(google.environment())


def test_endpoints_are_the_providers_own_variables(google: FakeGoogle, api: Api) -> None:
    assert api.url("SERVICE_USAGE", "projects/p/services") == f"{google.url}/serviceusage/v1/projects/p/services"
    assert api.url("VERTEX_AI", POOLS) == f"{google.url}/aiplatform/v1beta1/{POOLS}"
    assert api.missing({"STORAGE"}) == []
    with pytest.raises(EngineError, match="GOOGLE_STORAGE_CUSTOM_ENDPOINT"):
        Api({}).url("STORAGE", "b")


def test_an_operation_is_polled_until_it_is_done(google: FakeGoogle, api: Api) -> None:
    google.slow_operations = 4
    body = {"resourcePools": []}
    operation = api.call("VERTEX_AI", "POST", POOLS, body=body, query={"persistentResourceId": "pool"})
    assert not operation.get("done")
    assert api.wait("VERTEX_AI", operation, "create PersistentResource", 5)["state"] == "RUNNING"


def test_an_operation_that_ends_in_an_error_is_told_in_the_providers_words(api: Api) -> None:
    failed = {"name": "operations/1", "done": True, "error": {"code": 8, "message": "out of capacity"}}
    with pytest.raises(OperationError, match="Error waiting to create X: Error code 8, message: out of capacity"):
        api.wait("VERTEX_AI", failed, "create X", 5)


def test_an_operation_that_takes_too_long_is_given_up(google: FakeGoogle, api: Api) -> None:
    google.slow_operations = 1000
    operation = api.call("VERTEX_AI", "POST", POOLS, body={}, query={"persistentResourceId": "pool"})
    with pytest.raises(OperationError, match=r"timeout after 0\.2 s"):
        api.wait("VERTEX_AI", operation, "create PersistentResource", 0.2)


def test_a_missing_thing_is_none_and_other_refusals_are_raised(google: FakeGoogle, api: Api) -> None:
    assert api.find("STORAGE", "b/none") is None
    google.faults.append(lambda *_: 403)
    with pytest.raises(RefusedError, match="HTTP 403: struck by a fault"):
        api.find("STORAGE", "b/none")


def test_where_nothing_listens_the_error_says_what_to_do(google: FakeGoogle) -> None:
    api = Api({"GOOGLE_STORAGE_CUSTOM_ENDPOINT": "http://127.0.0.1:9/storage/v1/"})
    with pytest.raises(OperationError, match="nothing listens there"):
        api.call("STORAGE", "GET", "b/x")


def test_a_connection_that_the_server_closed_is_opened_again(google: FakeGoogle) -> None:
    client = Client({})
    assert client.send("GET", f"{google.url}/crm/v1/projects/acme").status == 200
    for connection in client._local.pool.values():
        connection.sock.close()
        connection.sock = None
    assert client.send("GET", f"{google.url}/crm/v1/projects/acme").status == 200


def _one_connection(answers: list[bytes]) -> tuple[str, list[bytes], threading.Thread]:
    """A server of bare answers, one for each request; an empty one breaks the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        with listener:
            while answers:
                connection, _ = listener.accept()
                with connection:
                    while answers and (request := connection.recv(65536)):
                        asked.append(request.split(b" ", 1)[0])
                        if not (answer := answers.pop(0)):
                            break
                        connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/", asked, thread


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_request_that_may_have_been_carried_out_is_sent_again_only_where_that_does_no_harm() -> None:
    url, asked, thread = _one_connection([OK, b"", OK])
    client = Client({})
    assert client.send("GET", url).status == 200
    with pytest.raises(ConnectionError):
        client.send("POST", url, body={})
    assert client.send("GET", url).status == 200
    thread.join()
    assert asked == [b"GET", b"POST", b"GET"]
    url, asked, thread = _one_connection([OK, b"", OK])
    assert [client.send(method, url).status for method in ("GET", "PUT")] == [200, 200]
    thread.join()
    assert asked == [b"GET", b"PUT", b"PUT"]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_for_a_post() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    url, asked, thread = _one_connection([closing])
    client = Client({})
    assert client.send("GET", url).status == 200
    thread.join()
    with pytest.raises(ConnectionRefusedError):
        client.send("POST", url, body={})
    assert asked == [b"GET"]


def test_half_an_answer_is_no_answer() -> None:
    url, _, _ = _one_connection([b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}"])
    api = Api({"GOOGLE_STORAGE_CUSTOM_ENDPOINT": url + "storage/v1/"})
    with pytest.raises(UnsureError, match="no answer"):
        api.call("STORAGE", "POST", "b", body={})


def test_only_one_thread_at_a_time_changes_a_shared_policy(api: Api) -> None:
    inside, most = 0, 0

    def change() -> None:
        nonlocal inside, most
        with api.alone("policy"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    threads = [threading.Thread(target=change) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.fixture
def journal(tmp_path: Path) -> tuple[FileBackend, Journal]:
    backend = FileBackend(tmp_path, "shop", "local")
    backend.prepare()
    secrets = SecretsManager({"PULUMI_CONFIG_PASSPHRASE": ""}, tmp_path, None, lambda _: None)
    return backend, Journal(backend, Snapshot(), secrets)


def _on_disk(backend: FileBackend) -> dict[str, list[str]]:
    latest = json.loads(backend.path.read_text())["checkpoint"]["latest"]
    pending = [operation["resource"]["urn"] for operation in latest.get("pending_operations", [])]
    return {"resources": [state["urn"] for state in latest["resources"]], "pending": pending}


def test_an_operation_is_on_disk_before_it_starts_and_its_result_before_it_ends(
    journal: tuple[FileBackend, Journal],
) -> None:
    backend, writer = journal
    resource = ResourceState("urn:a", "gcp:x:Y")
    operation = writer.begin("creating", resource)
    assert _on_disk(backend) == {"resources": [], "pending": ["urn:a"]}
    writer.end(operation, lambda: writer.settled(resource, None))
    assert _on_disk(backend) == {"resources": ["urn:a"], "pending": []}
    writer.flush()


def test_many_threads_write_one_whole_state(journal: tuple[FileBackend, Journal]) -> None:
    backend, writer = journal

    def create(number: int) -> None:
        resource = ResourceState(f"urn:{number}", "gcp:x:Y")
        operation = writer.begin("creating", resource)
        writer.end(operation, lambda: writer.settled(resource, None))
        assert f"urn:{number}" in _on_disk(backend)["resources"]

    threads = [threading.Thread(target=create, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    assert sorted(_on_disk(backend)["resources"]) == sorted(f"urn:{number}" for number in range(24))
    assert not [thread for thread in threading.enumerate() if thread.name == "state-writer"]
