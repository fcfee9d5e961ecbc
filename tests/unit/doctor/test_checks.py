"""What the doctor finds in a project that is right, and in one that is wrong in each way."""

from pathlib import Path
from typing import Any

import pytest

from doctor import checks
from doctor.__main__ import main
from doctor.google import NoAnswerError
from doctor.stack_file import read_config

ROOT = Path(__file__).parents[3]
DEV = read_config(ROOT, "dev")
PROD = read_config(ROOT, "prod")
ZONES = {
    "zones/us-central1-a": {"machineTypes": [{}]},
    "zones/us-central1-b": {},
    "zones/us-east1-b": {"machineTypes": [{}]},
}


class Answers:
    """Google with answers by the end of the path; an int is a refusal of that status."""

    def __init__(self, **answers: Any) -> None:
        good: dict[str, Any] = {
            "acme-recsys-dev": {"lifecycleState": "ACTIVE"},
            "billingInfo": {"billingEnabled": True},
            "googleapis.com": {"state": "ENABLED"},
            "b/acme-recsys-dev-pulumi": {"versioning": {"enabled": True}},
            "acme-recsys-dev:testIamPermissions": {"permissions": list(checks._DEPLOYER_NEEDS)},
            "gserviceaccount.com:testIamPermissions": {"permissions": ["iam.serviceAccounts.actAs"]},
            "getEffectiveOrgPolicy": {},
            "machineTypes": {"items": ZONES},
            "nvidia_l4_gpus": limit("2", "us-central1"),
        }
        self._answers = good | answers

    def get(self, api: str, path: str) -> dict[str, Any]:
        path = path.partition("?")[0]
        answer = next(value for end, value in self._answers.items() if path.endswith(end))
        if isinstance(answer, int):
            raise NoAnswerError(answer, "refused")
        return answer

    def post(self, api: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.get(api, path)


def limit(effective: str, region: str) -> dict[str, Any]:
    bucket = {"effectiveLimit": effective, "dimensions": {"region": region}}
    return {"consumerQuotaLimits": [{"quotaBuckets": [{"effectiveLimit": "0"}, bucket]}]}


def found(**answers: Any) -> list[checks.Finding]:
    return [finding for finding in checks.examine(Answers(**answers), DEV) if finding.verdict != "ok"]


def test_nothing_is_wrong_where_all_is_right() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("answers", "check", "told", "fix"),
    [
        ({"acme-recsys-dev": {"lifecycleState": "DELETE_REQUESTED"}}, "project", "DELETE_REQUESTED", "gcloud projects"),
        ({"acme-recsys-dev": 403}, "project", "there is none", "gcloud projects describe"),
        ({"billingInfo": {}}, "billing", "no billing account", "gcloud billing projects link acme-recsys-dev"),
        ({"googleapis.com": {"state": "DISABLED"}}, "bootstrap APIs", "serviceusage.googleapis.com", "services enable"),
        ({"b/acme-recsys-dev-pulumi": 404}, "state backend", "there is no bucket", "buckets create gs://acme-recsys"),
        ({"b/acme-recsys-dev-pulumi": {}}, "state backend", "no old versions", "--versioning"),
        (
            {"acme-recsys-dev:testIamPermissions": {"permissions": list(checks._DEPLOYER_NEEDS)[1:]}},
            "your permissions",
            "missing: aiplatform.persistentResources.create",
            "add-iam-policy-binding acme-recsys-dev",
        ),
        (
            {"gserviceaccount.com:testIamPermissions": {}},
            "acting as the pipeline",
            "you may not act as recsys-pipeline@",
            "roles/iam.serviceAccountUser",
        ),
        (
            {"getEffectiveOrgPolicy": {"booleanPolicy": {"enforced": True}}},
            "organisation policies",
            "disableServiceAccountCreation",
            "exception of acme-recsys-dev",
        ),
        (
            {"getEffectiveOrgPolicy": {"listPolicy": {"allowedValues": ["in:eu-locations"]}}},
            "organisation policies",
            "allows in:eu-locations, not us-central1",
            "exception",
        ),
        (
            {"nvidia_l4_gpus": limit("0", "us-central1")},
            "quota for recsys-train-blue",
            "is 0, the pool needs 1",
            "more",
        ),
        ({"nvidia_l4_gpus": limit("9", "us-east1")}, "quota for recsys-train-blue", "is 0, the pool needs 1", "more"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix(answers: dict[str, Any], check: str, told: str, fix: str) -> None:
    (finding,) = found(**answers)
    assert (finding.check, finding.verdict) == (check, "wrong")
    assert told in finding.told
    assert fix in finding.fix
    assert any(fix in line for line in finding.lines())


def test_a_machine_that_no_zone_of_the_region_has_is_wrong_for_each_pool() -> None:
    assert [
        finding.check for finding in found(machineTypes={"items": {"zones/us-east1-b": ZONES["zones/us-east1-b"]}})
    ] == [
        "g2-standard-8 in us-central1",
        "n1-standard-4 in us-central1",
    ]


def test_what_does_not_answer_is_not_checked_rather_than_wrong() -> None:
    (finding,) = found(getEffectiveOrgPolicy=501)
    assert finding.verdict == "not checked"
    assert "HTTP 501" in finding.told
    assert "gcloud resource-manager org-policies list" in finding.fix


def test_an_account_that_up_will_create_is_no_problem() -> None:
    assert found(**{"gserviceaccount.com:testIamPermissions": 404}) == []


def test_quota_counts_the_most_replicas_and_tells_what_a_rotation_needs() -> None:
    answers = Answers(nvidia_l4_gpus=limit("2", "us-central1"))
    finding = checks.quota(answers, PROD, PROD.training_pool)
    assert finding.verdict == "ok"
    assert "the pool needs 2 and as many again while it is rotated" in finding.told


@pytest.mark.parametrize(
    ("accelerator", "metric"),
    [
        ("NVIDIA_TESLA_T4", "custom_model_training_nvidia_t4_gpus"),
        ("NVIDIA_A100_80GB", "custom_model_training_nvidia_a100_80gb_gpus"),
        ("NVIDIA_H100_80GB", "custom_model_training_nvidia_h100_gpus"),
        ("NVIDIA_H100_MEGA_80GB", "custom_model_training_nvidia_h100_mega_gpus"),
        ("NVIDIA_H200_141GB", "custom_model_training_nvidia_h200_gpus"),
    ],
)
def test_quotas_have_names_of_their_own(accelerator: str, metric: str) -> None:
    assert checks.quota_metric(accelerator) == metric


def test_a_stack_that_is_not_there_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "nowhere", "--cwd", str(ROOT)]) == 3
    assert "--stack = 'nowhere'" in capsys.readouterr().err


def test_a_quota_without_a_limit_is_enough() -> None:
    finding = checks.quota(Answers(nvidia_l4_gpus=limit("-1", "us-central1")), PROD, PROD.training_pool)
    assert (finding.verdict, finding.told) == ("ok", "custom_model_training_nvidia_l4_gpus in us-central1 has no limit")


@pytest.mark.parametrize(
    ("allowed", "wrong"),
    [
        ("in:us-locations", False),
        ("in:us-central1-locations", False),
        ("us-central1", False),
        ("in:eu-locations", True),
        ("us-central2", True),
    ],
)
def test_a_group_of_places_allows_the_regions_in_it(allowed: str, *, wrong: bool) -> None:
    answers = Answers(getEffectiveOrgPolicy={"listPolicy": {"allowedValues": [allowed]}})
    finding = checks.organisation_policies(answers, PROD)
    assert (finding.verdict == "wrong") is wrong
