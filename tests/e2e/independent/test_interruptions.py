"""Each interruption that the real pair was seen to meet, replayed by either engine: what docs/runbook.md says brings
the stack back. A run that is killed stands in test_recovery.py.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.recovery import recover
from engine.refresh import refresh
from engine.run import preview, up
from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import PROJECT
from tests.e2e.independent.engines import Stack, real_pair_missing
from tests.e2e.independent.test_recovery import POOL, POOLS, mini, pools, start

EACH = "*/persistentResources*"
ENGINES = [
    "embedded",
    pytest.param(
        "pulumi",
        marks=[
            pytest.mark.slow,
            pytest.mark.pulumi,
            pytest.mark.minutes,
            pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
        ],
    ),
]


class Engine:
    """One engine's commands on a stack of one pool; each answers whether it ended well."""

    def __init__(self, name: str, stack: Stack) -> None:
        self.name, self.stack = name, stack
        if name == "pulumi":
            stack.init()

    def up(self) -> bool:
        return self._ended("up", lambda: up(self.stack.options).errors == [])

    def refresh(self) -> bool:
        return self._ended("refresh", lambda: refresh(self.stack.options).errors == [])

    def changes(self) -> bool:
        """Whether a plan would change anything."""
        return bool(self.stack.plan()) if self.name == "pulumi" else preview(self.stack.options).changed

    def _ended(self, command: str, embedded: Callable[[], bool]) -> bool:
        if self.name == "embedded":
            return embedded()
        try:
            self.stack.run("pulumi", command)
        except AssertionError:
            return False
        return True


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """One for all tests, each of which takes its pool away."""
    made = CloudProcess(tmp_path_factory.mktemp("cloud")).start()
    made.json("PUT", "/_local/projects", PROJECT)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _alone(cloud: CloudProcess) -> Iterator[None]:
    yield
    cloud.call("DELETE", "/_local/faults")
    cloud.call("DELETE", f"{POOLS}/warm")
    wait(lambda: "warm" not in pools(cloud))


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr("engine.gcp.api._RETRY_SECONDS", 0.5)
    made = mini(cloud, tmp_path / "mini")
    (made.folder / "__main__.py").write_text(POOL.format(name="warm"))
    return made


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, stack: Stack) -> Engine:
    return Engine(request.param, stack)


def strike(cloud: CloudProcess, **fault: Any) -> Callable[[], object]:
    """Let the cloud fail; what is returned lets it be well again."""
    number = cloud.json("POST", "/_local/faults", fault)["id"]
    return lambda: cloud.call("DELETE", f"/_local/faults/{number}")


def replicas(cloud: CloudProcess) -> str:
    return cloud.json("GET", f"{POOLS}/warm")["resourcePools"][0]["replicaCount"]


def test_an_answer_that_was_lost_after_the_work_was_done(engine: Engine, cloud: CloudProcess) -> None:
    strike(cloud, kind="error", path=EACH, status=503, method="POST", when="after", times=1)
    assert not engine.up()
    orphan = pools(cloud)["warm"]
    assert not engine.up()

    recover(engine.stack.options)
    assert up(engine.stack.options).errors == []

    assert pools(cloud)["warm"] == orphan
    assert not engine.changes()


def test_a_creation_that_ended_for_lack_of_capacity_and_left_something(engine: Engine, cloud: CloudProcess) -> None:
    well = strike(cloud, kind="stock-out")
    assert not engine.up()
    assert "persistentResources/warm" not in str(engine.stack.deployment)
    well()
    if "warm" in pools(cloud):
        assert not engine.up()
        cloud.call("DELETE", f"{POOLS}/warm")

    assert engine.up()

    assert cloud.json("GET", f"{POOLS}/warm")["state"] == "RUNNING"
    assert not engine.changes()


def test_an_update_that_was_refused_and_a_state_that_may_lie(engine: Engine, cloud: CloudProcess) -> None:
    assert engine.up()
    program = engine.stack.folder / "__main__.py"
    program.write_text(program.read_text().replace('"replica_count": "1"', '"replica_count": "2"'))
    well = strike(cloud, kind="error", path=EACH, status=404, method="PUT")
    assert not engine.up()
    assert replicas(cloud) == "1"
    well()

    assert engine.refresh()

    assert engine.changes()
    assert engine.up()
    assert replicas(cloud) == "2"
    assert not engine.changes()


def test_a_refresh_that_was_denied(engine: Engine, cloud: CloudProcess) -> None:
    assert engine.up()
    before = engine.stack.deployment["resources"]
    well = strike(cloud, kind="error", path=EACH, status=403, method="GET")
    assert not engine.refresh()
    well()
    assert {each["urn"] for each in engine.stack.deployment["resources"]} == {each["urn"] for each in before}

    assert engine.refresh()
    assert not engine.changes()


def test_ctrl_c_while_a_pool_is_created(engine: Engine, cloud: CloudProcess) -> None:
    """Both finish what is under way before they end; what they made is in the state."""
    strike(cloud, kind="latency", path="*/persistentResources/warm", method="GET", seconds=2)
    process = start(engine.stack, engine.name)
    wait(lambda: "warm" in pools(cloud) or process.poll() is not None)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(timeout=120)
    cloud.call("DELETE", "/_local/faults")
    assert "persistentResources/warm" in str(engine.stack.deployment)
    made = pools(cloud)["warm"]

    recover(engine.stack.options)
    assert engine.up()

    assert pools(cloud)["warm"] == made
    assert not engine.changes()


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
