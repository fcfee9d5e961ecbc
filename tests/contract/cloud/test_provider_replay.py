"""The control plane and the storage answer the real provider as it needs."""

import re

import pytest

from tests.contract.provider_replay import Replay, exchanges

SERVICES = (
    "/artifactregistry/",
    "/bigquery/",
    "/cloudbilling/",
    "/compute/beta/projects/123456789012",
    "/crm/",
    "/iam/v1/projects/acme-recsys/roles",
    "/iam/v1/projects/acme-recsys/serviceAccounts",
    "/serviceusage/",
    "/storage/",
    "/upload/",
)

# Where the recording's server was not Google, and the documentation says what Google answers.
DOCUMENTED = {
    r"GET /crm/v1/projects/acme-recsys: parent is missing": "a project without an organization has no parent",
    r"GET /crm/v1/projects/acme-recsys: name is 'acme-recsys'": "a new project is named by its id",
    r"GET /cloudbilling/.*: billingAccountName is": "every cloud has its own billing account",
    r":[gs]etIamPolicy: version is 1 instead of 3": "Policy.version is 3 only where a binding has a condition",
    r"/iam: version is 1 instead of 3": "Policy.version is 3 only where a binding has a condition",
    r"/services: services\[\d+\]\.\w+ is missing": "the call's `fields` selects the services' names alone",
    r"/datasets.*: defaultTableExpirationMs is '69120000000' instead of 69120000000": "int64 travels as a string",
    r"/datasets.*: access\[2\].userByEmail is": "a new dataset's owner is who made it",
    r":enable: (metadata|response)\.@type is": "google.api.serviceusage.v1 is the package of Service Usage",
    r"(POST|DELETE) /artifactregistry/.*: metadata\.@type is": "google.devtools.artifactregistry.v1 is the package",
    r"PATCH /artifactregistry/.*: \w+ is": "repositories.patch answers with the Repository, no operation",
}


@pytest.fixture
def replay(new_cloud):
    return Replay(new_cloud().start())


def test_every_recorded_exchange_is_answered_as_the_provider_needs(replay):
    recorded = exchanges(SERVICES)
    assert len(recorded) == 429
    found = [difference for exchange in recorded for difference in replay.differences(exchange)]
    unexplained = [each for each in found if not any(re.search(pattern, each) for pattern in DOCUMENTED)]
    assert unexplained == []


def test_every_documented_difference_is_one(replay):
    found = "\n".join(difference for exchange in exchanges(SERVICES) for difference in replay.differences(exchange))
    assert [pattern for pattern in DOCUMENTED if not re.search(pattern, found)] == []
