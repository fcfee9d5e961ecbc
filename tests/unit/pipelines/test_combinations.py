"""Control flow in combination, as strangers write it: each pipeline is compiled by KFP and run without processes."""

# ruff: noqa: FBT001, FBT002, UP045, UP006, UP035 - pipelines are written as their users write them
# pyright: reportUnusedExpression=false, reportOptionalMemberAccess=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportInvalidTypeForm=false
from typing import Any, Dict, List, Optional

import pytest
from kfp import dsl
from kfp.dsl import Dataset, Input, Model

from .compiled import compiled
from .components import add, component, echo, make, one, total, use
from .conftest import Call, Lab, states


@component
def keep(given: dict) -> dict: ...


@component
def boom(x: str = "") -> str: ...


@component
def note(status: dsl.PipelineTaskFinalStatus): ...


@component
def state(status: dict) -> str: ...


@component
def options(text: Optional[str] = None, number: Optional[int] = 7, flag: bool = True, zero: float = 0.0): ...


def fail(_: Call) -> None:
    raise RuntimeError("boom")


def deep(values: Any) -> int:
    return sum(map(deep, values)) if isinstance(values, list) else values


WORK = {
    "add": lambda call: call.inputs["a"] + call.inputs["b"],
    "echo": lambda call: call.inputs["x"],
    "keep": lambda call: {"Output": call.inputs["given"]},
    "total": lambda call: deep(call.inputs["values"]),
    "make": lambda call: call.output_path("out").write_text(call.inputs.get("name", "m")) and None,
    "use": lambda call: len(call.input_paths("models")),
    "one": lambda call: call.input_paths("model")[0].read_text(),
    "boom": fail,
    "state": lambda call: call.inputs["status"]["state"],
}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.work = {f"{name}{suffix}": work for name, work in WORK.items() for suffix in ("", "-2", "-3", "-4")}
    return lab


def output(lab: Lab, path: str, name: str = "Output") -> Any:
    return lab.saved[path]["outputs"]["parameters"].get(name)


def test_nested_loops_collect_into_nested_lists(lab: Lab) -> None:
    @dsl.pipeline(name="grid")
    def grid() -> int:
        with dsl.ParallelFor([1, 2]) as a, dsl.ParallelFor([10, 20], parallelism=1) as b:
            cell = add(a=a, b=b)
        return total(values=dsl.Collected(cell.output)).output

    assert lab.run(compiled(grid)).state == "SUCCEEDED"
    call = next(each for each in lab.calls if each.name == "total")
    assert call.inputs["values"] == [[11, 21], [12, 22]]
    assert output(lab, "") == 66


def test_a_condition_on_a_loop_item_leaves_its_item_out_of_what_is_collected(lab: Lab) -> None:
    @dsl.pipeline(name="odd-ones")
    def odd_ones():
        with dsl.ParallelFor([1, 2, 3]) as item, dsl.If(item != 2):
            kept = add(a=item, b=0)
        total(values=dsl.Collected(kept.output))

    run = lab.run(compiled(odd_ones))
    assert run.state == "SUCCEEDED"
    assert output(lab, "total") == 4
    branches = {path: state for path, state in states(run).items() if "condition" in path.rsplit("/", 1)[-1]}
    assert sorted(branches.values()) == ["NOT_TRIGGERED", "SUCCEEDED", "SUCCEEDED"]
    assert all(f"{path}/add" not in states(run) for path, state in branches.items() if state == "NOT_TRIGGERED")


@pytest.mark.parametrize(("kind", "expected"), [("a", "from a"), ("b", "from b"), ("c", "from c")])
def test_oneof_takes_the_artifact_of_the_branch_that_ran_out_of_a_nested_pipeline(
    lab: Lab, kind: str, expected: str
) -> None:
    @dsl.pipeline
    def chosen(kind: str) -> Model:
        with dsl.If(kind == "a"):
            first = make(name="from a")
        with dsl.Elif(kind == "b"):
            second = make(name="from b")
        with dsl.Else():
            third = make(name="from c")
        return dsl.OneOf(first.outputs["out"], second.outputs["out"], third.outputs["out"])

    @dsl.pipeline(name="outer")
    def outer(kind: str):
        one(model=chosen(kind=kind).output)

    assert lab.run(compiled(outer), kind=kind).state == "SUCCEEDED"
    assert output(lab, "one") == expected


def test_a_pipeline_as_exit_task_branches_on_how_a_nested_handler_ended(lab: Lab) -> None:
    @dsl.pipeline(name="told")
    def told(status: dsl.PipelineTaskFinalStatus):
        with dsl.If(state(status=status).output == "FAILED"):
            echo(x="mail")

    @dsl.pipeline(name="handlers")
    def handlers():
        with dsl.ExitHandler(told(), name="outer"):
            with dsl.ParallelFor(["a", "b"]) as item, dsl.If(item == "b"):
                boom(x=item)
            echo(x="beside")

    run = lab.run(compiled(handlers))
    assert run.state == "FAILED"
    found = {
        path.rsplit("/", 2)[-2] + "/" + path.rsplit("/", 1)[-1] if "/" in path else path: each
        for path, each in states(run).items()
    }
    assert found["told/state"] == found["condition-1/echo"] == found["exit-handler-1/echo"] == "SUCCEEDED"
    assert [each for path, each in states(run).items() if path.endswith("/boom")] == ["FAILED"]
    assert found["exit-handler-1"] == "FAILED"
    assert run.error["message"].endswith("The failed tasks are: [exit-handler-1].")


def test_a_pipeline_task_that_follows_a_failed_one_and_ignores_it_still_runs(lab: Lab) -> None:
    @dsl.pipeline(name="inner")
    def inner(x: str = "by default"):
        echo(x=x)

    @dsl.pipeline(name="forgiving")
    def forgiving():
        failed = boom()
        inner(x=failed.output).ignore_upstream_failure()
        echo(x="needs it").after(failed)

    run = lab.run(compiled(forgiving))
    found = states(run)
    assert run.state == "FAILED"
    assert (found["boom"], found["inner/echo"], found["echo"]) == ("FAILED", "SUCCEEDED", "NOT_TRIGGERED")
    assert output(lab, "inner/echo") == "by default"


def test_a_task_in_a_loop_is_tried_again_on_its_own(lab: Lab) -> None:
    tries: Dict[str, int] = {}

    def flaky(call: Call) -> str:
        item = call.inputs["x"]
        tries[item] = tries.get(item, 0) + 1
        if item == "b" and tries[item] < 3:
            raise RuntimeError("not yet")
        return item

    lab.work["echo"] = flaky

    @dsl.pipeline(name="tries")
    def pipeline():
        with dsl.ParallelFor(["a", "b"]) as item:
            echo(x=item).set_retry(num_retries=2, backoff_duration="10s", backoff_factor=2, backoff_max_duration="15s")

    assert lab.run(compiled(pipeline)).state == "SUCCEEDED"
    assert tries == {"a": 1, "b": 3}
    record = next(each for path, each in lab.saved.items() if path.endswith("/1/echo"))
    assert len(record["failed_jobs"]) == 2
    assert [each["state"] for each in record["history"]] == ["PENDING", "PENDING", "PENDING", "SUCCEEDED"]
    assert [each.get("error", {}).get("message", "")[-7:] for each in record["history"]] == [
        "",
        "not yet",
        "not yet",
        "",
    ]


def test_values_inside_lists_and_structs_come_from_tasks_and_the_run(lab: Lab) -> None:
    @dsl.pipeline(name="nested-values")
    def nested_values(n: int = 0, word: str = ""):
        first = add(a=n, b=0)
        keep(
            given={
                "whole": first.output,
                "list": [n, word, {"deep": first.output}],
                "run": dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
                "text": f"n is {first.output}, word is '{word}'",
            }
        )

    assert lab.run(compiled(nested_values)).state == "SUCCEEDED"
    assert output(lab, "keep")["text"] == "n is 0, word is ''"
    assert output(lab, "keep")["run"] == "run-1"
    assert output(lab, "keep")["list"][2] == {"deep": "0"} or output(lab, "keep")["list"][2] == {"deep": 0}


def test_values_that_are_false_are_values(lab: Lab) -> None:
    @dsl.pipeline(name="false-values")
    def false_values(text: Optional[str] = None, number: int = 0, flag: bool = False):
        options(text=text, number=number, flag=flag)
        options(text="", zero=0.0)

    lab.run(compiled(false_values))
    first, second = (call.inputs for call in lab.calls)
    assert first == {"number": 0, "flag": False, "zero": 0.0}
    assert second["text"] == ""
    assert second["flag"] is True


def test_loops_take_items_apart_and_artifacts_one_by_one(lab: Lab) -> None:
    @dsl.pipeline
    def several() -> List[Model]:
        with dsl.ParallelFor(["p", "q"]) as name:
            made = make(name=name)
        return dsl.Collected(made.outputs["out"])

    @dsl.pipeline(name="items")
    def items(rows: List[Dict[str, int]] = [{"a": 1, "b": 10}, {"a": 2, "b": 20}]):  # noqa: B006 - KFP's default
        with dsl.ParallelFor(rows) as row:
            summed = add(a=row.a, b=row.b)
        total(values=dsl.Collected(summed.output))
        models = several().output
        with dsl.ParallelFor(models) as model:
            one(model=model)
        use(models=models)

    run = lab.run(compiled(items))
    assert run.state == "SUCCEEDED"
    assert output(lab, "total") == 33
    assert output(lab, "use") == 2
    assert sorted(output(lab, path) for path in states(run) if path.endswith("/one")) == ["p", "q"]


def test_a_container_is_told_its_inputs_by_structures_in_its_command(lab: Lab) -> None:
    @dsl.container_component
    def shell(name: str, model: Input[Model], extra: Optional[str] = None, data: Optional[Input[Dataset]] = None):
        return dsl.ContainerSpec(
            image="alpine",
            command=["sh", "-c", "echo $0 $@"],
            args=[
                dsl.ConcatPlaceholder(["--name=", name, "-", dsl.IfPresentPlaceholder("extra", then="x", else_="y")]),
                dsl.IfPresentPlaceholder("extra", then=["--extra", extra], else_=["--plain"]),
                dsl.IfPresentPlaceholder("data", then=["--data", data.uri], else_=["--no-data"]),
                model.path,
                model.metadata["kind"],
            ],
        )

    @dsl.pipeline(name="told")
    def told(name: str = "n"):
        model = dsl.importer(
            artifact_uri="gs://bucket/m", artifact_class=Model, reimport=True, metadata={"kind": name, name: "key"}
        )
        shell(name=name, model=model.output)

    lab.run(compiled(told))
    words = lab.calls[0].argv
    assert words == ["sh", "-c", "echo $0 $@", "--name=n-y", "--plain", "--no-data", "/gcs/bucket/m", "n"]
    assert lab.saved["importer"]["outputs"]["artifacts"]["artifact"][0]["metadata"] == {"kind": "n", "n": "key"}
    assert lab.saved["importer"]["kind"] == "importer"


def test_a_task_has_the_image_environment_and_machine_that_the_pipeline_decides(lab: Lab) -> None:
    @dsl.pipeline(name="machine")
    def machine(image: str = "python:3.12", cores: str = "6", word: str = "w"):
        task = echo(x="x").set_container_image(image).set_cpu_limit(cores).set_memory_limit("4G")
        task.set_env_variable("WORD", "plain")

    lab.run(compiled(machine))
    pool = lab.calls[0].body["jobSpec"]["workerPoolSpecs"][0]
    assert pool["containerSpec"]["imageUri"] == "python:3.12"
    assert {"name": "WORD", "value": "plain"} in pool["containerSpec"]["env"]
    assert pool["machineSpec"]["machineType"] == "e2-standard-8"


def test_a_failure_deep_inside_is_told_at_every_level(lab: Lab) -> None:
    @dsl.pipeline(name="deepest")
    def deepest() -> str:
        return boom().output

    @dsl.pipeline(name="levels")
    def levels():
        with dsl.ParallelFor([1, 2], parallelism=1) as _:
            echo(x=deepest().output)

    run = lab.run(compiled(levels))
    found = states(run)
    assert run.error["message"].endswith("The failed tasks are: [for-loop-2].")
    assert lab.saved["for-loop-2/0/deepest/boom"]["error"]["message"].endswith("boom")
    assert found["for-loop-2/0/echo"] == "NOT_TRIGGERED"
    assert found["for-loop-2/1/deepest"] == "FAILED"
