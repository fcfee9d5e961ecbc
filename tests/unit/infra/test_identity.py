"""Who may do what where, as it is declared."""

import re

import cel
import pytest

from infra import naming, permissions
from tests.unit.infra.deploy import Deployment, deploy

PROJECT = "acme-recsys-dev"
BUCKET = f"{PROJECT}-artifacts"
PIPELINE_ACCOUNT = f"projects/{PROJECT}/serviceAccounts/recsys-pipeline@{PROJECT}.iam.gserviceaccount.com"
ANN = "group:ml-engineers@acme.example"
ROLES = {role.role_id: role for role in permissions.ROLES}
RESOURCE_KEYS = {
    "BucketIAMMember": "bucket",
    "DatasetIamMember": "datasetId",
    "RepositoryIamMember": "repository",
    "projects/iAMMember:IAMMember": "project",
    "serviceaccount/iAMMember:IAMMember": "serviceAccountId",
}


def grants(deployment: Deployment) -> list[tuple[str, str, str, str]]:
    """Resource, role, member and condition of each grant."""
    return [
        (
            record.inputs[key],
            record.inputs["role"],
            record.inputs["member"],
            record.inputs.get("condition", {}).get("expression", ""),
        )
        for suffix, key in RESOURCE_KEYS.items()
        for record in deployment.records
        if record.type.endswith(suffix)
    ]


def account(name: str) -> str:
    return f"serviceAccount:recsys-{name}@{PROJECT}.iam.gserviceaccount.com"


def held(deployment: Deployment, member: str) -> set[tuple[str, str]]:
    return {(resource, role.rpartition("/")[2]) for resource, role, who, _ in grants(deployment) if who == member}


def holds(expression: str, name: str, kind: str) -> bool:
    return cel.compile(expression).execute({"resource": {"name": name, "type": kind}}) is True


def test_each_account_has_exactly_these_roles() -> None:
    deployment = deploy()

    assert {name: held(deployment, account(name)) for name in ("pipeline", "keeper", "deployer", "previewer")} == {
        "pipeline": {
            (PROJECT, "recsysPipeline"),
            (PIPELINE_ACCOUNT, "recsysActAs"),
            (BUCKET, "recsysObjectWriter"),
            (BUCKET, "recsysObjectReader"),
            (BUCKET, "recsysBucketReader"),
            ("recsys_logs", "recsysEventReader"),
            ("drift", "recsysEventReader"),
            ("recsys-training", "recsysImageReader"),
        },
        "keeper": {(PROJECT, "recsysKeeper")},
        "deployer": {
            (PROJECT, "recsysDeployer"),
            (PROJECT, "recsysDataDeployer"),
            (PIPELINE_ACCOUNT, "recsysActAs"),
            ("recsys-training", "recsysImageWriter"),
        },
        "previewer": {(PROJECT, "recsysPreviewer"), (PROJECT, "recsysDataPreviewer")},
    }


@pytest.mark.parametrize("member", [account("submitter"), ANN])
def test_the_submitter_and_whoever_the_configuration_names_may_submit_and_read_results(member: str) -> None:
    assert held(deploy(), member) == {
        (PROJECT, "recsysSubmitter"),
        (PIPELINE_ACCOUNT, "recsysActAs"),
        (BUCKET, "recsysObjectReader"),
        (BUCKET, "recsysBucketReader"),
    }


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_no_iam_resource_is_of_a_type_that_these_tests_do_not_know(stack: str) -> None:
    iam = [record.type for record in deploy(stack=stack).records if "iammember" in record.type.lower()]

    assert iam
    assert all(type_.endswith(tuple(RESOURCE_KEYS)) for type_ in iam)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nobody_is_granted_a_primitive_role_and_the_public_nothing(stack: str) -> None:
    agents = {"roles/aiplatform.serviceAgent", "roles/iam.workloadIdentityUser"}
    for _, role, member, _ in grants(deploy(stack=stack)):
        assert role in agents or re.fullmatch(rf"projects/acme-recsys-{stack}/roles/recsys\w+", role), role
        assert not member.startswith("all")


def test_only_what_has_no_smaller_scope_is_granted_on_the_project() -> None:
    """Objects, events, images and acting as an account have one; creating a bucket or a dataset has none."""
    smaller = r"storage\.objects|bigquery\.tables\.getData|repositories\.(up|down)load|serviceAccounts\.actAs"
    wide = {
        (role, permission)
        for resource, name, _, condition in grants(deploy())
        if resource == PROJECT and not condition
        for role in [name.rpartition("/")[2]]
        if role in ROLES
        for permission in ROLES[role].permissions
        if re.match(smaller, permission)
    }

    assert wide == set()


def test_nobody_but_a_person_may_change_who_may_do_what() -> None:
    for role in permissions.ROLES:
        changing = [
            p for p in role.permissions if re.match(r"(resourcemanager|iam)\..*\.(set|create|update|delete)", p)
        ]
        assert changing == [], role.role_id


def test_the_rights_of_the_five_accounts_are_disjoint_where_they_change_something() -> None:
    deployment = deploy()
    changing = {
        name: {
            permission
            for resource, role in held(deployment, account(name))
            if resource == PROJECT
            for permission in ROLES[role].permissions
            if not re.search(r"\.(get\w*|list)$", permission)
        }
        for name in ("pipeline", "submitter", "keeper", "deployer", "previewer")
    }

    assert changing["previewer"] == set()
    for one, other in (
        ("pipeline", "submitter"),
        ("pipeline", "keeper"),
        ("pipeline", "deployer"),
        ("submitter", "keeper"),
    ):
        assert changing[one] & changing[other] == set()
    assert not changing["submitter"] & changing["deployer"]


@pytest.mark.parametrize(
    ("member", "role", "name", "allowed"),
    [
        ("pipeline", "recsysObjectWriter", "staging/snapshots/run/part.parquet", True),
        ("pipeline", "recsysObjectWriter", "checkpoints/recsys/run/10.pt", True),
        ("pipeline", "recsysObjectWriter", "models/recsys/run/model.pt", True),
        ("pipeline", "recsysObjectWriter", "staging/history/interactions.parquet", False),
        ("pipeline", "recsysObjectWriter", "pipelines/spec.json", False),
        ("pipeline", "recsysObjectReader", "staging/history/interactions.parquet", True),
        ("pipeline", "recsysObjectReader", "staging/historyother", False),
        ("submitter", "recsysObjectReader", "pipelines/spec.json", True),
        ("submitter", "recsysObjectReader", "models/recsys/run/evaluation.json", True),
        ("submitter", "recsysObjectReader", "staging/history/interactions.parquet", False),
        ("deployer", "recsysDataDeployer", "pipelines/spec.json", True),
        ("previewer", "recsysDataPreviewer", "pipelines/spec.json", True),
        ("previewer", "recsysDataPreviewer", "staging/history/interactions.parquet", False),
    ],
)
def test_objects_are_open_under_their_prefixes_only(member: str, role: str, name: str, *, allowed: bool) -> None:
    (condition,) = {
        expression
        for _, granted, who, expression in grants(deploy())
        if who == account(member) and granted.endswith(f"/{role}")
    }

    assert holds(condition, f"projects/_/buckets/{BUCKET}/objects/{name}", "storage.googleapis.com/Object") is allowed


@pytest.mark.parametrize(
    ("name", "kind", "allowed"),
    [
        (f"projects/_/buckets/{BUCKET}", "storage.googleapis.com/Bucket", True),
        (f"projects/_/buckets/{BUCKET}-other", "storage.googleapis.com/Bucket", False),
        (f"projects/_/buckets/{BUCKET}-other/objects/x", "storage.googleapis.com/Object", False),
        (f"projects/{PROJECT}/datasets/recsys_logs", "bigquery.googleapis.com/Dataset", True),
        (f"projects/{PROJECT}/datasets/recsys_logs/tables/feedback", "bigquery.googleapis.com/Table", True),
        (f"projects/{PROJECT}/datasets/recsys_logs_of_others", "bigquery.googleapis.com/Dataset", False),
        (f"projects/{PROJECT}", "cloudresourcemanager.googleapis.com/Project", True),
    ],
)
def test_the_deployer_changes_this_platforms_bucket_and_datasets_only(name: str, kind: str, *, allowed: bool) -> None:
    (condition,) = [expression for _, role, _, expression in grants(deploy()) if role.endswith("/recsysDataDeployer")]

    assert holds(condition, name, kind) is allowed


def test_every_permission_has_a_reason_and_roles_are_what_google_accepts() -> None:
    for role in permissions.ROLES:
        assert re.fullmatch(r"[a-zA-Z0-9_.]{3,64}", role.role_id)
        assert len(role.title) <= 100
        assert all(role.permissions.values())
    assert len(ROLES) == len(permissions.ROLES)


def test_every_account_of_the_platform_is_declared() -> None:
    declared = {record.inputs["accountId"] for record in deploy().of_type("Account")}

    assert declared == set(naming.ACCOUNTS)


def test_reordering_the_submitters_changes_no_resource() -> None:
    submitters = ["user:ann@acme.example", "user:bob@acme.example"]
    names = [
        {record.name for record in deploy(config={"recsys-training:submitters": order}).records}
        for order in (submitters, submitters[::-1])
    ]

    assert names[0] == names[1]


def test_every_grant_waits_for_its_account_and_its_role() -> None:
    deployment = deploy()

    for record in deployment.records:
        member = record.inputs.get("member", "")
        if not member or "/roles/recsys" not in record.inputs["role"]:
            continue
        waits = deployment.dependencies(record)
        assert f"identity-{record.inputs['role'].rpartition('/')[2]}" in waits, record.name
        if member.startswith("serviceAccount:recsys-"):
            assert f"identity-{member.removeprefix('serviceAccount:recsys-').partition('@')[0]}" in waits, record.name


def test_members_whose_addresses_differ_in_a_sign_are_two_grants() -> None:
    submitters = ["user:a+b@acme.example", "user:a-b@acme.example", "user:a_b@acme.example", "user:a_2bb@acme.example"]
    deployment = deploy(config={"recsys-training:submitters": submitters})

    assert set(submitters) <= {member for _, _, member, _ in grants(deployment)}


def test_an_ordinary_address_is_its_grants_name() -> None:
    deployment = deploy(config={"recsys-training:submitters": ["serviceAccount:ci-2@acme-dev.iam.gserviceaccount.com"]})

    assert deployment.one("IAMMember", "identity-recsysActAs-serviceAccount-ci-2@acme-dev.iam.gserviceaccount.com")
