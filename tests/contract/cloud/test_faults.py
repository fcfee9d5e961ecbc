"""Faults of a running cloud, by REST and by the command, as Google's clients meet them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption

from local.cloud.__main__ import main
from local.cloud.faults.kinds import KINDS
from tests.contract.cloud_process import CloudProcess

REPOSITORY = Path(__file__).parents[3]
BUCKETS = "/storage/v1/b?project=acme-recsys"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud of this module's own: faults strike whoever calls."""
    cloud = CloudProcess(tmp_path_factory.mktemp("faulty"), iam="audit").start()
    cloud.json("POST", BUCKETS, {"name": "steady"})
    yield cloud
    cloud.stop()


@pytest.fixture
def cloud(server: CloudProcess) -> Iterator[CloudProcess]:
    yield server
    server.json("DELETE", "/_local/faults")


def buckets(cloud: CloudProcess) -> set[str]:
    return {each["name"] for each in cloud.json("GET", BUCKETS)["items"]}


def fault(cloud: CloudProcess, kind: str, **fields: object) -> dict[str, object]:
    return cloud.json("POST", "/_local/faults", {"kind": kind, **fields})


@dataclass
class Command:
    """`python -m local.cloud fault …` on one cloud, in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """The exit code and what was written to stdout and stderr."""
        code = main(["fault", *words, "--root", str(self.root)])
        return code, *self.capsys.readouterr()


@pytest.fixture
def command(server: CloudProcess, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(server.root, capsys)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_leaves_the_work_undone_or_done(cloud: CloudProcess, when: str) -> None:
    fault(cloud, "error", status=429, when=when, method="POST", times=1)
    refused = cloud.json("POST", BUCKETS, {"name": f"errs-{when}"}, status=429)["error"]
    assert refused["status"] == "RESOURCE_EXHAUSTED"
    assert "fault 1" in refused["message"]
    assert (f"errs-{when}" in buckets(cloud)) is (when == "after")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_dropped_connection_has_no_answer(cloud: CloudProcess, when: str) -> None:
    fault(cloud, "drop", when=when, method="POST", times=1)
    with pytest.raises(requests.ConnectionError):
        cloud.call("POST", BUCKETS, {"name": f"drops-{when}"})
    assert (f"drops-{when}" in buckets(cloud)) is (when == "after")


def test_latency_makes_an_answer_late_and_right(cloud: CloudProcess) -> None:
    fault(cloud, "latency", seconds=0.3, method="GET", times=1)
    began = time.monotonic()
    assert "steady" in buckets(cloud)
    assert time.monotonic() - began >= 0.3


def test_the_same_seed_strikes_the_same_requests(cloud: CloudProcess) -> None:
    fault(cloud, "error", rate=0.4, path="/storage/v1/b/steady")

    def statuses() -> list[int]:
        cloud.json("PUT", "/_local/faults/seed", {"seed": 11})
        return [cloud.call("GET", "/storage/v1/b/steady").status_code for _ in range(30)]

    first = statuses()
    assert set(first) == {200, 503}
    assert statuses() == first


def test_google_s_client_rides_out_errors_and_drops(cloud: CloudProcess) -> None:
    fault(cloud, "error", status=503, path="/storage/v1/b/steady*", times=2)
    fault(cloud, "drop", path="/storage/v1/b/steady*", times=1)
    client = storage.Client("acme-recsys", AnonymousCredentials(), client_options=ClientOptions(api_endpoint=cloud.url))
    assert client.get_bucket("steady").name == "steady"
    told = cloud.json("GET", "/_local/faults")["faults"]
    assert [each["struck"] for each in told] == [2, 1]


def test_a_full_disk_refuses_content_and_keeps_no_part_of_it(cloud: CloudProcess) -> None:
    fault(cloud, "disk-full", freeBytes=1_500_000)
    path = "/upload/storage/v1/b/steady/o?uploadType=media&name="
    cloud.json("POST", f"{path}fits", data=b"x" * 1_000_000)
    refused = cloud.json("POST", f"{path}too-large", data=b"x" * 1_000_000, status=500)
    assert "No space left on device" in refused["error"]["message"]
    cloud.json("DELETE", "/_local/faults")
    assert [each["name"] for each in cloud.json("GET", "/storage/v1/b/steady/o")["items"]] == ["fits"]
    assert not list((cloud.root / "storage-staged").iterdir())


def test_a_corrupt_object_is_noticed_by_its_checksum(cloud: CloudProcess) -> None:
    cloud.json("POST", "/upload/storage/v1/b/steady/o?uploadType=media&name=model.pt", data=b"weights" * 1000)
    done = fault(cloud, "corrupt-object", uri="gs://steady/model.pt")
    assert done["uri"] == "gs://steady/model.pt"
    client = storage.Client("acme-recsys", AnonymousCredentials(), client_options=ClientOptions(api_endpoint=cloud.url))
    with pytest.raises(DataCorruption):
        client.bucket("steady").blob("model.pt").download_as_bytes()


def test_a_clock_jump_moves_the_cloud_s_time(cloud: CloudProcess) -> None:
    before = datetime.fromisoformat(cloud.json("GET", "/_local/clock")["now"])
    after = datetime.fromisoformat(cloud.json("POST", "/_local/clock:jump", {"seconds": 86400})["now"])
    assert timedelta(days=1) <= after - before < timedelta(days=1, minutes=5)
    made = cloud.json("POST", BUCKETS, {"name": "tomorrow"})["timeCreated"]
    assert datetime.fromisoformat(made) >= after
    back = cloud.json("POST", "/_local/clock:jump", {"to": datetime.now(UTC).isoformat()})
    assert abs(back["aheadSeconds"]) < 300


def test_faults_are_the_operator_s(new_cloud: Callable[..., CloudProcess]) -> None:
    url = new_cloud(iam="audit").start().url
    for method, path in (("GET", "faults"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "clock:jump")):
        assert requests.request(method, f"{url}/_local/{path}", json={}, timeout=10).status_code == 401


def test_the_command_adds_lists_seeds_and_clears(cloud: CloudProcess, command: Command) -> None:
    code, added, problem = command("error", "--status", "500", "--rate", "0.5", "--path", "*/nothing")
    assert (code, problem) == (0, "")
    assert '"rate": 0.5' in added
    assert '"seed": 3' in command("seed", "3")[1]
    assert '"path": "*/nothing"' in command("list")[1]
    assert command("clear", "1")[0] == 0
    assert cloud.json("GET", "/_local/faults")["faults"] == []
    assert '"aheadSeconds"' in command("clock")[1]


def test_the_command_says_why_it_is_refused(command: Command, tmp_path: Path) -> None:
    code, _, problem = command("kill-replica", "--job", "12345")
    assert (code, "There is no custom job '12345'" in problem) == (1, True)
    command.root = tmp_path
    code, _, problem = command("list")
    assert (code, str(tmp_path) in problem) == (1, True)


def test_the_command_is_a_program(cloud: CloudProcess) -> None:
    words = [sys.executable, "-m", "local.cloud", "fault", "drop", "--times", "3", "--root", str(cloud.root)]
    subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True)
    assert [each["times"] for each in cloud.json("GET", "/_local/faults")["faults"]] == [3]


def test_every_kind_of_the_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in [*KINDS, "list", "clear", "seed", "clock"]:
        with pytest.raises(SystemExit) as left:
            main(["fault", kind, "--help"])
        assert left.value.code == 0
        told = capsys.readouterr().out
        for field in KINDS[kind].model_fields if kind in KINDS else ():
            assert f"--{field.replace('_', '-')}" in told, (kind, field)


def test_a_grant_is_told_at_once_and_in_force_after_the_delay(new_cloud: Callable[..., CloudProcess]) -> None:
    cloud = new_cloud(iam="enforce").start()
    member = f"serviceAccount:{cloud.account('acme-recsys', 'latecomer')}"
    headers = {"authorization": f"Bearer {cloud.token_of(member.removeprefix('serviceAccount:'))}"}
    fault(cloud, "iam-delay", seconds=60)
    cloud.grant("acme-recsys", {"roles/storage.admin": [member]})

    def status() -> int:
        return requests.get(f"{cloud.url}{BUCKETS}", headers=headers, timeout=10).status_code

    assert member in str(cloud.json("POST", "/crm/v1/projects/acme-recsys:getIamPolicy", {}))
    assert status() == 403
    cloud.json("POST", "/_local/clock:jump", {"seconds": 61})
    assert status() == 200
