import pytest

from tests.unit.infra.deploy import Deployment, deploy

PIPELINE = "serviceAccount:recsys-pipeline@acme-recsys-dev.iam.gserviceaccount.com"
ACCOUNT = "projects/acme-recsys-dev/serviceAccounts/recsys-pipeline@acme-recsys-dev.iam.gserviceaccount.com"
RESOURCE_KEYS = {
    "BucketIAMMember": "bucket",
    "DatasetIamMember": "datasetId",
    "RepositoryIamMember": "repository",
    "projects/iAMMember:IAMMember": "project",
    "serviceaccount/iAMMember:IAMMember": "serviceAccountId",
}


def grants(deployment: Deployment) -> set[tuple[str, str, str]]:
    return {
        (record.inputs[key], record.inputs["role"], record.inputs["member"])
        for suffix, key in RESOURCE_KEYS.items()
        for record in deployment.records
        if record.type.endswith(suffix)
    }


def test_the_grants_are_exactly_these() -> None:
    assert grants(deploy()) == {
        ("acme-recsys-dev", "roles/aiplatform.user", PIPELINE),
        ("acme-recsys-dev", "roles/bigquery.jobUser", PIPELINE),
        ("acme-recsys-dev-artifacts", "roles/storage.objectAdmin", PIPELINE),
        ("recsys_logs", "roles/bigquery.dataViewer", PIPELINE),
        ("drift", "roles/bigquery.dataViewer", PIPELINE),
        ("recsys-training", "roles/artifactregistry.reader", PIPELINE),
        (ACCOUNT, "roles/iam.serviceAccountUser", PIPELINE),
        (ACCOUNT, "roles/iam.serviceAccountUser", "group:ml-engineers@acme.example"),
    }


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_no_iam_resource_is_of_a_type_that_these_tests_do_not_know(stack: str) -> None:
    iam = [record.type for record in deploy(stack=stack).records if "iam" in record.type.lower().partition("/")[2]]

    assert iam
    assert all(type_.endswith(tuple(RESOURCE_KEYS)) for type_ in iam)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nobody_is_granted_a_primitive_role_and_the_public_nothing(stack: str) -> None:
    for _, role, member in grants(deploy(stack=stack)):
        assert role not in ("roles/owner", "roles/editor", "roles/viewer")
        assert not member.startswith("all")


def test_every_submitter_may_act_as_the_pipeline_and_as_nothing_else() -> None:
    submitters = ["user:ann@acme.example", "serviceAccount:ci@acme-dev.iam.gserviceaccount.com"]
    deployment = deploy(config={"recsys-training:submitters": submitters})

    for submitter in submitters:
        held = {(resource, role) for resource, role, member in grants(deployment) if member == submitter}
        assert held == {(ACCOUNT, "roles/iam.serviceAccountUser")}


def test_reordering_the_submitters_changes_no_resource() -> None:
    submitters = ["user:ann@acme.example", "user:bob@acme.example"]
    names = [
        {record.name for record in deploy(config={"recsys-training:submitters": order}).records}
        for order in (submitters, submitters[::-1])
    ]

    assert names[0] == names[1]


def test_every_grant_to_the_account_waits_for_it() -> None:
    deployment = deploy()

    for record in deployment.records:
        if record.inputs.get("member"):
            assert "identity-account" in deployment.dependencies(record), record.name


def test_members_whose_addresses_differ_in_a_sign_are_two_grants() -> None:
    submitters = ["user:a+b@acme.example", "user:a-b@acme.example", "user:a_b@acme.example", "user:a_2bb@acme.example"]
    deployment = deploy(config={"recsys-training:submitters": submitters})

    assert set(submitters) <= {member for _, _, member in grants(deployment)}


def test_an_ordinary_address_is_its_grants_name() -> None:
    deployment = deploy(config={"recsys-training:submitters": ["serviceAccount:ci-2@acme-dev.iam.gserviceaccount.com"]})

    assert deployment.one("IAMMember", "identity-submitter-serviceAccount-ci-2@acme-dev.iam.gserviceaccount.com")
