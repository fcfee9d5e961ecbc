"""The local stack when something dies, is stopped, is deleted or is in the way."""

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack.checkout import Checkout, Running, declared, kill, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has"),
]


@pytest.fixture(scope="module")
def checkout(new_checkout: Callable[[], Checkout]) -> Checkout:
    return new_checkout()


@pytest.fixture
def training(checkout: Checkout, data: Path) -> Iterator[Running]:
    """An `up` that trains for longer than any test watches it."""
    running = checkout.start(data, "max_minutes=0.3")
    running.wait_for("train     RUNNING")
    yield running
    kill(running.process.pid, signal.SIGKILL)
    running.process.wait()


def bring_up(checkout: Checkout, data: Path) -> None:
    """A stack that is up, trained or not."""
    if not (checkout.local / "cloud" / "server.json").exists():
        refused = checkout.python("local.stack", "up", "--data", data, "max_minutes=0")
        assert "max_minutes = 0" in refused.stderr, refused.stdout + refused.stderr


def submitted(running: Running) -> str:
    return running.output.partition("Submitted ")[2].split()[0]


def test_a_killed_cloud_ends_the_command_in_words_and_the_next_up_takes_the_run_up_again(
    checkout: Checkout, training: Running, data: Path
) -> None:
    run = submitted(training)
    kill(checkout.cloud_pid, signal.SIGKILL)
    assert training.end() == 1
    assert "The local cloud has ended meanwhile" in training.output
    assert "Traceback" not in training.output
    assert checkout.report["pipeline_run"] == {
        "name": run,
        "state": "NOT_FOLLOWED",
        "tasks": [{"name": "run", "state": "FAILED", "seconds": None}],
    }
    wait_until(lambda: not checkout.processes())

    again = checkout.up(data)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"Run {run.rpartition('/')[2]} of an interrupted `make up`" in again.stdout
    assert [earlier["name"] for earlier in checkout.report["earlier_runs"]] == [run]
    assert checkout.report["resources"] == {"created": 0, "updated": 0, "same": declared(), "deleted": 0}
    assert [earlier["state"] for earlier in checkout.report["earlier_runs"]] == ["PIPELINE_STATE_SUCCEEDED"]
    assert checkout.run_state(run) == "PIPELINE_STATE_SUCCEEDED"


def test_only_one_command_at_a_time_and_ctrl_c_leaves_the_run_to_go_on(
    checkout: Checkout, training: Running, data: Path
) -> None:
    run = submitted(training)
    before = (checkout.local / "images.json").read_text()
    for verb in (["up", "--data", data], ["down"]):
        second = checkout.python("local.stack", *verb)
        assert second.returncode == 3
        assert f"process {training.process.pid} (up) is at work on this stack" in second.stderr
    assert (checkout.local / "images.json").read_text() == before

    training.interrupt()
    assert training.end() == 130
    assert f"Follow it: python -m pipeline.submit --stack local --follow {run.rpartition('/')[2]}" in training.output
    assert "Traceback" not in training.output
    followed = checkout.python("pipeline.submit", "--stack", "local", "--follow", run)
    assert followed.returncode == 0, followed.stdout + followed.stderr


def test_a_state_that_is_no_state_is_refused_and_nothing_is_lost(
    checkout: Checkout, data: Path, request: pytest.FixtureRequest
) -> None:
    bring_up(checkout, data)
    (state,) = (checkout.local / "state" / ".pulumi" / "stacks").glob("*/local.json")
    whole = state.read_text()
    request.addfinalizer(lambda: state.write_text(whole))
    state.write_text(whole[: len(whole) // 2])
    for verb in (["up", "--data", data], ["down"]):
        refused = checkout.python("local.stack", *verb)
        assert refused.returncode == 1
        assert str(state) in refused.stderr
        assert f"{state.name}.bak" in refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
    assert state.read_text() == whole[: len(whole) // 2]
    assert checkout.feedback_rows() == 60


def test_a_cloud_whose_folder_was_deleted_ends_and_another_starts(checkout: Checkout, data: Path) -> None:
    bring_up(checkout, data)
    old = checkout.cloud_pid
    gone = checkout.local.rename(checkout.root / "gone")  # at once, whatever the cloud is writing meanwhile
    shutil.rmtree(gone, ignore_errors=True)
    again = checkout.python("local.stack", "up", "--data", data, "max_minutes=0")
    assert "max_minutes = 0" in again.stderr
    assert checkout.report["resources"]["created"] == declared()
    assert checkout.cloud_pid != old
    wait_until(lambda: old not in checkout.processes())


def test_a_port_that_something_else_has_taken_is_given_up_and_down_leaves_nothing(
    checkout: Checkout, data: Path
) -> None:
    bring_up(checkout, data)
    assert checkout.python("local.stack", "stop").returncode == 0
    assert not checkout.processes()
    port = int((checkout.local / "port").read_text())
    with socket.create_server(("127.0.0.1", port)):
        checkout.python("local.stack", "up", "--data", data, "max_minutes=0")
        assert checkout.report["resources"] == {"created": 0, "updated": 0, "same": declared(), "deleted": 0}
        assert not checkout.url.endswith(f":{port}")
    url = checkout.url

    down = checkout.python("local.stack", "down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not checkout.processes()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0
    assert not (checkout.local / "cloud").exists()
    (state,) = (checkout.local / "state" / ".pulumi" / "stacks").glob("*/local.json")
    assert '"gcp:' not in state.read_text()
