"""Several schedules: when each runs, on what, with which parameters; and what is refused of them together."""

import json
from typing import Any

import pulumi
import pytest

from infra.go_json import go_json
from infra.settings import RefusedSettings
from tests.unit.infra.deploy import Deployment, deploy, main_program, stack_config

KEY = "recsys-training:schedules"
NIGHTLY = stack_config("dev", {})[KEY][0]


def scheduled(*changes: dict[str, Any], **config: Any) -> Deployment:
    schedules = [{**NIGHTLY, "name": f"s{number}", **change} for number, change in enumerate(changes)]
    return deploy(config={KEY: schedules, **config})


def refusal(*changes: dict[str, Any]) -> str:
    with pytest.raises(RefusedSettings) as refused:
        scheduled(*changes)
    return str(refused.value)


def defaults(deployment: Deployment, name: str = "schedule-s0-schedule") -> dict[str, Any]:
    job = deployment.one("colab/schedule:Schedule", name).inputs["createPipelineJobRequest"]["pipelineJob"]
    parameters = json.loads(job["pipelineSpec"])["root"]["inputDefinitions"]["parameters"]
    assert job["pipelineSpec"] == go_json(json.loads(job["pipelineSpec"]))
    return {key: definition.get("defaultValue") for key, definition in parameters.items()}


def test_each_schedule_is_a_resource_under_its_name_and_in_the_outputs() -> None:
    deployment = scheduled({"name": "nightly"}, {"name": "weekly"})

    names = {record.inputs["displayName"] for record in deployment.of_type("colab/schedule:Schedule")}
    assert names == {"recsys-training-nightly", "recsys-training-weekly"}
    assert deployment.outputs["schedules"].keys() == {"nightly", "weekly"}


def test_there_may_be_none() -> None:
    deployment = deploy(config={KEY: []})

    assert deployment.of_type("colab/schedule:Schedule") == []
    assert deployment.outputs["schedules"] == {}


def test_start_end_and_number_of_runs_are_sent_only_where_they_are_given() -> None:
    bounded = {"startTime": "2027-01-01T00:00:00Z", "endTime": "2028-01-01T00:00:00Z", "maxRuns": 12}
    deployment = scheduled({}, bounded)
    unbounded, limited = (
        deployment.one("colab/schedule:Schedule", f"schedule-s{number}-schedule").inputs for number in (0, 1)
    )

    assert {"startTime", "endTime", "maxRunCount"}.isdisjoint(unbounded)
    assert (limited["startTime"], limited["endTime"], limited["maxRunCount"]) == (
        "2027-01-01T00:00:00Z",
        "2028-01-01T00:00:00Z",
        "12",
    )


@pytest.mark.parametrize(
    ("run_on", "pool", "strategy"),
    [
        ("pool", "pool", "STANDARD"),
        ("on-demand", "", "STANDARD"),
        ("spot", "", "SPOT"),
        ("flex-start", "", "FLEX_START"),
    ],
)
def test_what_it_runs_on_is_baked_into_its_spec(run_on: str, pool: str, strategy: str) -> None:
    baked = defaults(scheduled({"runOn": run_on}))

    assert (baked["persistent_resource_id"], baked["strategy"]) == (pool, strategy)


def test_parameters_are_typed_defaults_of_its_spec_alone() -> None:
    deployment = scheduled({"parameters": {"days": 7}}, {})

    assert defaults(deployment)["days"] == 7
    assert defaults(deployment, "schedule-s1-schedule")["days"] == 30


def test_a_schedules_time_budget_changes_the_training_jobs_timeout_too() -> None:
    deployment = deploy(main_program, config={KEY: [{**NIGHTLY, "parameters": {"max_minutes": 600.0}}]})
    baked = defaults(deployment, "schedule-nightly-schedule")
    usual = json.loads(deployment.one("BucketObject").inputs["source"]["text"])["root"]["inputDefinitions"]

    assert baked["max_minutes"] == 600
    assert int(baked["train_timeout"][:-1]) > 600 * 60
    assert usual["parameters"]["max_minutes"]["defaultValue"] == 60


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"dayz": 7}, "dayz = 7: the pipeline has no such parameter. Known: days, max_minutes"),
        ({"days": "7"}, "days = '7': the pipeline's parameter is NUMBER_INTEGER"),
        ({"days": True}, "days = True: the pipeline's parameter is NUMBER_INTEGER"),
    ],
)
def test_a_parameter_that_the_pipeline_lacks_or_types_otherwise_is_refused(
    parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        scheduled({"parameters": parameters})

    assert f"schedule 's0' refused: {words}" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Nightly"}, "schedules[0].name = 'Nightly': is no schedule name"),
        ({"startTime": "tomorrow"}, "schedules[0].startTime = 'tomorrow': is no time in UTC"),
        ({"endTime": "2027-01-01T00:00:00"}, "schedules[0].endTime = '2027-01-01T00:00:00': is no time in UTC"),
        ({"endTime": "2028-01-01T00:00:00+01:00"}, "endTime = '2028-01-01T00:00:00+01:00': is no time in UTC"),
        (
            {"startTime": "2027-01-02T00:00:00Z", "endTime": "2027-01-01T00:00:00Z"},
            "schedules[0].endTime = '2027-01-01T00:00:00Z': is not after startTime",
        ),
        ({"maxRuns": -1}, "schedules[0].maxRuns = -1: must be 0 (no end) to"),
        ({"runOn": "warm"}, "runOn = 'warm': must be one of pool, recsys-train, on-demand, spot, flex-start"),
        ({"parameters": {"strategy": "SPOT"}}, "schedules[0].parameters.strategy = 'SPOT': follows from runOn: a pool"),
        (
            {"parameters": {"persistent_resource_id": "p"}},
            "parameters.persistent_resource_id = 'p': follows from runOn",
        ),
        (
            {"parameters": {"machine_type": "n1-standard-8"}},
            "parameters.machine_type = 'n1-standard-8': follows from the pool that runOn names",
        ),
        ({"parameters": {"days": [7]}}, "schedules[0].parameters.days = [7]: must be text, a number, true or false"),
        ({"crom": "0 3 * * *"}, "schedules[0].crom = '0 3 * * *': is no key of this program. Rename it to"),
    ],
)
def test_a_schedule_that_breaks_a_rule_is_refused_by_its_place(change: dict[str, Any], words: str) -> None:
    assert words in refusal(change)


def test_two_schedules_of_one_name_are_refused() -> None:
    assert "schedules[1].name = 'twin': is the name of another" in refusal({"name": "twin"}, {"name": "twin"})


def test_schedules_that_run_at_once_must_fit_the_pools_together() -> None:
    told = refusal({"paused": False}, {"paused": False})

    assert "maxConcurrentRuns together = 2: recsys-training:trainingPool has at most 1 replica" in told
    assert "together = 2: recsys-training:stepsPool has at most 1 replica" in told


def test_one_that_is_paused_or_trains_elsewhere_takes_no_replica_of_the_training_pool() -> None:
    assert scheduled({"paused": False}, {"paused": True})
    steps = {"recsys-training:stepsPool": {"replicas": 2, "minReplicas": 2, "maxReplicas": 2}}
    assert scheduled({"paused": False}, {"paused": False, "runOn": "spot"}, **steps)
