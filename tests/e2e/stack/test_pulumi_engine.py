"""The real `pulumi` command and the embedded engine on one local cloud and one state."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.independent.engines import real_pair_missing
from tests.e2e.stack.checkout import Checkout, declared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pulumi,
    pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
]

NO_CHANGE = {"created": 0, "updated": 0, "same": declared(), "deleted": 0}
ALL_CREATED = {"created": declared(), "updated": 0, "same": 0, "deleted": 0}
REFUSED_AT_SUBMISSION = "max_minutes=0"  # the stack is up by then, and nothing is trained


def resources(checkout: Checkout, data: Path, *, engine: str) -> dict[str, int]:
    done = checkout.up(data, REFUSED_AT_SUBMISSION, engine=engine)
    assert "max_minutes = 0" in done.stderr, done.stdout + done.stderr
    return checkout.report["resources"]


def test_what_pulumi_creates_the_embedded_engine_finds_unchanged(
    new_checkout: Callable[[], Checkout], data: Path
) -> None:
    checkout = new_checkout()
    own_file = (checkout.root / "Pulumi.local.yaml").read_text()
    assert resources(checkout, data, engine="pulumi") == ALL_CREATED
    assert resources(checkout, data, engine="embedded") == NO_CHANGE
    assert (checkout.root / "Pulumi.local.yaml").read_text() == own_file


def test_what_the_embedded_engine_creates_pulumi_finds_unchanged_and_takes_down(
    new_checkout: Callable[[], Checkout], data: Path
) -> None:
    checkout = new_checkout()
    assert resources(checkout, data, engine="embedded") == ALL_CREATED
    assert resources(checkout, data, engine="pulumi") == NO_CHANGE
    down = checkout.make("down", "ENGINE=pulumi")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not checkout.processes()
    assert not (checkout.local / "cloud").exists()
    (state,) = (checkout.local / "state" / ".pulumi" / "stacks").glob("*/local.json")
    assert '"gcp:' not in state.read_text()
