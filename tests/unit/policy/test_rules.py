"""Each policy keeps quiet about what we chose and speaks up about what we did not, in words that name it."""

import pytest

from policy.resources import Resource, stack_of
from policy.rules import RULES, STACK_RULES, Violation, violations

POOL = "gcp:vertex/aiPersistentResource:AiPersistentResource"
BUCKET = "gcp:storage/bucket:Bucket"
SCHEDULE = "gcp:colab/schedule:Schedule"
LABELS = {"platform": "recsys-training", "environment": "prod"}
OWN_ACCOUNT = {"serviceAccountSpec": {"enableCustomServiceAccount": True}}
KEY = Resource("gcp:kms/cryptoKey:CryptoKey", "key", "prod")
KEY_NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


def pool(
    *, stack: str = "prod", protect: bool = True, accelerator: str = "NVIDIA_L4", most: str = "", **more: object
) -> Resource:
    described = {
        "machineSpec": {"machineType": "g2-standard-8", "acceleratorType": accelerator},
        "replicaCount": "1",
        **({"autoscalingSpec": {"minReplicaCount": "1", "maxReplicaCount": most}} if most else {}),
    }
    inputs = {"resourcePools": [described], "resourceRuntimeSpec": OWN_ACCOUNT, "location": "us-central1"} | more
    return Resource(POOL, "pool", stack, inputs, protect)


def bucket(*, stack: str = "prod", protect: bool = True, **more: object) -> Resource:
    return Resource(BUCKET, "bucket", stack, {"location": "US-CENTRAL1", "labels": LABELS} | more, protect)


def grant(role: str, member: str) -> Resource:
    return Resource("gcp:projects/iAMMember:IAMMember", "grant", "prod", {"role": role, "member": member})


def schedule(runs: str, stack: str = "prod") -> Resource:
    return Resource(SCHEDULE, "nightly", stack, {"maxConcurrentRunCount": runs, "location": "us-central1"})


def encrypted_bucket() -> Resource:
    return bucket(encryption={"defaultKmsKeyName": KEY_NAME})


ANN = "user:ann@acme.example"
CASES = {
    "accelerators": ([pool()], [pool(accelerator="NVIDIA_H100_80GB")], "NVIDIA_H100_80GB is none of NVIDIA_L4"),
    "replicas": ([pool(most="4")], [pool(most="5")], "up to 5 replicas, prod has at most 4"),
    "service-account": ([pool()], [pool(resourceRuntimeSpec={})], "set enableCustomServiceAccount"),
    "no-public-grants": (
        [grant("roles/storage.objectViewer", ANN)],
        [grant("roles/storage.objectViewer", "allUsers")],
        "roles/storage.objectViewer is granted to allUsers",
    ),
    "no-primitive-roles": ([grant("roles/storage.admin", ANN)], [grant("roles/editor", ANN)], "roles/editor reaches"),
    "schedule-concurrency": ([schedule("2")], [schedule("3")], "3 runs at a time, prod has at most 2"),
    "deletion-protection": ([bucket()], [bucket(protect=False)], "set protect: true in Pulumi.prod.yaml"),
    "labels": ([bucket()], [bucket(labels={"platform": "recsys-training"})], "has no label environment"),
    "no-pool-labels": ([pool()], [pool(labels={"team": "x"})], "a change of a pool's label replaces it"),
    "regions": ([bucket()], [bucket(location="ASIA-EAST1")], "lies in asia-east1"),
    "cmek-advised": ([encrypted_bucket()], [bucket()], "encrypted with Google's key"),
    "pool-protection": (
        [pool(), pool(protect=False)],
        [pool(protect=False), pool(protect=False)],
        "no pool with accelerators is protected",
    ),
    "cmek-everywhere": ([KEY, encrypted_bucket()], [KEY, bucket()], "has no encryption.defaultKmsKeyName"),
}


def of_rule(name: str, resources: list[Resource]) -> list[Violation]:
    return [violation for violation in violations(resources) if violation.rule == name]


def test_every_rule_has_its_cases() -> None:
    assert CASES.keys() == {rule.name for rule in (*RULES, *STACK_RULES)}


@pytest.mark.parametrize("name", CASES)
def test_what_keeps_to_a_rule_passes(name: str) -> None:
    assert of_rule(name, CASES[name][0]) == []


@pytest.mark.parametrize("name", CASES)
def test_what_breaks_a_rule_is_told_once_with_what_it_is(name: str) -> None:
    _, bad, words = CASES[name]
    (violation,) = of_rule(name, bad)
    assert words in violation.message
    assert violation.resource.name in str(violation)


@pytest.mark.parametrize("member", ["allUsers", "allAuthenticatedUsers"])
def test_a_binding_to_everybody_is_a_public_grant_too(member: str) -> None:
    binding = Resource(
        "gcp:storage/bucketIAMBinding:BucketIAMBinding", "b", "dev", {"role": "r", "members": [ANN, member]}
    )
    assert len(of_rule("no-public-grants", [binding])) == 1


def test_a_view_can_be_made_again() -> None:
    kept = {"location": "us-central1", "labels": LABELS}
    table, view = (
        Resource("gcp:bigquery/table:Table", "t", "prod", kept | more) for more in ({}, {"view": {"query": "SELECT 1"}})
    )
    assert len(of_rule("deletion-protection", [table])) == 1
    assert of_rule("deletion-protection", [view]) == []


def test_dev_protects_nothing_and_needs_no_key() -> None:
    assert violations([bucket(stack="dev", protect=False), pool(stack="dev", protect=False)]) == []


def test_dev_has_fewer_replicas_than_prod() -> None:
    assert of_rule("replicas", [pool(stack="prod", most="3")]) == []
    assert len(of_rule("replicas", [pool(stack="dev", most="3")])) == 1


def test_a_stack_of_another_name_is_held_to_prods_choices() -> None:
    assert len(of_rule("deletion-protection", [bucket(stack="staging", protect=False)])) == 1


def test_what_refuses_a_plan_comes_before_what_is_advised() -> None:
    levels = [violation.level for violation in violations([bucket(), bucket(protect=False)])]
    assert levels == sorted(levels, reverse=True)
    assert {"mandatory", "advisory"} == set(levels)


def test_lists_of_any_kind_are_entered() -> None:
    assert (
        Resource(POOL, "pool", "dev", {"resourcePools": ({"replicaCount": "2"},)}).get("resourcePools.replicaCount")
        == "2"
    )


def test_the_stack_is_read_from_the_urn() -> None:
    assert stack_of("urn:pulumi:prod::recsys-training::gcp:storage/bucket:Bucket::artifacts-bucket") == "prod"
