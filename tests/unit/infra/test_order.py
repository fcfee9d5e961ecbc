"""Nothing is created before what it needs: the API that creates it, the account and role of a grant, the key that
encrypts it. Whatever the program declares is held against this, so that a new resource is, too.
"""

import re
from collections.abc import Iterator

import pytest

from tests.unit.infra.deploy import Deployment, Record, deploy

# With everything that is optional.
WHOLE = {
    "recsys-training:federation": {"githubRepository": "acme/recsys"},
    "recsys-training:encryption": {"ownKeys": True},
    "recsys-training:operations": {"billingAccount": "01AB23-45CD67-89EF01", "noSuccessHours": 25, "idlePoolHours": 6},
}
APIS = {
    "artifactregistry": ["artifactregistry"],
    "bigquery": ["bigquery"],
    "billing": ["billingbudgets"],
    "colab": ["aiplatform"],
    "compute": ["compute"],
    "docker-build": ["artifactregistry"],
    "iam": ["iam", "iamcredentials", "sts"],
    "kms": ["cloudkms"],
    "logging": ["logging"],
    "monitoring": ["monitoring"],
    "serviceaccount": ["iam"],
    "storage": ["storage"],
    "vertex": ["aiplatform"],
}
_ENABLE = "gcp:projects/service:Service"


@pytest.fixture(scope="module", params=["dev", "prod"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    return deploy(stack=request.param, config=WHOLE)


def created(deployment: Deployment) -> Iterator[tuple[str, Record]]:
    """What a provider creates, with the service that does: `storage` of `gcp:storage/bucket:Bucket`."""
    for record in deployment.records:
        provider, kind = record.type.split(":")[:2]
        if provider not in ("recsys", "pulumi") and record.type != _ENABLE:
            yield (kind.partition("/")[0] if provider == "gcp" else provider), record


def before(deployment: Deployment, record: Record) -> set[str]:
    """Everything that is there when `record` is created, near and far."""
    by_urn = {each.urn: each for each in deployment.records}
    found: set[str] = set()
    waiting = [record]
    while waiting:
        for urn in waiting.pop().dependencies:
            if urn in by_urn and by_urn[urn].name not in found:
                found.add(by_urn[urn].name)
                waiting.append(by_urn[urn])
    return found


def test_its_api_is_enabled_before_a_resource_is_created(deployment: Deployment) -> None:
    early = {
        record.name: missing
        for service, record in created(deployment)
        if service in APIS
        if (missing := {f"services-{api}" for api in APIS[service]} - before(deployment, record))
    }
    assert early == {}


def test_accounts_roles_grants_and_agents_wait_for_their_apis(deployment: Deployment) -> None:
    """`gcp:projects` has resources of several APIs."""
    for service, record in created(deployment):
        if service == "projects":
            api = record.inputs.get("service", "iam.googleapis.com").partition(".")[0]
            enabled = {"services-iam", "services-aiplatform"} if "IAMMember" in record.type else {f"services-{api}"}
            assert enabled & before(deployment, record), record.name


def test_every_service_is_known_here(deployment: Deployment) -> None:
    assert {service for service, _ in created(deployment)} <= APIS.keys() | {"projects"}


def test_a_grant_waits_for_its_role_and_for_every_account_that_it_names(deployment: Deployment) -> None:
    grants = [record for _, record in created(deployment) if record.type.lower().endswith("iammember")]
    assert len(grants) > 20
    for grant in grants:
        named = {grant.inputs.get(key, "") for key in ("role", "member", "serviceAccountId")}
        needed = {
            f"identity-{match[1]}"
            for text in named
            if (match := re.search(r"/roles/(recsys\w+)", text) or re.search(r"\brecsys-(\w+)@", text))
        }
        assert needed <= deployment.dependencies(grant), grant.name


def test_the_dashboard_and_the_alerts_wait_for_the_metrics_that_they_show(deployment: Deployment) -> None:
    metrics = {record.name for record in deployment.of_type("logging/metric:Metric")}
    shown = [*deployment.of_type("gcp:monitoring/dashboard:Dashboard"), *deployment.of_type("AlertPolicy")]
    assert len(metrics) == 5
    assert len(shown) > 5
    assert [record.name for record in shown if not metrics <= deployment.dependencies(record)] == []


def test_what_a_key_encrypts_waits_until_the_service_may_use_it(deployment: Deployment) -> None:
    encrypted = [
        (record, match[1])
        for _, record in created(deployment)
        if (match := re.search(r"/cryptoKeys/(\w+)", str(record.inputs))) and "Iam" not in record.type
    ]
    assert len(encrypted) >= 6
    for record, key in encrypted:
        usable = {f"encryption-{key}", f"encryption-{key}-agent"}
        assert usable <= before(deployment, record), record.name


def test_a_schedule_starts_nothing_before_pools_and_grants_are_there(deployment: Deployment) -> None:
    schedule = deployment.one("colab/schedule:Schedule")
    there = before(deployment, schedule)
    needed = [*deployment.of_type("AiPersistentResource"), *deployment.of_type("IAMMember")]
    needed += [*deployment.of_type("BucketIAMMember"), *deployment.of_type("DatasetIamMember")]
    needed += deployment.of_type("RepositoryIamMember")
    late = {record.name for record in needed} - there
    assert {name for name in late if not name.startswith(("github-", "audit-"))} == set()  # no run needs these
