"""Our rules: each is a name, what it is for, and what it has against a resource. They run inside `make plan` and, by
policy/pack, in the real command.

Mandatory rules refuse a plan; advisory ones are told. A rule about the whole stack sees all of its resources at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policy import choices
from policy.resources import Resource

Level = Literal["mandatory", "advisory"]

_POOL = "gcp:vertex/aiPersistentResource:AiPersistentResource"
_SCHEDULE = "gcp:colab/schedule:Schedule"
_BUCKET = "gcp:storage/bucket:Bucket"
_DATASET = "gcp:bigquery/dataset:Dataset"
_TABLE = "gcp:bigquery/table:Table"
_REPOSITORY = "gcp:artifactregistry/repository:Repository"
_CRYPTO_KEY = "gcp:kms/cryptoKey:CryptoKey"

_LOCATED = (_POOL, _SCHEDULE, _BUCKET, _DATASET, _REPOSITORY)
_LABELLED = (_BUCKET, _DATASET, _TABLE, _REPOSITORY)
_KEPT = (_BUCKET, _DATASET, _TABLE, _REPOSITORY)
_KEYS = {
    _POOL: "encryptionSpec.kmsKeyName",
    _BUCKET: "encryption.defaultKmsKeyName",
    _DATASET: "defaultEncryptionConfiguration.kmsKeyName",
    _REPOSITORY: "kmsKeyName",
}


@dataclass(frozen=True)
class Rule:
    """`check` says what is wrong with one resource; nothing where it keeps to the rule."""

    name: str
    about: str
    level: Level
    check: Callable[[Resource], Iterator[str]]


@dataclass(frozen=True)
class StackRule:
    """As `Rule`, on all resources of a stack: what is wrong, by resource."""

    name: str
    about: str
    level: Level
    check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]


@dataclass(frozen=True)
class Violation:
    rule: str
    level: Level
    resource: Resource
    message: str

    def __str__(self) -> str:
        return f"[{self.level}] {self.rule}: {self.resource.name}: {self.message}"


def violations(resources: Iterable[Resource]) -> list[Violation]:
    """Everything that the rules have against a stack, what refuses it first."""
    stack = list(resources)
    found = [
        Violation(rule.name, rule.level, each, message)
        for rule in RULES
        for each in stack
        for message in rule.check(each)
    ]
    found += [
        Violation(rule.name, rule.level, each, message) for rule in STACK_RULES for each, message in rule.check(stack)
    ]
    return sorted(found, key=lambda violation: violation.level != "mandatory")


def _accelerators(resource: Resource) -> Iterator[str]:
    accelerator = resource.get("resourcePools.machineSpec.acceleratorType")
    if resource.type == _POOL and accelerator and accelerator not in choices.ACCELERATORS:
        yield f"{accelerator} is none of {', '.join(sorted(choices.ACCELERATORS))} (policy/choices.py)"


def _replicas(resource: Resource) -> Iterator[str]:
    if resource.type != _POOL:
        return
    scaling = "resourcePools.autoscalingSpec.maxReplicaCount"
    most = resource.get(scaling) or resource.get("resourcePools.replicaCount")
    allowed = choices.of_stack(choices.MAX_REPLICAS, resource.stack)
    if str(most or "").isdecimal() and int(most) > allowed:
        yield f"up to {most} replicas, {resource.stack} has at most {allowed}: each bills all the time that it exists"


def _service_account(resource: Resource) -> Iterator[str]:
    flag = resource.get("resourceRuntimeSpec.serviceAccountSpec.enableCustomServiceAccount")
    if resource.type == _POOL and flag is not True:
        yield "jobs may run as Vertex AI's own account, with its rights: set enableCustomServiceAccount"


def _public(resource: Resource) -> Iterator[str]:
    for member in _members(resource):
        if member in choices.PUBLIC_MEMBERS:
            yield f"{resource.get('role')} is granted to {member}: name the people, groups or accounts"


def _primitive(resource: Resource) -> Iterator[str]:
    role = resource.get("role")
    if _is_grant(resource) and role in choices.PRIMITIVE_ROLES:
        yield f"{role} reaches every service of the project: grant a role of one service"


def _is_grant(resource: Resource) -> bool:
    return resource.type.lower().endswith(("iammember", "iambinding"))


def _members(resource: Resource) -> list[str]:
    if not _is_grant(resource):
        return []
    return [str(resource.get("member"))] if resource.get("member") else list(resource.get("members") or [])


def _concurrency(resource: Resource) -> Iterator[str]:
    runs = resource.get("maxConcurrentRunCount")
    allowed = choices.of_stack(choices.MAX_CONCURRENT_RUNS, resource.stack)
    if resource.type == _SCHEDULE and str(runs or "").isdecimal() and int(runs) > allowed:
        yield f"{runs} runs at a time, {resource.stack} has at most {allowed}: they race for the champion"


def _protection(resource: Resource) -> Iterator[str]:
    can_be_made_again = resource.type not in _KEPT or resource.get("view")  # a view holds no rows
    if not can_be_made_again and not resource.protect and resource.stack not in choices.UNPROTECTED_STACKS:
        yield f"nothing keeps a plan from deleting it: set protect: true in Pulumi.{resource.stack}.yaml"


def _pool_protection(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """A pool that retires beside its successor is meant to go; one of them is not."""
    precious = [
        each
        for each in resources
        if each.type == _POOL
        and each.get("resourcePools.machineSpec.acceleratorType")
        and each.stack not in choices.UNPROTECTED_STACKS
    ]
    if precious and not any(each.protect for each in precious):
        yield (
            precious[0],
            f"no pool with accelerators is protected: set protect: true in Pulumi.{precious[0].stack}.yaml",
        )


def _labels(resource: Resource) -> Iterator[str]:
    labels = resource.get("labels") or {}
    missing = [label for label in choices.LABELS if label not in labels]
    if resource.type in _LABELLED and missing:
        yield f"has no label {' and no label '.join(missing)}: bills are told apart by them"


def _pool_labels(resource: Resource) -> Iterator[str]:
    if resource.type == _POOL and resource.get("labels"):
        yield "has labels, and a change of a pool's label replaces it with the jobs on it: leave them out"


def _regions(resource: Resource) -> Iterator[str]:
    location = str(resource.get("location") or "").lower()
    if resource.type in _LOCATED and location and location not in choices.REGIONS:
        yield f"lies in {location}, not in {', '.join(sorted(choices.REGIONS))} (policy/choices.py)"


def _cmek_advised(resource: Resource) -> Iterator[str]:
    if resource.stack in choices.UNPROTECTED_STACKS or resource.type not in _KEYS:
        return
    if not resource.get(_KEYS[resource.type]):
        yield "is encrypted with Google's key, not with one of ours"


def _cmek_everywhere(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Once a stack has a key, what lies beside it with another one is an oversight."""
    if not any(each.type == _CRYPTO_KEY for each in resources):
        return
    for each in resources:
        if each.type in _KEYS and not each.get(_KEYS[each.type]):
            yield each, f"has no {_KEYS[each.type]}, while the stack has a key of its own"


RULES = (
    Rule("accelerators", "Pools have the accelerators that were agreed on", "mandatory", _accelerators),
    Rule("replicas", "Pools end at the environment's most replicas", "mandatory", _replicas),
    Rule("service-account", "Jobs on a pool name their own account", "mandatory", _service_account),
    Rule("no-public-grants", "Nothing is granted to everybody", "mandatory", _public),
    Rule("no-primitive-roles", "No role reaches a whole project", "mandatory", _primitive),
    Rule("schedule-concurrency", "Few runs at a time", "mandatory", _concurrency),
    Rule("deletion-protection", "What cannot be made again is protected in prod", "mandatory", _protection),
    Rule("labels", "What is billed tells its platform and environment", "mandatory", _labels),
    Rule("no-pool-labels", "No label can replace a pool", "mandatory", _pool_labels),
    Rule("regions", "Everything lies in an agreed region", "mandatory", _regions),
    Rule("cmek-advised", "Prod is encrypted with our own keys", "advisory", _cmek_advised),
)
STACK_RULES = (
    StackRule("pool-protection", "The pool that jobs run on is protected in prod", "mandatory", _pool_protection),
    StackRule("cmek-everywhere", "A stack with a key uses it everywhere", "mandatory", _cmek_everywhere),
)
