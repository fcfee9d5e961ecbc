"""What `make status` says of a platform that somebody changed by hand, on the local cloud by Google's clients."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.pool_spec import Autoscaling
from contracts.stack_outputs import DeclaredSchedule
from pipeline import standing, status
from pipeline.command import ExitCode
from pipeline.model_registry import ModelRegistry
from pipeline.standing import Finding
from tests.contract.cloud_process import CloudProcess
from tests.contract.vertex.conftest import wait_until
from tests.e2e.pipeline.platform import LocalPlatform
from tests.unit.infra.deploy import small_pipeline

NOW = datetime.now(UTC)
CRON = "TZ=Etc/UTC 0 3 1 1 *"


class Operated:
    """A platform with pools and a schedule, and what a person does to it behind the program's back."""

    def __init__(self, cloud: CloudProcess) -> None:
        self.platform = LocalPlatform(cloud).with_bucket().with_pipeline()
        self._cloud = cloud
        self._at = f"/v1/{self.platform.clients.location}"
        name = self._post("schedules", self.scheduled())["name"]
        declared = DeclaredSchedule(resource=name, cron=CRON, paused=False, max_concurrent_runs=1, allow_queueing=False)
        self.declare(schedules={"nightly": declared})

    def declare(self, **changes: Any) -> None:
        self.platform.outputs = self.platform.outputs.model_copy(update=changes)

    def by_hand(self, method: str, path: str, body: Any = None) -> Any:
        return self._cloud.json(method, f"/v1/{path}", body)

    @property
    def schedule(self) -> str:
        return self.platform.outputs.schedules["nightly"].resource

    @property
    def pool(self) -> str:
        return f"{self.platform.clients.location}/persistentResources/{self.pool_id}"

    @property
    def pool_id(self) -> str:
        return self.platform.outputs.training_pool.persistent_resource_id

    def findings(self, *, later: timedelta = timedelta()) -> list[Finding]:
        return standing.examine(self.platform.outputs, self.platform.clients, now=NOW + later)

    def told(self, about: str, *, later: timedelta = timedelta()) -> list[tuple[str, str]]:
        return [(each.verdict, each.told) for each in self.findings(later=later) if each.about == about]

    def token_of(self, account: str) -> str:
        """Of an account that may do nothing."""
        principal = self._cloud.account(self.platform.clients.project, account)
        return self._cloud.json("POST", "/_local/access/tokens", {"principal": principal})["accessToken"]

    def pass_time(self, *, seconds: int) -> None:
        self._cloud.json("POST", "/_local/clock:jump", {"seconds": seconds})

    def _post(self, collection: str, body: Any) -> Any:
        return self._cloud.json("POST", f"{self._at}/{collection}", body)

    def scheduled(self) -> dict[str, Any]:
        outputs = self.platform.outputs
        job = {
            "pipelineSpec": small_pipeline(outputs),
            "runtimeConfig": {"gcsOutputDirectory": outputs.pipeline_root},
            "serviceAccount": outputs.service_account,
        }
        return {
            "displayName": "nightly",
            "cron": CRON,
            "maxConcurrentRunCount": "1",
            "createPipelineJobRequest": {"pipelineJob": job},
        }


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """On a cloud of this module's own: its clock is everybody's."""
    process = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    yield Operated(process)
    process.stop()


def differences(operated: Operated) -> list[tuple[str, str]]:
    return [(each.about, each.told) for each in operated.findings() if each.verdict == "DIFFERS"]


def test_what_is_as_declared_is_told_so(operated: Operated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert differences(operated) == []
    assert operated.told(f"pool {operated.pool_id}") == [("as declared", "RUNNING, 0 of 1 replica(s) in use")]
    assert operated.told("jobs") == [("as declared", "none runs or waits")]
    ((verdict, told),) = operated.told("schedule nightly")
    assert verdict == "as declared"
    assert told.startswith("ACTIVE, next run 20")
    assert asked_by_command(operated, tmp_path, monkeypatch) == ExitCode.DONE


def asked_by_command(operated: Operated, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ExitCode:
    file = operated.platform.write_outputs(folder)
    monkeypatch.setattr("sys.argv", ["status", "--stack", "local", "--outputs", str(file)])
    return status.main()


def test_a_schedule_paused_by_hand_is_told_and_is_the_exit_code(
    operated: Operated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operated.by_hand("POST", f"{operated.schedule}:pause", {})

    assert asked_by_command(operated, tmp_path, monkeypatch) == ExitCode.DIFFERS
    line = next(line for line in capsys.readouterr().out.splitlines() if "DIFFERS" in line)
    assert "schedule nightly: PAUSED since 20" in line
    assert "declared is ACTIVE: by hand" in line

    operated.by_hand("POST", f"{operated.schedule}:resume", {})
    assert differences(operated) == []


def test_a_changed_cron_is_told(operated: Operated) -> None:
    changed = {"cron": "TZ=Etc/UTC 0 4 1 1 *"}
    operated.by_hand("PATCH", f"{operated.schedule}?updateMask=cron", changed)

    assert differences(operated) == [
        ("schedule nightly", f"its cron is 'TZ=Etc/UTC 0 4 1 1 *', declared is {CRON!r}"),
    ]
    operated.by_hand("PATCH", f"{operated.schedule}?updateMask=cron", {"cron": CRON})


def test_a_schedule_that_is_gone_is_told(operated: Operated) -> None:
    kept = operated.platform.outputs.schedules
    gone = kept["nightly"].model_copy(update={"resource": f"{operated.schedule.rpartition('/')[0]}/404"})
    operated.declare(schedules={**kept, "weekly": gone})

    assert differences(operated) == [("schedule weekly", "it is gone")]
    operated.declare(schedules=kept)


def test_a_pool_of_another_size_or_machine_is_told(operated: Operated) -> None:
    pool = operated.platform.outputs.training_pool
    machine = pool.machine.model_copy(update={"machine_type": "n1-standard-16"})
    operated.declare(training_pool=pool.model_copy(update={"replica_count": 3, "machine": machine}))

    about = f"pool {operated.pool_id}"
    assert differences(operated) == [
        (about, "it has 1 replica(s), declared are 3"),
        (
            about,
            "its machine_type is 'n1-standard-4', declared is 'n1-standard-16': jobs of the pipeline do not fit it",
        ),
    ]
    scaled = Autoscaling(min_replica_count=2, max_replica_count=4)
    operated.declare(training_pool=pool.model_copy(update={"autoscaling": scaled}))
    assert differences(operated) == [(about, "it has 1 replica(s), declared are 2 to 4")]
    operated.declare(training_pool=pool)


def test_an_old_pool_is_told_with_how_to_replace_it(operated: Operated) -> None:
    assert operated.told(f"pool {operated.pool_id}", later=timedelta(days=31.5))[1:] == [
        ("note", "it is 31 days old, and its machines were not patched since")
    ]


def test_a_pool_that_sleeps_is_as_declared_and_what_is_left_of_it_is_told(operated: Operated) -> None:
    pool = operated.platform.outputs.training_pool
    operated.declare(training_pool=pool.model_copy(update={"persistent_resource_id": ""}))

    assert operated.told(f"pool {pool.name}")[0] == ("as declared", "hibernated: its jobs run on demand")
    told = "RUNNING, and none of this stack's current pools: a retiring one, or left over. It bills"
    assert ("note", told) in operated.told(f"pool {pool.persistent_resource_id}")
    operated.declare(training_pool=pool)


def test_the_champion_and_the_last_success_are_told(operated: Operated) -> None:
    outputs = operated.platform.outputs
    assert operated.told("champion") == [("note", f"no version of {outputs.model_name} is one yet")]

    registry = ModelRegistry(operated.platform.clients, outputs.model_name)
    version = registry.register(
        run_id="recsys-1", uri="gs://b/1", image=outputs.images.trainer, description="ndcg@10 0.1", labels={},
        servable=False,
    )  # fmt: skip
    registry.make_champion(version.name)

    assert operated.told("champion") == [
        ("as declared", f"{outputs.model_name} version 1: ndcg@10 0.1, gs://b/1"),
    ]


def test_the_last_run_of_a_schedule_that_failed_is_told(operated: Operated) -> None:
    """Its image is one that the registry does not have."""
    spec = small_pipeline(operated.platform.outputs)
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = "no.such.host/image@sha256:" + "0" * 64
    soon = datetime.now(UTC) + timedelta(minutes=2)
    body = operated.scheduled() | {"cron": f"TZ=Etc/UTC {soon.minute} {soon.hour} * * *"}
    body["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"] = spec
    operated.by_hand("PATCH", f"{operated.schedule}?updateMask=createPipelineJobRequest,cron", body)
    operated.by_hand("POST", f"{operated.schedule}:pause", {})
    operated.by_hand("POST", f"{operated.schedule}:resume", {})
    operated.pass_time(seconds=121)

    told = wait_until(lambda: differences(operated), lambda found: "failed: " in str(found), seconds=120)
    assert "its last run, of 20" in str(told)
    assert "The failed tasks are: [train]" in str(told)


def test_who_may_not_read_is_told_so_and_nothing_is_called_right(operated: Operated, tmp_path: Path) -> None:
    nobody = tmp_path / "token"
    nobody.write_text(operated.token_of("nobody"))
    endpoints = operated.platform.outputs.endpoints.model_copy(update={"access_token_file": str(nobody)})
    clients = type(operated.platform.clients)(
        project=operated.platform.clients.project, region=operated.platform.clients.region, endpoints=endpoints
    )

    found = standing.examine(operated.platform.outputs, clients, now=NOW)

    assert {each.verdict for each in found} == {"not read"}
