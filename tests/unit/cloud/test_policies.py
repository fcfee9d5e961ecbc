import pytest

from local.cloud.errors import ApiError
from local.cloud.policies import answer

BUCKET = "projects/_/buckets/b"
VIEWER = {"role": "roles/viewer", "members": ["user:a@example.com"]}


def test_a_resource_without_a_policy_has_an_etag_and_no_bindings(cloud):
    policy = answer(cloud.policies.get(BUCKET))
    assert set(policy) == {"version", "etag"}


def test_a_stale_etag_is_refused_and_changes_nothing(cloud):
    first = cloud.policies.get(BUCKET)
    cloud.policies.set(BUCKET, {"etag": first["etag"], "bindings": [VIEWER]})
    with pytest.raises(ApiError, match="concurrent policy changes") as refused:
        cloud.policies.set(BUCKET, {"etag": first["etag"], "bindings": []})
    assert (refused.value.code, refused.value.status) == (409, "ABORTED")
    assert cloud.policies.get(BUCKET)["bindings"] == [VIEWER]


def test_every_change_changes_the_etag_even_back_and_forth(cloud):
    etags = {cloud.policies.set(BUCKET, {"bindings": bindings})["etag"] for bindings in ([VIEWER], [], [VIEWER], [])}
    assert len(etags) == 4


def test_members_of_one_role_and_condition_are_joined(cloud):
    condition = {"title": "t", "expression": "true"}
    bindings = [
        VIEWER,
        {**VIEWER, "members": ["user:b@example.com", "user:a@example.com"]},
        {**VIEWER, "condition": condition},
    ]
    kept = cloud.policies.set(BUCKET, {"version": 3, "bindings": bindings})["bindings"]
    assert [binding["members"] for binding in kept] == [
        ["user:a@example.com", "user:b@example.com"],
        ["user:a@example.com"],
    ]
    assert kept[1]["condition"] == condition


def test_version_3_is_shown_only_to_who_asks_and_only_with_conditions(cloud):
    conditional = {**VIEWER, "condition": {"title": "t", "expression": "true"}}
    policy = cloud.policies.set(BUCKET, {"version": 3, "bindings": [conditional]})
    assert answer(policy, requested_version=3)["version"] == 3
    assert answer(policy)["version"] == 1
    assert answer(cloud.policies.set(BUCKET, {"version": 3, "bindings": [VIEWER]}), requested_version=3)["version"] == 1


@pytest.mark.parametrize(
    ("binding", "field"),
    [
        ({"role": "viewer", "members": ["user:a@example.com"]}, "policy.bindings[0].role"),
        ({"role": "roles/viewer", "members": ["a@example.com"]}, "policy.bindings[0].members"),
        ({"role": "roles/viewer", "members": ["robot:a"]}, "policy.bindings[0].members"),
        ({**VIEWER, "condition": {"title": "t", "expression": "true"}}, "policy.version"),
        ({**VIEWER, "condition": {"title": "t"}}, "policy.bindings[0].condition.expression"),
    ],
)
def test_a_bad_binding_is_refused_by_its_field(cloud, binding, field):
    with pytest.raises(ApiError) as refused:
        cloud.policies.set(BUCKET, {"bindings": [binding]})
    violations = refused.value.details[0]["fieldViolations"]
    assert field in [violation["field"] for violation in violations]
