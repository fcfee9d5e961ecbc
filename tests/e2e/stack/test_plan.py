"""`make plan` of every stack, in a checkout where nothing was ever brought up."""

import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.stack.checkout import Checkout


@pytest.fixture(scope="module")
def nowhere(new_checkout: Callable[[], Checkout]) -> Checkout:
    """With a commit, whose hash tags the images of dev and prod."""
    checkout = new_checkout()
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=checkout.root, check=True)
    return checkout


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_a_plan_needs_no_cloud_no_account_and_no_earlier_up(nowhere: Checkout, stack: str) -> None:
    nowhere.env["PULUMI_BACKEND_URL"] = "gs://somebody-elses-state"
    planned = nowhere.make("plan", f"STACK={stack}")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "to create" in planned.stdout
    assert not (nowhere.local / "cloud").exists()
