import cel
import pytest

from infra.federation import attribute_condition
from tests.unit.infra.deploy import Deployment, deploy

REPOSITORY = "acme/recsys"
POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/recsys-github"


def federated(branch: str = "main") -> Deployment:
    return deploy(config={"recsys-training:federation": {"githubRepository": REPOSITORY, "branch": branch}})


def test_without_a_repository_nothing_is_federated() -> None:
    assert deploy().of_type("WorkloadIdentityPool") == []


def test_the_branch_becomes_deployer_and_submitter_and_any_workflow_the_previewer() -> None:
    members = {
        record.inputs["serviceAccountId"].rpartition("/")[2].partition("@")[0]: record.inputs["member"]
        for record in federated("release").of_type("serviceaccount/iAMMember:IAMMember")
        if record.inputs["role"] == "roles/iam.workloadIdentityUser"
    }

    assert members == {
        "recsys-deployer": f"{POOL}/attribute.ref/refs/heads/release",
        "recsys-submitter": f"{POOL}/attribute.ref/refs/heads/release",
        "recsys-previewer": f"{POOL}/attribute.repository/{REPOSITORY}",
    }


def test_the_provider_trusts_github_on_the_condition() -> None:
    provider = federated().one("WorkloadIdentityPoolProvider").inputs

    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}
    assert provider["attributeCondition"] == attribute_condition(REPOSITORY, "main")
    assert {"google.subject", "attribute.repository", "attribute.ref"} == provider["attributeMapping"].keys()


@pytest.mark.parametrize(
    ("token", "taken"),
    [
        ({}, True),
        ({"ref": "refs/pull/7/merge", "event_name": "pull_request"}, True),
        ({"ref": "refs/heads/feature"}, False),
        ({"ref": "refs/tags/main"}, False),
        ({"repository": "acme/other"}, False),
        ({"repository": "evil/fork", "event_name": "pull_request"}, False),
    ],
)
def test_tokens_of_the_repository_and_the_branch_are_taken(token: dict[str, str], *, taken: bool) -> None:
    assertion = {"repository": REPOSITORY, "ref": "refs/heads/main", "event_name": "push"} | token
    condition = cel.compile(attribute_condition(REPOSITORY, "main"))

    assert condition.execute({"assertion": assertion}) is taken
