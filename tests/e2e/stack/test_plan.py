"""`make plan` of every stack, in a checkout where nothing was ever brought up."""

import json
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


URN = "urn:pulumi:dev::recsys-training::"
EXPORTED = [
    {"urn": f"{URN}pulumi:pulumi:Stack::recsys-training-dev", "custom": False, "type": "pulumi:pulumi:Stack"},
    {"urn": f"{URN}pulumi:providers:gcp::default", "custom": True, "id": "5d", "type": "pulumi:providers:gcp"},
    {
        "urn": f"{URN}gcp:storage/bucket:Bucket::of-an-older-program",
        "custom": True,
        "id": "of-an-older-program",
        "type": "gcp:storage/bucket:Bucket",
        "provider": f"{URN}pulumi:providers:gcp::default::5d",
        "parent": f"{URN}pulumi:pulumi:Stack::recsys-training-dev",
    },
]


def test_a_plan_on_an_exported_state_deletes_what_only_the_state_has(nowhere: Checkout) -> None:
    (nowhere.root / "export.json").write_text(json.dumps({"version": 3, "deployment": {"resources": EXPORTED}}))

    planned = nowhere.make("plan", "STACK=dev", "STATE=export.json")

    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "of-an-older-program" in planned.stdout
    assert "1 to delete" in planned.stdout


def test_a_state_that_is_not_there_is_refused_by_its_name(nowhere: Checkout) -> None:
    planned = nowhere.make("plan", "STACK=dev", "STATE=nowhere.json")

    assert planned.returncode != 0
    assert "nowhere.json" in planned.stderr
