"""Where clients send, and as whom."""

import socket
from pathlib import Path

import pytest
from google.auth.compute_engine import Credentials as MetadataCredentials
from google.auth.credentials import AnonymousCredentials

from contracts.problems import Refused
from contracts.stack_outputs import Endpoints
from pipeline.clients import Clients, credentials_for, for_step, for_submission, require_reachable
from tests.unit.pipeline.example import outputs

LOOPBACK = "http://127.0.0.1:9"


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("secret-token\n")
    return str(path)


def test_googles_own_endpoints_get_application_default_credentials() -> None:
    assert credentials_for("", "") is None
    assert credentials_for("https://europe-west4-aiplatform.googleapis.com", "") is None


def test_an_endpoint_with_a_token_file_gets_that_token(token_file: str) -> None:
    credentials = credentials_for(LOOPBACK, token_file)
    assert credentials is not None
    assert credentials.token == "secret-token"


def test_a_token_file_is_not_for_googles_own_endpoints(token_file: str) -> None:
    assert credentials_for("", token_file) is None


def test_plain_http_without_a_token_is_anonymous() -> None:
    assert isinstance(credentials_for(LOOPBACK, ""), AnonymousCredentials)


def test_plain_http_within_a_job_gets_the_jobs_own_identity() -> None:
    assert isinstance(credentials_for(LOOPBACK, "", in_job=True), MetadataCredentials)


def test_plain_http_to_another_machine_is_refused_even_with_a_token(token_file: str) -> None:
    for tokens in ("", token_file):
        with pytest.raises(Refused, match=r"'http://example\.com': credentials travel over plain http only"):
            credentials_for("http://example.com", tokens)


def test_a_token_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"access_token_file = .*gone'"):
        credentials_for(LOOPBACK, str(tmp_path / "gone"))


def test_a_client_for_a_local_cloud_sends_there_and_nowhere_else(token_file: str) -> None:
    endpoints = Endpoints(vertex=LOOPBACK, storage=LOOPBACK, bigquery=LOOPBACK, access_token_file=token_file)
    clients = Clients(project="acme", region="europe-west4", endpoints=endpoints)
    assert clients.storage.api_endpoint == LOOPBACK
    assert clients.bigquery._connection.API_BASE_URL == LOOPBACK
    for client in (clients.pipelines, clients.jobs):
        assert client.api_endpoint == LOOPBACK
        assert client.transport.kind == "rest"
    assert clients.location == "projects/acme/locations/europe-west4"


def test_a_step_takes_its_endpoints_from_its_jobs_environment() -> None:
    environment = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{LOOPBACK}/",
        "STORAGE_EMULATOR_HOST": LOOPBACK,
        "BIGQUERY_EMULATOR_HOST": LOOPBACK,
        "GCE_METADATA_HOST": "127.0.0.1:9/_metadata/x",
    }
    clients = for_step(project="acme", environment=environment)
    assert clients.endpoints == Endpoints(vertex=LOOPBACK, storage=LOOPBACK, bigquery=LOOPBACK)
    assert isinstance(clients._options(LOOPBACK)["credentials"], MetadataCredentials)


def test_a_step_on_google_cloud_has_googles_endpoints() -> None:
    assert for_step(project="acme", environment={}).endpoints == Endpoints()


def test_a_local_cloud_that_is_stopped_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Refused, match=rf"endpoint = '{free}': nothing answers there .*make up"):
        for_submission(outputs(endpoints=Endpoints(vertex=free, storage=free, bigquery=free)))


def test_googles_endpoints_are_not_probed() -> None:
    require_reachable(Endpoints())
