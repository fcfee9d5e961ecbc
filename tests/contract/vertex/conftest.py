"""Google's own clients, pointed at the local cloud."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.oauth2.credentials import Credentials

from tests.contract.cloud_process import CloudProcess

PROJECT = "acme-recsys"
PARENT = f"projects/{PROJECT}/locations/europe-west1"
IMAGE = f"europe-west1-docker.pkg.dev/{PROJECT}/training/trainer@sha256:" + "a" * 64
MACHINE = {"machine_type": "n1-standard-8"}
DISK = {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 100}
BUCKET = "acme-recsys-vertex"


@dataclass
class Vertex:
    """A cloud with one image, whose modules are the files of `code`, and one bucket."""

    cloud: CloudProcess
    code: Path

    def client(self, service: str, version: str = "v1") -> Any:
        """The gapic client of a service (`JobService`) over REST."""
        module = __import__(f"google.cloud.aiplatform_{version}", fromlist=[f"{service}Client"])
        make = getattr(module, f"{service}Client")
        credentials = Credentials(token=self.cloud.token)  # type: ignore[no-untyped-call]
        return make(transport="rest", credentials=credentials, client_options={"api_endpoint": self.cloud.url})

    def module(self, name: str, text: str) -> None:
        (self.code / f"{name}.py").write_text(text)

    def prepare(self) -> None:
        runtime = {"interpreter": sys.executable, "workdir": str(self.code), "env": {"GIT_SHA": "abc"}}
        self.cloud.json("PUT", "/_local/images", {"image": IMAGE, "runtime": runtime})
        self.cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
        for account in ("pipeline", "trainer"):
            self.cloud.account(PROJECT, account)
        members = [f"serviceAccount:{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("pipeline", "trainer")]
        roles = ("roles/aiplatform.user", "roles/iam.serviceAccountUser", "roles/storage.objectAdmin")
        self.cloud.grant(PROJECT, dict.fromkeys(roles, members))


def pointed_at(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Vertex AI SDK, initialised for this cloud."""
    from google.cloud import aiplatform  # seconds, which the tests of the generated clients need not wait

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", vertex.cloud.url)
    aiplatform.init(
        project=PROJECT,
        location="europe-west1",
        api_transport="rest",
        api_endpoint=vertex.cloud.url,
        credentials=Credentials(token=vertex.cloud.token),  # type: ignore[no-untyped-call]
        staging_bucket=f"gs://{BUCKET}",
    )
    yield aiplatform
    aiplatform.initializer.global_config.__init__()  # type: ignore[misc] # forget this cloud


def worker_pool(*command: str, **more: Any) -> dict[str, Any]:
    """A `WorkerPoolSpec` of one replica on the tests' machine and disk."""
    container = {"image_uri": IMAGE, "command": list(command)}
    return {"machine_spec": MACHINE, "disk_spec": DISK, "replica_count": 1, "container_spec": container, **more}


def violations(refused: pytest.ExceptionInfo[GoogleAPICallError]) -> dict[str, str]:
    """The fields of a refusal's BadRequest and what is wrong with them."""
    found = [each for detail in refused.value.details for each in detail.get("fieldViolations", [])]
    return {each["field"]: each["description"] for each in found}


def wait_until(look: Callable[[], Any], done: Callable[[Any], bool], seconds: float = 30) -> Any:
    """What `look` sees once it is `done`."""
    deadline = time.monotonic() + seconds
    while not done(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.05)
    return seen


@pytest.fixture(scope="session")
def vertex(cloud_server: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Vertex:
    made = Vertex(cloud_server, tmp_path_factory.mktemp("code"))
    made.prepare()
    return made


@pytest.fixture
def sdk(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield from pointed_at(vertex, monkeypatch)
