"""Who may do what: policies up to the project, roles, conditions, groups, modes, and what is recorded of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.cloud.app import Cloud
from local.cloud.clock import ManualClock
from local.cloud.errors import ApiError
from local.cloud.faults.kinds import read
from local.cloud.iam import hierarchy
from local.cloud.iam.roles import predefined
from local.cloud.identity import OPERATOR_EMAIL, Principal

ALICE = Principal("alice@acme.example")
BOB = Principal("bob@acme.example")
TRAINER = Principal("trainer@acme-recsys.iam.gserviceaccount.com")
PROJECT = "projects/acme-recsys"
JOBS = f"{PROJECT}/locations/europe-west1"
REPOSITORY = f"{JOBS}/repositories/training"
OBJECT = "projects/_/buckets/acme-artifacts/objects/staging/2026/part-0.parquet"


@pytest.fixture
def enforcing(tmp_path: Path, clock: ManualClock) -> Any:
    cloud = Cloud(tmp_path / "enforcing", iam="enforce", clock=clock)
    cloud.projects.get("acme-recsys")
    cloud.objects.buckets.create("acme-recsys", {"name": "acme-artifacts"})
    cloud.store.put("iam.serviceAccount", TRAINER.email, {"email": TRAINER.email}, parent=PROJECT)
    yield cloud
    cloud.stop()


def grant(cloud: Cloud, resource: str, role: str, *members: str, condition: str = "") -> None:
    binding: dict[str, Any] = {"role": role, "members": list(members)}
    if condition:
        binding["condition"] = {"title": "c", "expression": condition}
    held = cloud.policies.get(resource)
    cloud.policies.set(resource, {"version": 3, "bindings": [*held.get("bindings", []), binding]})


def allowed(cloud: Cloud, principal: Principal, permission: str, resource: str) -> bool:
    try:
        cloud.access.require(principal, permission, resource)
    except ApiError as error:
        refusal = error
    else:
        return True
    assert refusal.code == 403
    assert permission in refusal.message
    return False


def test_nobody_but_the_operator_may_do_anything_at_first(enforcing: Cloud) -> None:
    assert allowed(enforcing, Principal(OPERATOR_EMAIL), "aiplatform.customJobs.create", JOBS)
    assert not allowed(enforcing, ALICE, "aiplatform.customJobs.create", JOBS)
    assert not allowed(enforcing, ALICE, "storage.objects.get", OBJECT)


def test_a_role_on_the_project_counts_for_what_lies_below(enforcing: Cloud) -> None:
    grant(enforcing, PROJECT, "roles/aiplatform.user", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "aiplatform.customJobs.create", JOBS)
    assert allowed(enforcing, ALICE, "aiplatform.models.get", f"{JOBS}/models/7")
    assert not allowed(enforcing, ALICE, "aiplatform.persistentResources.create", JOBS)
    assert not allowed(enforcing, TRAINER, "aiplatform.customJobs.create", JOBS)


def test_a_role_on_a_resource_counts_for_it_alone(enforcing: Cloud) -> None:
    grant(enforcing, REPOSITORY, "roles/artifactregistry.reader", f"serviceAccount:{TRAINER.email}")
    assert allowed(enforcing, TRAINER, "artifactregistry.repositories.get", REPOSITORY)
    assert not allowed(enforcing, TRAINER, "artifactregistry.repositories.get", f"{JOBS}/repositories/other")
    assert not allowed(enforcing, TRAINER, "artifactregistry.repositories.list", JOBS)


def test_a_buckets_roles_count_for_its_objects(enforcing: Cloud) -> None:
    grant(enforcing, "projects/_/buckets/acme-artifacts", "roles/storage.objectViewer", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "storage.objects.get", OBJECT)
    assert not allowed(enforcing, ALICE, "storage.objects.create", OBJECT)
    assert not allowed(enforcing, ALICE, "storage.buckets.update", "projects/_/buckets/acme-artifacts")


def test_the_projects_owner_has_its_buckets_by_their_default_policy(enforcing: Cloud) -> None:
    grant(enforcing, PROJECT, "roles/owner", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "storage.buckets.update", "projects/_/buckets/acme-artifacts")


def test_a_condition_on_the_name_limits_to_a_prefix(enforcing: Cloud) -> None:
    prefix = "projects/_/buckets/acme-artifacts/objects/staging/"
    condition = f'resource.name.startsWith("{prefix}")'
    member = f"serviceAccount:{TRAINER.email}"
    grant(enforcing, "projects/_/buckets/acme-artifacts", "roles/storage.objectUser", member, condition=condition)
    assert allowed(enforcing, TRAINER, "storage.objects.create", OBJECT)
    assert not allowed(enforcing, TRAINER, "storage.objects.create", OBJECT.replace("staging", "models"))


def test_a_condition_on_the_time_ends(enforcing: Cloud, clock: ManualClock) -> None:
    end = (clock.now() + timedelta(hours=1)).isoformat()
    grant(enforcing, PROJECT, "roles/viewer", "user:alice@acme.example", condition=f'request.time < timestamp("{end}")')
    assert allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)
    clock.advance(timedelta(hours=2))
    assert not allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)


@pytest.mark.parametrize("condition", ["resource.nme == 'x'", "resource.name.extract('a') == 'a'", "1"])
def test_a_condition_that_cannot_be_evaluated_does_not_grant(enforcing: Cloud, condition: str) -> None:
    grant(enforcing, PROJECT, "roles/viewer", "user:alice@acme.example", condition=condition)
    assert not allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)


def test_a_custom_role_grants_what_it_includes_until_it_is_disabled(enforcing: Cloud) -> None:
    name = f"{PROJECT}/roles/poolKeeper"
    role = {"name": name, "includedPermissions": ["aiplatform.persistentResources.delete"], "stage": "GA"}
    enforcing.store.put("iam.role", name, role)
    grant(enforcing, PROJECT, name, "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "aiplatform.persistentResources.delete", f"{JOBS}/persistentResources/p")
    enforcing.store.put("iam.role", name, role | {"stage": "DISABLED"})
    assert not allowed(enforcing, ALICE, "aiplatform.persistentResources.delete", f"{JOBS}/persistentResources/p")


def test_groups_and_domains_stand_for_their_members(enforcing: Cloud) -> None:
    enforcing.access.members.set_group("ml@acme.example", [f"serviceAccount:{TRAINER.email}"])
    grant(enforcing, PROJECT, "roles/viewer", "group:ml@acme.example", "domain:acme.example")
    for principal in (ALICE, TRAINER):
        assert allowed(enforcing, principal, "aiplatform.models.list", JOBS)
    assert not allowed(enforcing, Principal("eve@other.example"), "aiplatform.models.list", JOBS)


def test_who_was_granted_a_role_loses_it_at_once(enforcing: Cloud) -> None:
    for resource, permission in (
        (PROJECT, "aiplatform.models.list"),
        (REPOSITORY, "artifactregistry.repositories.get"),
    ):
        for _ in range(2):
            below = JOBS if resource == PROJECT else resource
            assert not allowed(enforcing, ALICE, permission, below)
            grant(enforcing, resource, "roles/editor", "user:alice@acme.example")
            assert allowed(enforcing, ALICE, permission, below)
            enforcing.policies.set(resource, {"bindings": []})
    grant(enforcing, REPOSITORY, "roles/editor", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "artifactregistry.repositories.get", REPOSITORY)
    enforcing.policies.delete(JOBS)  # what lies below goes, too
    assert not allowed(enforcing, ALICE, "artifactregistry.repositories.get", REPOSITORY)


def test_who_leaves_a_group_loses_its_roles_at_once(enforcing: Cloud) -> None:
    grant(enforcing, PROJECT, "roles/viewer", "group:ml@acme.example")
    assert not allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)
    enforcing.access.members.set_group("ml@acme.example", ["user:alice@acme.example"])
    assert allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)
    enforcing.access.members.set_group("ml@acme.example", [])
    assert not allowed(enforcing, ALICE, "aiplatform.models.list", JOBS)


def test_a_bucket_that_is_made_anew_in_another_project_has_that_projects_roles(enforcing: Cloud) -> None:
    grant(enforcing, PROJECT, "roles/storage.objectViewer", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "storage.objects.get", OBJECT)
    enforcing.objects.buckets.remove("acme-artifacts")
    assert not allowed(enforcing, ALICE, "storage.objects.get", OBJECT)
    enforcing.objects.buckets.create("other-project", {"name": "acme-artifacts"})
    assert not allowed(enforcing, ALICE, "storage.objects.get", OBJECT)


def test_a_buckets_own_roles_last_while_its_first_policy_propagates(enforcing: Cloud, clock: ManualClock) -> None:
    bucket = "projects/_/buckets/acme-artifacts"
    grant(enforcing, PROJECT, "roles/owner", "user:alice@acme.example")
    enforcing.faults.add(read({"kind": "iam-delay", "seconds": 60}))
    grant(enforcing, bucket, "roles/storage.objectViewer", "user:bob@acme.example")
    for waited, principal, permission in ((0, ALICE, "storage.buckets.update"), (61, BOB, "storage.objects.get")):
        clock.advance(timedelta(seconds=waited))
        assert allowed(enforcing, principal, permission, OBJECT if principal is BOB else bucket)
    assert not allowed(enforcing, ALICE, "storage.buckets.update", bucket)


def test_everything_is_recorded_with_the_binding_that_allowed_it(enforcing: Cloud) -> None:
    grant(enforcing, PROJECT, "roles/aiplatform.user", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "aiplatform.customJobs.list", JOBS)
    assert not allowed(enforcing, ALICE, "aiplatform.persistentResources.create", JOBS)
    first, second = enforcing.access.log.newest(10, principal=ALICE.email)
    assert first["binding"] == {
        "carrier": PROJECT,
        "role": "roles/aiplatform.user",
        "member": "user:alice@acme.example",
        "condition": "",
    }
    assert (second["granted"], second["refused"]) == (False, True)
    used = {(row["permission"], row["granted"]): row["calls"] for row in enforcing.access.log.used()}
    assert used == {("aiplatform.customJobs.list", True): 1, ("aiplatform.persistentResources.create", False): 1}


def test_audit_refuses_nobody_and_records_what_would_have_been(cloud: Cloud) -> None:
    cloud.access.require(ALICE, "aiplatform.customJobs.create", JOBS)
    (entry,) = cloud.access.log.newest(10)
    assert (entry["granted"], entry["refused"]) == (False, False)


def test_nothing_can_be_given_the_operators_identity(cloud: Cloud) -> None:
    with pytest.raises(ApiError, match=OPERATOR_EMAIL):
        cloud.identity.issue(job="j", email=OPERATOR_EMAIL, project="acme-recsys")
    with pytest.raises(ApiError, match=OPERATOR_EMAIL):
        cloud.identity.issue_token(OPERATOR_EMAIL.upper())


def test_every_permission_of_a_route_is_in_some_predefined_role(cloud: Cloud) -> None:
    listed = frozenset().union(*predefined().values())
    asked = {route.permission for service in cloud.router.services for route in service.routes if route.permission}
    assert sorted(asked - listed) == []


def test_a_line_that_a_kill_has_torn_does_not_spoil_the_log(enforcing: Cloud) -> None:
    assert not allowed(enforcing, ALICE, "aiplatform.customJobs.list", JOBS)
    enforcing.access.log.flush()
    with enforcing.access.log.path.open("a") as file:
        file.write('{"time":"2026-')
    assert not allowed(enforcing, ALICE, "aiplatform.customJobs.get", JOBS)
    assert [entry["permission"] for entry in enforcing.access.log.newest(10)] == [
        "aiplatform.customJobs.list",
        "aiplatform.customJobs.get",
    ]


@pytest.mark.parametrize("place", ["global", "regions/europe-west1", "zones/europe-west1-b"])
def test_a_role_on_the_project_counts_for_compute_engines_resources(enforcing: Cloud, place: str) -> None:
    grant(enforcing, PROJECT, "roles/compute.networkAdmin", "user:alice@acme.example")
    assert allowed(enforcing, ALICE, "compute.networks.get", f"{PROJECT}/{place}/networks/shared")
    assert allowed(enforcing, ALICE, "compute.networks.list", f"{PROJECT}/{place}")
    assert not allowed(enforcing, TRAINER, "compute.networks.get", f"{PROJECT}/{place}/networks/shared")


def test_a_name_with_slashes_of_its_own_lies_in_its_project() -> None:
    carriers = list(hierarchy.carriers("projects/p/metrics/recsys/loss", lambda bucket: None))

    assert carriers[0] == "projects/p/metrics/recsys/loss"
    assert carriers[-1] == "projects/p"
