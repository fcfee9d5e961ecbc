from typing import Any

import pytest

from local.cloud.pipelines.spec import bound_parameters, problems_of


def spec(**tasks: Any) -> dict[str, Any]:
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "p"},
        "root": {"dag": {"tasks": tasks}},
        "components": {"comp": {"executorLabel": "exec"}},
        "deploymentSpec": {"executors": {"exec": {"container": {"image": "python:3.11"}}}},
    }


def task(**more: Any) -> dict[str, Any]:
    return {"componentRef": {"name": "comp"}, **more}


def test_a_sound_spec_has_no_problems() -> None:
    assert problems_of(spec(a=task(), b=task(dependentTasks=["a"]))) == []


@pytest.mark.parametrize(
    ("body", "place", "reason"),
    [
        ({**spec(a=task()), "schemaVersion": "1.0"}, "schemaVersion", "'1.0'"),
        ({**spec(a=task()), "pipelineInfo": {}}, "pipelineInfo.name", "required"),
        (spec(), "root.dag.tasks", "at least one task"),
        (spec(a={"componentRef": {"name": "gone"}}), "tasks['a'].componentRef.name", "'gone' is no component"),
        (spec(a=task(dependentTasks=["gone"])), "tasks['a']", "'gone', which is no task"),
        (spec(a=task(dependentTasks=["b"]), b=task(dependentTasks=["a"])), "root.dag.tasks", "a, b"),
        (spec(a=task(triggerPolicy={"condition": "1 +"})), "triggerPolicy.condition", "'1 +'"),
        ({**spec(a=task()), "deploymentSpec": {}}, "components['comp'].executorLabel", "'exec' is no executor"),
    ],
)
def test_what_could_not_run_is_found_before_it_runs(body: dict[str, Any], place: str, reason: str) -> None:
    found = problems_of(body)
    assert any(place in where and reason in why for where, why in found), found


ROOT = {
    "inputDefinitions": {
        "parameters": {
            "n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0, "isOptional": True},
            "lr": {"parameterType": "NUMBER_DOUBLE"},
            "tag": {"parameterType": "STRING", "isOptional": True},
        }
    }
}


def test_parameters_are_bound_with_defaults_and_types() -> None:
    assert bound_parameters(ROOT, {"lr": 1}) == ({"n": 3, "lr": 1.0}, [])


@pytest.mark.parametrize(
    ("given", "name", "reason"),
    [
        ({}, "lr", "required"),
        ({"lr": "fast"}, "lr", "'fast' is not of type NUMBER_DOUBLE"),
        ({"lr": 1, "n": 2.5}, "n", "2.5 is not of type NUMBER_INTEGER"),
        ({"lr": 1, "epochs": 2}, "epochs", "no such parameter; it has lr, n, tag"),
    ],
)
def test_a_wrong_parameter_is_named(given: dict[str, Any], name: str, reason: str) -> None:
    _, problems = bound_parameters(ROOT, given)
    assert problems
    assert all(name in place and reason in why for place, why in problems)
