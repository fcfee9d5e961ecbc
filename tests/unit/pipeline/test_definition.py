"""The compiled pipeline: its graph, the jobs that its steps become, its parameters."""

import json
from typing import Any

import pytest

from contracts.job_environment import REQUIRED
from pipeline.custom_jobs import STEPS
from pipeline.definition import compile_pipeline
from tests.unit.pipeline.example import STEPS as STEPS_IMAGE
from tests.unit.pipeline.example import TRAINER, facts, pool

RUN = "{{$.pipeline_job_name}}"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return compile_pipeline(facts())


def job_of(spec: dict[str, Any], step: str, **parameters: Any) -> dict[str, Any]:
    """The CustomJob of a step, as JSON with the given parameters in place of their placeholders."""
    arguments = spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["args"]
    payload = arguments[arguments.index("--payload") + 1]
    declared = spec["components"][f"comp-{step}"]["inputDefinitions"]["parameters"]
    for name, definition in declared.items():
        kind = definition["parameterType"]
        value = parameters.get(
            name, {"NUMBER_INTEGER": 0, "NUMBER_DOUBLE": 0.0, "BOOLEAN": False, "STRUCT": {}}.get(kind, "")
        )
        text = value if isinstance(value, str) else json.dumps(value)
        payload = payload.replace("{{$.inputs.parameters['" + name + "']}}", text)
    return json.loads(payload)


def container_of(spec: dict[str, Any], step: str, **parameters: Any) -> dict[str, Any]:
    return job_of(spec, step, **parameters)["job_spec"]["worker_pool_specs"][0]["container_spec"]


def test_the_same_facts_compile_to_the_same_bytes_every_time(spec: dict[str, Any]) -> None:
    assert json.dumps(spec) == json.dumps(compile_pipeline(facts()))


def test_every_step_is_there_and_promotion_alone_is_conditional(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    condition = next(task for name, task in tasks.items() if name.startswith("condition"))
    assert set(STEPS) - {"promote"} == {name for name in tasks if not name.startswith("condition")}
    assert condition["triggerPolicy"]["condition"].endswith("== 'promote'")
    inner = spec["components"][condition["componentRef"]["name"]]["dag"]["tasks"]
    assert list(inner) == ["promote"]


@pytest.mark.parametrize(
    ("step", "before"),
    [("validate", "extract"), ("train", "validate"), ("evaluate", "train"), ("gate", "evaluate"), ("register", "gate")],
)
def test_each_step_waits_for_the_one_before(spec: dict[str, Any], step: str, before: str) -> None:
    assert before in spec["root"]["dag"]["tasks"][step]["dependentTasks"]


def test_no_step_is_ever_answered_from_the_cache(spec: dict[str, Any]) -> None:
    dags = [spec["root"]["dag"], *(part["dag"] for part in spec["components"].values() if "dag" in part)]
    tasks = [task for dag in dags for task in dag["tasks"].values() if "cachingOptions" in task]
    assert len(tasks) == len(STEPS)
    assert all(not task["cachingOptions"].get("enableCache") for task in tasks)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_runs_by_digest_in_its_own_image(spec: dict[str, Any], step: str) -> None:
    image = TRAINER if step in ("train", "evaluate") else STEPS_IMAGE
    assert container_of(spec, step)["image_uri"] == image


@pytest.mark.parametrize("step", sorted(set(STEPS) - {"train", "evaluate"}))
def test_the_small_steps_ask_for_exactly_the_steps_pool(spec: dict[str, Any], step: str) -> None:
    job = job_of(spec, step, persistent_resource_id="recsys-steps", service_account="sa@acme")["job_spec"]
    wanted = facts().steps_pool
    only = job["worker_pool_specs"][0]
    assert (only["machine_spec"], only["disk_spec"]) == (wanted.machine.as_api(), wanted.disk.as_api())
    assert (job["persistent_resource_id"], job["service_account"]) == ("recsys-steps", "sa@acme")


@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_training_and_evaluation_ask_by_default_for_exactly_the_training_pool(spec: dict[str, Any], step: str) -> None:
    declared = spec["root"]["inputDefinitions"]["parameters"]
    defaults = {name: definition["defaultValue"] for name, definition in declared.items()}
    chief = job_of(spec, step, **defaults)["job_spec"]["worker_pool_specs"][0]
    assert chief["machine_spec"] == facts().training_pool.machine.as_api()
    assert chief["disk_spec"] == facts().training_pool.disk.as_api()
    assert chief["replica_count"] == 1


def test_a_pool_without_accelerators_says_so_in_the_words_of_the_api() -> None:
    declared = compile_pipeline(facts(training_pool=pool("cpu")))["root"]["inputDefinitions"]["parameters"]
    assert declared["accelerator_type"]["defaultValue"] == "ACCELERATOR_TYPE_UNSPECIFIED"
    assert declared["accelerator_count"]["defaultValue"] == 0


def test_parameters_are_typed_and_have_the_stacks_values_as_defaults(spec: dict[str, Any]) -> None:
    declared = spec["root"]["inputDefinitions"]["parameters"]
    kinds = {name: (definition["parameterType"], definition["defaultValue"]) for name, definition in declared.items()}
    assert kinds["max_minutes"] == ("NUMBER_DOUBLE", 30)
    assert kinds["boot_disk_size_gb"] == ("NUMBER_INTEGER", 200)
    assert kinds["persistent_resource_id"] == ("STRING", "recsys-train")
    assert kinds["steps_persistent_resource_id"] == ("STRING", "recsys-steps")
    assert kinds["service_account"] == ("STRING", "sa-pipeline@acme.iam.gserviceaccount.com")
    assert kinds["train_timeout"] == ("STRING", "7200s")


def test_the_trainer_is_started_by_its_frozen_entry_point_with_its_arguments_in_the_environment(
    spec: dict[str, Any],
) -> None:
    container = container_of(spec, "train", max_minutes=7.5, train_args="--seed 3")
    assert container["command"] == ["/usr/bin/bash", "-lc"]
    assert container["args"] == ["python -m train.main $TRAIN_ARGS"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert set(REQUIRED) <= set(environment)
    assert environment["TRAIN_ARGS"] == "--max-minutes 7.5 --seed 3"
    assert environment["RUN_ID"] == environment["REQUEST_ID"] == RUN
    assert environment["STAGING_PREFIX"] == f"gs://acme-artifacts/staging/snapshots/{RUN}"


def test_the_evaluation_reads_this_runs_model_and_data_and_the_champions_model(spec: dict[str, Any]) -> None:
    arguments = container_of(spec, "evaluate", champion_uri="gs://acme/models/old")["args"]
    assert arguments == [
        f"--model-uri=gs://acme-artifacts/models/recsys/{RUN}",
        f"--data-uri=gs://acme-artifacts/staging/snapshots/{RUN}",
        "--champion-uri=gs://acme/models/old",
    ]


def test_a_second_worker_pool_is_empty_until_a_submission_fills_it(spec: dict[str, Any]) -> None:
    assert job_of(spec, "train")["job_spec"]["worker_pool_specs"][1] == {}
    workers = {"replica_count": 3}
    assert job_of(spec, "train", worker_pool=workers)["job_spec"]["worker_pool_specs"][1] == workers


def test_steps_that_opt_out_never_name_a_pool() -> None:
    spec = compile_pipeline(facts(), on_demand={"extract"})
    assert job_of(spec, "extract", persistent_resource_id="recsys-steps")["job_spec"]["persistent_resource_id"] == ""
    named = job_of(spec, "validate", persistent_resource_id="recsys-steps")["job_spec"]["persistent_resource_id"]
    assert named == "recsys-steps"


def test_opting_out_of_a_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="deploy"):
        compile_pipeline(facts(), on_demand={"deploy"})


def test_each_job_is_labelled_with_its_run_and_step(spec: dict[str, Any]) -> None:
    for step in STEPS:
        assert job_of(spec, step)["labels"] == {"run_id": RUN, "step": step}
