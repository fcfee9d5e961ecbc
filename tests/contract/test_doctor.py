"""The doctor on the local cloud: before a stack is up, and what is wrong with it."""

from pathlib import Path

import pytest

from doctor.__main__ import main
from local.cloud.clients import client_environment
from tests.contract.cloud_process import CloudProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(cloud_server: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file = str(cloud_server.root / "operator-token")
    for key, value in client_environment(
        cloud_server.url, operator_token=cloud_server.token, token_file=token_file
    ).items():
        monkeypatch.setenv(key, value)


def test_a_project_without_its_state_bucket_is_told_how_to_make_it(
    environment: None, cloud_server: CloudProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud_server.json("GET", "/v1/projects/acme-recsys-dev")
    for api in ("serviceusage", "cloudresourcemanager"):
        cloud_server.json("POST", f"/v1/projects/acme-recsys-dev/services/{api}.googleapis.com:enable")

    assert main(["--stack", "dev", "--cwd", str(ROOT)]) == 1
    told = capsys.readouterr().out
    assert "ok           project: acme-recsys-dev is ACTIVE" in told
    assert "ok           billing: enabled" in told
    assert "ok           bootstrap APIs: enabled" in told
    assert "WRONG        state backend: there is no bucket acme-recsys-dev-pulumi" in told
    assert "fix: gcloud storage buckets create gs://acme-recsys-dev-pulumi --project acme-recsys-dev" in told
    assert "ok           your permissions" in told
    assert "does not exist yet: `up` creates it" in told

    bucket = {"name": "acme-recsys-dev-pulumi", "versioning": {"enabled": True}}
    cloud_server.json("POST", "/storage/v1/b?project=acme-recsys-dev", bucket)
    assert main(["--stack", "dev", "--cwd", str(ROOT)]) == 0
    told = capsys.readouterr().out
    assert "ok           state backend: gs://acme-recsys-dev-pulumi keeps old versions" in told
    assert "WRONG" not in told
    assert "not checked" not in told
    assert "ok           g2-standard-8 in us-central1: offered in us-central1-a" in told
    assert (
        "ok           quota for recsys-train-blue: custom_model_training_nvidia_l4_gpus in us-central1 has no" in told
    )


def test_a_quota_and_a_policy_that_would_refuse_the_stack_are_told_before_a_create_fails(
    environment: None, cloud_server: CloudProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = "aiplatform.googleapis.com%2Fcustom_model_training_nvidia_l4_gpus"
    service = "/v1beta1/projects/acme-recsys-prod/services/aiplatform.googleapis.com"
    limit = f"{service}/consumerQuotaMetrics/{metric}/limits/%2Fproject%2Fregion/consumerOverrides"
    made = cloud_server.json("POST", f"{limit}?force=true", {"overrideValue": "1"})
    policies = "/crm/v1/projects/acme-recsys-prod"
    for policy in (
        {"constraint": "constraints/iam.disableServiceAccountCreation", "booleanPolicy": {"enforced": True}},
        {"constraint": "constraints/gcp.resourceLocations", "listPolicy": {"allowedValues": ["in:eu-locations"]}},
    ):
        cloud_server.json("POST", f"{policies}:setOrgPolicy", {"policy": policy})
    assert main(["--stack", "prod", "--cwd", str(ROOT)]) == 1
    told = capsys.readouterr().out
    assert "WRONG        quota for recsys-train-blue: custom_model_training_nvidia_l4_gpus in us-central1 is 1" in told
    assert "iam.disableServiceAccountCreation forbids the accounts" in told
    assert "gcp.resourceLocations allows in:eu-locations, not us-central1" in told
    cloud_server.json("DELETE", f"/v1beta1/{made['response']['name']}?force=true")


def test_whoever_may_not_deploy_is_told_what_is_missing(
    environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "nobody")
    assert main(["--stack", "prod", "--cwd", str(ROOT)]) in (0, 1)
    assert "ok           your permissions" not in capsys.readouterr().out
