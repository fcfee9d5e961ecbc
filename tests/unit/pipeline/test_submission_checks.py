"""Parameters as people write them, and the pool's rules applied to them before anything is sent."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.pool_spec import MachineSpec, NetworkAccess
from contracts.problems import Refused
from contracts.stack_outputs import PlatformFacts
from pipeline import parameters, preflight
from pipeline.definition import compile_pipeline
from tests.unit.pipeline.example import GPU, facts, pool


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return compile_pipeline(facts())


def check(arguments: Sequence[str], spec: dict[str, Any], platform: PlatformFacts | None = None) -> dict[str, Any]:
    values = parameters.parse(arguments, spec)
    preflight.require_accepted(parameters.defaults(spec) | values, platform or facts(), spec)
    return values


def test_the_stacks_own_values_are_accepted(spec: dict[str, Any]) -> None:
    assert check([], spec) == {}


def test_values_get_the_types_that_the_pipeline_declares(spec: dict[str, Any]) -> None:
    values = parameters.parse(
        ["max_minutes=2.5", "boot_disk_size_gb=300", "restart_job_on_worker_restart=true", "train_args=--seed 3"], spec
    )
    assert values == {
        "max_minutes": 2.5,
        "boot_disk_size_gb": 300,
        "restart_job_on_worker_restart": True,
        "train_args": "--seed 3",
    }


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("epochs=3", r"epochs = '3': the pipeline has no such parameter\. Known: .*max_minutes.*replica_count"),
        ("worker_pool={}", r"worker_pool = '\{\}': the pipeline has no such parameter"),
        ("max_minutes=soon", r"max_minutes = 'soon': the parameter is a number\. Write max_minutes=30"),
        ("boot_disk_size_gb=1.5", r"boot_disk_size_gb = '1\.5': the parameter is a whole number"),
        ("restart_job_on_worker_restart=maybe", r"= 'maybe': the parameter is true or false"),
        ('train_args=--name "x"', r"train_args = '--name \"x\"': the parameter is text without quotation marks"),
        ("train_args={{$.x}}", r"double braces"),
        ("fast", r"argument = 'fast': a parameter is written name=value"),
    ],
)
def test_unknown_names_and_untypeable_values_are_refused(spec: dict[str, Any], argument: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parameters.parse([argument], spec)


def test_all_wrong_arguments_are_told_at_once(spec: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        parameters.parse(["epochs=3", "max_minutes=soon", "fast"], spec)
    assert [problem.key for problem in refused.value.problems] == ["epochs", "max_minutes", "argument"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["machine_type=n1-standard-16"], r"machine_type = 'n1-standard-16': .* must have the pool's machine_type"),
        (["accelerator_type=NVIDIA_TESLA_T4"], r"accelerator_type = 'NVIDIA_TESLA_T4'"),
        (["accelerator_count=2"], r"accelerator_count = 2"),
        (["boot_disk_type=pd-ssd"], r"boot_disk_type = 'pd-ssd'"),
        (["boot_disk_size_gb=100"], r"boot_disk_size_gb = 100"),
        (
            ["replica_count=2"],
            r"replica_count = 2: pool 'recsys-train' has at most 1 replica",
        ),
        (["persistent_resource_id=other"], r"persistent_resource_id = 'other': the stack's pool is 'recsys-train'"),
        (["steps_persistent_resource_id=other"], r"steps_persistent_resource_id = 'other': .*'recsys-steps'"),
        (["service_account="], r"service_account = '': "),
        (["strategy=SPOT"], r"strategy = 'SPOT': a persistent resource has no Spot"),
        (["strategy=CHEAP"], r"strategy = 'CHEAP': the strategies are STANDARD, SPOT, FLEX_START"),
        (["max_minutes=0"], r"max_minutes = 0\.0: the time budget must be above 0"),
        (["max_minutes=nan"], r"max_minutes = nan: the time budget"),
        (["max_minutes=inf"], r"max_minutes = inf: the time budget must be above 0 and at most 30 days"),
        (["max_minutes=1e9"], r"max_minutes = 1000000000\.0: the time budget"),
        (["train_timeout=abc"], r"train_timeout = 'abc': the timeout must be whole seconds"),
        (["train_timeout=0s"], r"train_timeout = '0s'"),
        (["train_timeout=3600"], r"train_timeout = '3600'"),
        (["replica_count=0"], r"replica_count = 0: a job has at least one replica"),
        (["accelerator_count=0"], r"accelerator_count = 0: type and count go together"),
    ],
)
def test_a_job_that_its_pool_would_reject_is_refused_with_reason_and_fix(
    spec: dict[str, Any], arguments: list[str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        check(arguments, spec)


def test_a_job_outside_of_its_pools_network_is_refused(spec: dict[str, Any]) -> None:
    access = NetworkAccess(attachment="att")
    networked = facts(
        training_pool=pool("recsys-train", GPU).model_copy(update={"network": access}),
        steps_pool=pool("recsys-steps").model_copy(update={"network": access}),
    )

    with pytest.raises(Refused, match=r"network = \{\}: the pool of step 'extract' has .*'network_attachment': 'att'"):
        check([], spec, networked)
    check([], compile_pipeline(networked), networked)
    with pytest.raises(Refused, match=r"'network_attachment': 'att'.*: the pool of step 'train' has \{\}"):
        check([], compile_pipeline(networked))


def test_on_demand_any_machine_may_be_asked_for(spec: dict[str, Any]) -> None:
    asked = [
        "persistent_resource_id=",
        "machine_type=a2-highgpu-1g",
        "accelerator_type=NVIDIA_TESLA_A100",
        "strategy=SPOT",
    ]
    assert check(asked, spec)["machine_type"] == "a2-highgpu-1g"


def test_no_accelerator_is_written_as_the_api_wants_it(spec: dict[str, Any]) -> None:
    asked = ["persistent_resource_id=", "machine_type=n1-standard-4", "accelerator_type=", "accelerator_count=0"]
    sent = parameters.for_request(check(asked, spec), spec, facts(), "recsys-1")
    assert sent["accelerator_type"] == "ACCELERATOR_TYPE_UNSPECIFIED"


def test_a_longer_training_gets_a_longer_timeout_unless_one_is_given(spec: dict[str, Any]) -> None:
    def timeout(*arguments: str) -> str:
        return parameters.for_request(parameters.parse(arguments, spec), spec, facts(), "recsys-1")["train_timeout"]

    assert timeout("max_minutes=600") == "75600s"
    assert timeout("max_minutes=600", "train_timeout=90s") == "90s"


def test_more_replicas_become_a_second_worker_pool_like_the_first() -> None:
    platform = facts(training_pool=pool("recsys-train", replica_count=4))
    spec = compile_pipeline(platform)
    values = parameters.parse(["replica_count=3", "max_minutes=5"], spec)
    sent = parameters.for_request(values, spec, platform, "recsys-1")
    workers = sent["worker_pool"]
    assert "replica_count" not in sent
    assert workers["replica_count"] == 2
    assert workers["machine_spec"]["machine_type"] == platform.training_pool.machine.machine_type
    assert workers["disk_spec"] == platform.training_pool.disk.as_api()
    environment = {variable["name"]: variable["value"] for variable in workers["container_spec"]["env"]}
    assert environment["RUN_ID"] == "recsys-1"
    assert environment["TRAIN_ARGS"] == "--max-minutes 5.0 "
    assert "{{" not in str(workers)


def test_one_replica_needs_no_second_worker_pool(spec: dict[str, Any]) -> None:
    assert parameters.for_request({"replica_count": 1}, spec, facts(), "recsys-1") == {}


LARGE = pool("recsys-large-blue", replica_count=2).model_copy(
    update={"name": "recsys-large", "machine": MachineSpec(machine_type="n1-standard-16")}
)


def test_a_submission_that_names_a_further_pool_asks_for_its_machine_and_is_checked_against_it(
    spec: dict[str, Any],
) -> None:
    platform = facts(further_training_pools=(LARGE,))
    chosen = parameters.on_pool("recsys-large", platform)
    preflight.require_accepted(parameters.defaults(spec) | chosen, platform, spec)

    assert chosen["persistent_resource_id"] == "recsys-large-blue"
    assert chosen["machine_type"] == "n1-standard-16"
    with pytest.raises(Refused, match=r"boot_disk_size_gb = 100: a job on pool 'recsys-large-blue' must have"):
        preflight.require_accepted(parameters.defaults(spec) | chosen | {"boot_disk_size_gb": 100}, platform, spec)


def test_a_further_pools_id_without_its_machine_is_refused_by_that_pools_own(spec: dict[str, Any]) -> None:
    words = r"machine_type = 'g2-standard-8': a job on pool 'recsys-large-blue' must have .* 'n1-standard-16'"
    with pytest.raises(Refused, match=words):
        check(["persistent_resource_id=recsys-large-blue"], spec, facts(further_training_pools=(LARGE,)))


def test_a_sleeping_pools_name_means_its_machine_on_demand(spec: dict[str, Any]) -> None:
    asleep = LARGE.model_copy(update={"persistent_resource_id": ""})
    chosen = parameters.on_pool("recsys-large", facts(further_training_pools=(asleep,)))
    assert (chosen["persistent_resource_id"], chosen["machine_type"]) == ("", "n1-standard-16")


def test_a_pool_that_the_stack_has_not_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match=r"--pool = 'recsys-huge': the training pools are recsys-train, recsys-large"):
        parameters.on_pool("recsys-huge", facts(further_training_pools=(LARGE,)))
