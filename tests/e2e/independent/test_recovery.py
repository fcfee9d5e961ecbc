"""The runbook's command on the local cloud: a run that is killed, an answer that is lost, with either engine."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.recovery import recover
from engine.run import preview, up
from tests.contract.cloud_process import CloudProcess
from tests.e2e.independent.engines import Stack, real_pair_missing

POOL = """import pulumi_gcp as gcp

gcp.vertex.AiPersistentResource(
    "pool", name="{name}", location="europe-west1",
    resource_pools=[{{"machine_spec": {{"machine_type": "n1-standard-4"}}, "replica_count": "1",
                     "disk_spec": {{"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 100}}}}],
    resource_runtime_spec={{"service_account_spec": {{"enable_custom_service_account": True}}}})
"""
POOLS = "/v1beta1/projects/acme-recsys/locations/europe-west1/persistentResources"


def mini(cloud: CloudProcess, folder: Path) -> Stack:
    """A stack without a program."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: mini\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: acme-recsys\n  gcp:region: europe-west1\n")
    return Stack(folder, cloud)


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr("engine.gcp.api._RETRY_SECONDS", 0.5)
    return mini(cloud, tmp_path / "mini")


def pools(cloud: CloudProcess) -> dict[str, Any]:
    listed = cloud.json("GET", POOLS).get("persistentResources", [])
    return {each["name"].rpartition("/")[2]: each["createTime"] for each in listed}


def healed(stack: Stack) -> None:
    recover(stack.options)
    assert up(stack.options).errors == []
    assert not preview(stack.options).changed
    assert "pending_operations" not in stack.deployment


def test_an_answer_that_was_lost_leaves_an_orphan_that_is_taken_over(stack: Stack, cloud: CloudProcess) -> None:
    (stack.folder / "__main__.py").write_text(POOL.format(name="orphan"))
    body = {
        "resourcePools": [
            {
                "machineSpec": {"machineType": "n1-standard-4"},
                "replicaCount": "1",
                "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
            }
        ],
        "resourceRuntimeSpec": {"serviceAccountSpec": {"enableCustomServiceAccount": True}},
        "labels": {"goog-pulumi-provisioned": "true"},
    }
    cloud.json("POST", f"{POOLS}?persistentResourceId=orphan", body)
    made = pools(cloud)["orphan"]
    assert "exists already and is not in this stack's state" in up(stack.options).errors[0]

    healed(stack)

    assert pools(cloud)["orphan"] == made


@pytest.mark.parametrize(
    "engine",
    [
        "embedded",
        pytest.param(
            "pulumi", marks=[pytest.mark.pulumi, pytest.mark.skipif(real_pair_missing(), reason="not on PATH")]
        ),
    ],
)
def test_a_run_that_is_killed_while_it_creates_a_pool(stack: Stack, cloud: CloudProcess, engine: str) -> None:
    name = f"killed-{engine}"
    (stack.folder / "__main__.py").write_text(POOL.format(name=name))
    if engine == "pulumi":
        stack.init()
    slow = cloud.json("POST", "/_local/faults", {"kind": "latency", "path": "*/operations/*", "seconds": 60})["id"]
    try:
        process = start(stack, engine)
        deadline = time.monotonic() + 60
        while name not in pools(cloud) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kill_session(process.pid)
    finally:
        cloud.call("DELETE", f"/_local/faults/{slow}")
    made = pools(cloud)[name]

    healed(stack)

    assert pools(cloud)[name] == made


def start(stack: Stack, engine: str) -> subprocess.Popen[bytes]:
    real = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    words = real if engine == "pulumi" else [sys.executable, "-m", "engine", "up", "--yes"]
    root = str(Path(__file__).parents[3])
    env = stack.environment | ({} if engine == "pulumi" else {"PYTHONPATH": root})
    return subprocess.Popen(
        [*words, "--stack", "dev"],
        cwd=stack.folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_session(leader: int) -> None:
    """What a command that was killed had started: pulumi's plugins go on without it, in groups of their own."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == leader:
                os.kill(int(entry.name), signal.SIGKILL)
