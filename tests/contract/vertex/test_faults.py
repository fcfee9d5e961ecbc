"""Machines of jobs and pools that fail, by the cloud's own commands; what Google's clients see of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.unit.pipelines.compiled import compiled

from .conftest import BUCKET, IMAGE, PARENT, Vertex, wait_until
from .pipelines import sleeper

MACHINE = {"machineType": "n1-standard-8"}
DISK = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cloud of this module's own: its faults and its clock are everybody's."""
    made = Vertex(CloudProcess(tmp_path_factory.mktemp("faulty")).start(), tmp_path_factory.mktemp("code"))
    made.prepare()
    made.module(
        "member",
        "import os, pathlib, time\n"
        "print('up', flush=True)\n"
        "while not pathlib.Path(os.environ['LET_GO']).exists(): time.sleep(0.02)\n",
    )
    yield made
    made.cloud.stop()


@pytest.fixture
def vertex(faulty: Vertex) -> Any:
    yield faulty
    faulty.cloud.json("DELETE", "/_local/faults")
    faulty.cloud.json(
        "PUT", "/_local/aiplatform/settings", {"provisioningSeconds": 0.0, "poolProvisioningSeconds": 0.0}
    )


def submit(vertex: Vertex, let_go: Path, *, workers: int = 0, **spec: Any) -> str:
    env = [{"name": "LET_GO", "value": str(let_go)}]
    container = {"imageUri": IMAGE, "command": ["python", "-m", "member"], "env": env}
    pool = {"machineSpec": MACHINE, "diskSpec": DISK, "replicaCount": "1", "containerSpec": container}
    pools = [pool, {**pool, "replicaCount": str(workers)}] if workers else [pool]
    body = {"displayName": "member", "jobSpec": {"workerPoolSpecs": pools, **spec}}
    return vertex.cloud.json("POST", f"/v1/{PARENT}/customJobs", body)["name"]


def get(vertex: Vertex, name: str) -> Any:
    return vertex.cloud.json("GET", f"/v1/{name}")


def runs(vertex: Vertex, name: str) -> None:
    wait_until(lambda: get(vertex, name)["state"], lambda state: state == "JOB_STATE_RUNNING")


def ends(vertex: Vertex, name: str) -> Any:
    return wait_until(lambda: get(vertex, name), lambda job: "endTime" in job)


def lines(vertex: Vertex, name: str, task: str) -> list[str]:
    labels = f'resource.labels.job_id="{name.rsplit("/", 1)[-1]}" AND resource.labels.task_name="{task}"'
    found = vertex.cloud.json("POST", "/v2/entries:list", {"resourceNames": ["projects/acme-recsys"], "filter": labels})
    return [entry.get("textPayload", "") for entry in found.get("entries", [])]


def fault(vertex: Vertex, kind: str, *, status: int = 200, **fields: Any) -> Any:
    return vertex.cloud.json("POST", "/_local/faults", {"kind": kind, **fields}, status=status)


def make_pool(vertex: Vertex, short: str, **more: Any) -> Any:
    body = {"resourcePools": [{"machineSpec": MACHINE, "diskSpec": DISK, "replicaCount": "1", **more}]}
    return vertex.cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId={short}", body)


def test_a_killed_replica_starts_again_while_its_job_runs_on(vertex: Vertex, tmp_path: Path) -> None:
    name = submit(vertex, tmp_path / "go", workers=2)
    runs(vertex, name)
    wait_until(lambda: lines(vertex, name, "workerpool1-1"), bool)
    fault(vertex, "kill-replica", job=name.rsplit("/", 1)[-1], task="workerpool1-1")
    assert wait_until(lambda: lines(vertex, name, "workerpool1-1"), lambda told: len(told) == 2) == ["up", "up"]
    assert get(vertex, name)["state"] == "JOB_STATE_RUNNING"
    refused = fault(vertex, "kill-replica", job=name, task="workerpool3-0", status=400)
    assert "'workerpool3-0'" in refused["error"]["message"]
    (tmp_path / "go").touch()
    assert ends(vertex, name)["state"] == "JOB_STATE_SUCCEEDED"
    assert lines(vertex, name, "workerpool1-0") == ["up"]


def test_only_spot_jobs_are_pre_empted_and_they_start_again(vertex: Vertex, tmp_path: Path) -> None:
    standard = submit(vertex, tmp_path / "go")
    spot = submit(vertex, tmp_path / "go", scheduling={"strategy": "SPOT"})
    runs(vertex, standard)
    runs(vertex, spot)
    refused = fault(vertex, "preempt", job=standard, status=400)["error"]
    assert (refused["status"], "only a job of strategy SPOT" in refused["message"]) == ("FAILED_PRECONDITION", True)
    wait_until(lambda: lines(vertex, spot, "workerpool0-0"), bool)
    assert len(fault(vertex, "preempt")["jobs"]) == 1
    wait_until(lambda: lines(vertex, spot, "workerpool0-0"), lambda told: len(told) == 2)
    (tmp_path / "go").touch()
    assert ends(vertex, spot)["state"] == ends(vertex, standard)["state"] == "JOB_STATE_SUCCEEDED"
    assert len(lines(vertex, standard, "workerpool0-0")) == 1


def test_pre_emption_on_the_clock_comes_with_it(vertex: Vertex, tmp_path: Path) -> None:
    spot = submit(vertex, tmp_path / "go", scheduling={"strategy": "SPOT"})
    fault(vertex, "preempt", everySeconds=3600)
    wait_until(lambda: lines(vertex, spot, "workerpool0-0"), bool)
    runs(vertex, spot)
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 3601})
    wait_until(lambda: lines(vertex, spot, "workerpool0-0"), lambda told: len(told) == 2)
    (tmp_path / "go").touch()
    assert ends(vertex, spot)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_stock_out_fails_on_demand_jobs_and_spares_a_pool(vertex: Vertex, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    make_pool(vertex, "kept")
    fault(vertex, "stock-out", machine="n1-*")
    on_pool = submit(vertex, tmp_path / "go", persistentResourceId="kept")
    on_demand = submit(vertex, tmp_path / "go")
    assert ends(vertex, on_pool)["state"] == "JOB_STATE_SUCCEEDED"
    failed = ends(vertex, on_demand)
    assert (failed["state"], failed["error"]["code"]) == ("JOB_STATE_FAILED", 8)
    assert failed["error"]["message"].startswith("Resources are insufficient in region: europe-west1.")
    operation = make_pool(vertex, "unlucky")
    assert operation["error"]["code"] == 8
    name = f"{PARENT}/persistentResources/unlucky"
    assert (get(vertex, name)["state"], get(vertex, name)["error"]["code"]) == ("ERROR", 8)
    vertex.cloud.json("DELETE", "/_local/faults")
    assert vertex.cloud.json("POST", f"/v1/{name}:reboot", {})["response"]["state"] == "RUNNING"
    assert "error" not in get(vertex, name)


def test_machines_that_take_their_time_are_waited_for_by_the_clock(vertex: Vertex, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    vertex.cloud.json(
        "PUT", "/_local/aiplatform/settings", {"provisioningSeconds": 300, "poolProvisioningSeconds": 600}
    )
    job = submit(vertex, tmp_path / "go")
    operation = make_pool(vertex, "slow")
    assert not operation.get("done")
    name = f"{PARENT}/persistentResources/slow"
    assert get(vertex, name)["state"] == "PROVISIONING"
    assert get(vertex, job)["state"] == "JOB_STATE_PENDING"
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 601})
    assert get(vertex, operation["name"])["response"]["state"] == "RUNNING"
    pool = get(vertex, name)
    assert pool["state"] == "RUNNING"
    assert pool["startTime"] > pool["createTime"]
    assert ends(vertex, job)["state"] == "JOB_STATE_SUCCEEDED"
    vertex.cloud.json("POST", f"/v1/{name}:reboot", {})
    assert get(vertex, name)["state"] == "REBOOTING"
    for refused in (("POST", f"/v1/{name}:reboot"), ("DELETE", f"/v1/{name}")):
        assert "REBOOTING" in vertex.cloud.json(*refused, {}, status=400)["error"]["message"]
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 601})
    assert get(vertex, name)["state"] == "RUNNING"


def test_a_pool_with_a_running_job_is_not_rebooted(vertex: Vertex, tmp_path: Path) -> None:
    make_pool(vertex, "busy")
    name = f"{PARENT}/persistentResources/busy"
    job = submit(vertex, tmp_path / "go", persistentResourceId="busy")
    runs(vertex, job)
    assert "running jobs" in vertex.cloud.json("POST", f"/v1/{name}:reboot", {}, status=400)["error"]["message"]
    (tmp_path / "go").touch()
    ends(vertex, job)
    assert wait_until(lambda: vertex.cloud.call("POST", f"/v1/{name}:reboot", {}).status_code, lambda code: code == 200)


def test_a_busy_pool_queues_or_refuses_as_it_is_told(vertex: Vertex, tmp_path: Path) -> None:
    make_pool(vertex, "full")
    job = submit(vertex, tmp_path / "go", persistentResourceId="full")
    runs(vertex, job)
    queued = submit(vertex, tmp_path / "go", persistentResourceId="full")
    wait_until(lambda: get(vertex, queued)["state"], lambda state: state == "JOB_STATE_QUEUED")
    vertex.cloud.json("PUT", "/_local/aiplatform/settings", {"refuseWhenBusy": True})
    body = {"displayName": "late", "jobSpec": get(vertex, queued)["jobSpec"]}
    refused = vertex.cloud.json("POST", f"/v1/{PARENT}/customJobs", body, status=429)["error"]
    assert (refused["status"], "1 replicas of pool 'pool-0' wanted, 0 free" in refused["message"]) == (
        "RESOURCE_EXHAUSTED",
        True,
    )
    vertex.cloud.json("PUT", "/_local/aiplatform/settings", {"refuseWhenBusy": False})
    (tmp_path / "go").touch()
    assert ends(vertex, job)["state"] == ends(vertex, queued)["state"] == "JOB_STATE_SUCCEEDED"


def test_an_autoscaled_pool_grows_with_its_jobs_and_shrinks_to_its_minimum(vertex: Vertex, tmp_path: Path) -> None:
    make_pool(vertex, "elastic", autoscalingSpec={"minReplicaCount": "1", "maxReplicaCount": "3"})
    name = f"{PARENT}/persistentResources/elastic"

    def count() -> str:
        return get(vertex, name)["resourcePools"][0]["replicaCount"]

    jobs = [submit(vertex, tmp_path / "go", persistentResourceId="elastic") for _ in range(3)]
    wait_until(count, lambda seen: seen == "3")
    for job in jobs:
        runs(vertex, job)
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 1})
    (tmp_path / "go").touch()
    for job in jobs:
        assert ends(vertex, job)["state"] == "JOB_STATE_SUCCEEDED"
    wait_until(lambda: get(vertex, name)["resourcePools"][0]["usedReplicaCount"], lambda used: used == "0")
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 1})
    assert count() == "3"
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 600})
    assert count() == "1"


def test_pools_age_by_the_clock_and_a_reboot_makes_them_young(vertex: Vertex) -> None:
    make_pool(vertex, "aging")
    name = f"{PARENT}/persistentResources/aging"

    def age() -> Any:
        return next(
            each for each in vertex.cloud.json("GET", "/_local/aiplatform/pools")["pools"] if each["name"] == name
        )

    assert (round(age()["ageDays"]), age()["tooOld"]) == (0, False)
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 31 * 86400})
    assert (round(age()["ageDays"]), age()["tooOld"]) == (31, True)
    vertex.cloud.json("POST", f"/v1/{name}:reboot", {})
    assert (round(age()["ageDays"]), age()["tooOld"]) == (0, False)


def test_a_job_s_timeout_passes_by_the_clock(vertex: Vertex, tmp_path: Path) -> None:
    job = submit(vertex, tmp_path / "go", scheduling={"timeout": "7200s"})
    runs(vertex, job)
    vertex.cloud.json("POST", "/_local/clock:jump", {"seconds": 7200})
    late = ends(vertex, job)
    assert (late["state"], late["error"]["code"]) == ("JOB_STATE_FAILED", 4)
    assert "7200s" in late["error"]["message"]


@pytest.mark.parametrize(("key", "value"), [("provisioningSeconds", -1), ("speed", 9), ("persistentResourcePut", "no")])
def test_a_setting_that_is_none_is_refused_with_its_value(vertex: Vertex, key: str, value: object) -> None:
    refused = vertex.cloud.json("PUT", "/_local/aiplatform/settings", {key: value}, status=400)["error"]
    assert refused["details"][0]["fieldViolations"][0]["field"] == key
    assert repr(value) in refused["message"]


def test_a_pool_that_was_being_made_when_the_cloud_died_is_there_after_it(
    new_cloud: Callable[..., CloudProcess], tmp_path: Path
) -> None:
    alone = Vertex(new_cloud().start(), tmp_path)
    alone.cloud.json("PUT", "/_local/aiplatform/settings", {"poolProvisioningSeconds": 60})
    operation = make_pool(alone, "late")["name"]
    alone.cloud.kill()
    alone.cloud.start()
    assert get(alone, f"{PARENT}/persistentResources/late")["state"] == "PROVISIONING"
    alone.cloud.json("POST", "/_local/clock:jump", {"seconds": 61})
    assert get(alone, operation)["response"]["state"] == "RUNNING"


def test_a_schedule_fires_when_the_clock_jumps_to_its_time(vertex: Vertex) -> None:
    spec = compiled(sleeper)
    config = {"gcsOutputDirectory": f"gs://{BUCKET}/root", "parameterValues": {"seconds": 0.0}}
    request = {"parent": PARENT, "pipelineJob": {"pipelineSpec": spec, "runtimeConfig": config}}
    body = {"displayName": "nightly", "cron": "TZ=Europe/Paris 0 3 * * *", "maxConcurrentRunCount": "1"}
    made = vertex.cloud.json("POST", f"/v1/{PARENT}/schedules", {**body, "createPipelineJobRequest": request})
    vertex.cloud.json("POST", "/_local/clock:jump", {"to": made["nextRunTime"]})
    fired = get(vertex, made["name"])
    assert (fired["startedRunCount"], fired["lastScheduledRunResponse"]["scheduledRunTime"]) == (
        "1",
        made["nextRunTime"],
    )
    run = fired["lastScheduledRunResponse"]["runResponse"]
    assert wait_until(lambda: get(vertex, run), lambda job: "endTime" in job)["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert get(vertex, run)["scheduleName"] == made["name"]
    vertex.cloud.json("DELETE", f"/v1/{made['name']}")
