"""The policies on whole plans: both stacks keep to them, and a plan that does not is refused."""

from pathlib import Path

import pytest

from plan import policies
from plan.__main__ import main
from tests.e2e.plan.deployed import Deployed

ROOT = Path(__file__).parents[3]


def rules(deployed: Deployed, **config: object) -> set[str]:
    return {
        violation.rule
        for violation in policies.broken(deployed.answer(config)["steps"])
        if violation.level == "mandatory"
    }


def test_dev_and_prod_keep_to_every_mandatory_rule(dev: Deployed, prod: Deployed) -> None:
    assert rules(dev) == rules(prod) == set()


def test_prod_without_protection_is_refused(prod: Deployed) -> None:
    assert rules(prod, protect=False) == {"deletion-protection", "pool-protection"}


def test_too_large_a_pool_and_a_far_region_are_refused(dev: Deployed) -> None:
    assert rules(dev, trainingPool={"maxReplicas": 3}) == {"replicas"}
    assert rules(dev, **{"gcp:region": "us-west1"}) == {"regions"}


@pytest.mark.parametrize(("allowed", "status"), [(2, 0), (0, 1)])
def test_the_command_fails_where_a_mandatory_rule_is_broken(
    allowed: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("policy.choices.MAX_CONCURRENT_RUNS", {"dev": allowed, "prod": allowed})
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    assert main(["--cwd", str(ROOT), "--stack", "dev", "--policies"]) == status
    printed = capsys.readouterr().out
    assert ("[mandatory] schedule-concurrency: schedule-nightly-schedule" in printed) == bool(status)
    assert f"{13 - status} of 13 rules are kept" in printed
