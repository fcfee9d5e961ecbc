# ruff: noqa: FBT001, UP045 - pipelines are written as their users write them
# pyright: reportUnusedExpression=false, reportOptionalMemberAccess=false, reportAttributeAccessIssue=false
from typing import NamedTuple, Optional

import pytest
from kfp import dsl
from kfp.dsl import Dataset, Input

from .compiled import compiled
from .components import add, component, echo, make, one, total, use
from .conftest import Lab, states


@component
def numbers(n: int) -> list: ...


WORK = {
    "add": lambda call: call.inputs["a"] + call.inputs["b"],
    "add-2": lambda call: call.inputs["a"] + call.inputs["b"],
    "echo": lambda call: call.inputs["x"],
    "echo-2": lambda call: call.inputs["x"],
    "echo-3": lambda call: call.inputs["x"],
    "echo-4": lambda call: call.inputs["x"],
    "numbers": lambda call: list(range(call.inputs["n"])),
    "total": lambda call: sum(call.inputs["values"]),
    "make": lambda call: call.output_path("out").write_text(call.inputs.get("name", "m")),
    "use": lambda call: len(call.input_paths("models")),
    "one": lambda call: call.input_paths("model")[0].read_text(),
}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.work = dict(WORK)
    return lab


def output(lab: Lab, path: str, name: str = "Output") -> object:
    return lab.saved[path]["outputs"]["parameters"].get(name)


def test_a_value_goes_from_task_to_task_as_the_type_that_is_declared(lab: Lab) -> None:
    @dsl.pipeline(name="chain")
    def chain(n: int = 3) -> int:
        first = add(a=n)
        return add(a=first.output, b=10).output

    run = lab.run(compiled(chain), n=5.0)
    assert run.state == "SUCCEEDED"
    assert output(lab, "add-2") == 17
    assert lab.calls[0].inputs == {"a": 5, "b": 2}
    assert output(lab, "") == 17


@pytest.mark.parametrize(
    ("n", "flag", "expected"), [(9, "no", "big"), (1, "yes", "asked"), (1, "no", "neither"), (9, "yes", "big")]
)
def test_if_elif_else_runs_one_branch_and_oneof_takes_its_output(lab: Lab, n: int, flag: str, expected: str) -> None:
    @dsl.pipeline(name="branches")
    def branches(n: int, flag: str):
        size = add(a=n, b=0).set_caching_options(False)
        with dsl.If(size.output > 3):
            first = echo(x="big")
        with dsl.Elif(flag == "yes"):
            second = echo(x="asked")
        with dsl.Else():
            third = echo(x="neither")
        echo(x=dsl.OneOf(first.output, second.output, third.output)).set_display_name("chosen")

    run = lab.run(compiled(branches), n=n, flag=flag)
    assert run.state == "SUCCEEDED"
    assert output(lab, "echo-4") == expected
    branches_run = [
        path for path, state in states(run).items() if "condition-branches" in path and state == "NOT_TRIGGERED"
    ]
    assert len(branches_run) == 2


def test_what_is_inside_a_false_condition_never_starts_and_the_run_succeeds(lab: Lab) -> None:
    @dsl.pipeline(name="inner")
    def inner(flag: bool, x: float):
        with dsl.If(flag == True), dsl.If(x >= 0.5):  # noqa: E712 - this is how a condition is written
            echo(x="in")
        echo(x="out")

    spec = compiled(inner)
    assert lab.run(spec, flag=True, x=0.1).state == "SUCCEEDED"
    assert lab.ran() == ["echo-2"]
    lab.run(spec, flag=True, x=0.5)
    assert any(name.endswith("/echo") for name in lab.ran())


def test_a_loop_runs_each_item_and_collects_in_order(lab: Lab) -> None:
    @dsl.pipeline(name="loop")
    def loop(n: int = 4) -> int:
        with dsl.ParallelFor(numbers(n=n).output, parallelism=2) as item:
            each = add(a=item, b=100)
        return total(values=dsl.Collected(each.output)).output

    assert lab.run(compiled(loop)).state == "SUCCEEDED"
    assert output(lab, "total") == 406
    assert lab.saved["for-loop-1/3/add"]["outputs"]["parameters"]["Output"] == 103


def test_a_loop_holds_its_parallelism(lab: Lab) -> None:
    @dsl.pipeline(name="limited")
    def limited():
        with dsl.ParallelFor([1, 2, 3, 4, 5], parallelism=2) as item:
            add(a=item).set_caching_options(False)

    lab.manual = True
    run = lab.start(compiled(limited))
    for finished in range(5):
        run.advance()
        running = [name for name, view in lab.jobs.items() if view.state == "JOB_STATE_RUNNING"]
        assert len(running) == min(2, 5 - finished)
        lab.finish(running[0])
    run.advance()
    assert run.state == "SUCCEEDED"


def test_a_loop_over_nothing_succeeds_with_empty_lists(lab: Lab) -> None:
    @dsl.pipeline(name="empty")
    def empty() -> int:
        with dsl.ParallelFor(numbers(n=0).output) as item:
            each = add(a=item)
        return total(values=dsl.Collected(each.output)).output

    assert lab.run(compiled(empty)).state == "SUCCEEDED"
    assert output(lab, "total") == 0


def test_loops_nest_and_items_are_taken_apart(lab: Lab) -> None:
    @dsl.pipeline(name="nested")
    def nested():
        with dsl.ParallelFor([1, 2]) as outer, dsl.ParallelFor([{"b": 5, "c": 0}, {"b": 6, "c": 0}]) as inner:
            add(a=outer, b=inner.b).set_caching_options(False)

    assert lab.run(compiled(nested)).state == "SUCCEEDED"
    assert sorted(call.inputs["a"] + call.inputs["b"] for call in lab.calls) == [6, 7, 7, 8]


def test_artifacts_of_a_loop_are_collected_into_one_list(lab: Lab) -> None:
    @dsl.pipeline(name="models")
    def models():
        with dsl.ParallelFor(["x", "y", "z"]) as name:
            made = make(name=name)
        use(models=dsl.Collected(made.outputs["out"]))

    assert lab.run(compiled(models)).state == "SUCCEEDED"
    assert output(lab, "use") == 3


def test_a_pipeline_in_a_pipeline_has_its_own_inputs_defaults_and_outputs(lab: Lab) -> None:
    @dsl.pipeline(name="inner-sum")
    def inner(x: int, y: int = 40) -> int:
        return add(a=x, b=y).output

    @dsl.pipeline(name="outer-sum")
    def outer(n: int = 1) -> int:
        return add(a=inner(x=n).output, b=1).output

    assert lab.run(compiled(outer)).state == "SUCCEEDED"
    assert output(lab, "inner-sum/add") == 41
    assert output(lab, "") == 42


def test_an_artifact_goes_from_task_to_task_with_its_metadata(lab: Lab) -> None:
    @dsl.pipeline(name="artifacts")
    def artifacts():
        one(model=make(name="weights").outputs["out"])

    assert lab.run(compiled(artifacts)).state == "SUCCEEDED"
    assert output(lab, "one") == "weights"
    given = lab.calls[1].told["inputs"]["artifacts"]["model"]["artifacts"][0]
    assert given["type"] == {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}
    assert given["uri"].startswith("gs://bucket/root/123/run-1/make_")


def test_an_importer_names_an_artifact_that_exists(lab: Lab) -> None:
    @dsl.container_component
    def read(data: Input[Dataset]):
        return dsl.ContainerSpec(image="python:3.11", command=["cat", data.path, data.metadata["k"]])

    @dsl.pipeline(name="importing")
    def importing(uri: str, key: str = "v"):
        found = dsl.importer(artifact_uri=uri, artifact_class=Dataset, metadata={"k": key})
        read(data=found.output)

    assert lab.run(compiled(importing), uri="gs://bucket/data").state == "SUCCEEDED"
    assert lab.calls[0].argv == ["cat", "/gcs/bucket/data", "v"]


def test_placeholders_of_the_run_are_resolved_in_nested_pipelines_too(lab: Lab) -> None:
    @dsl.pipeline(name="inner-name")
    def inner(name: str) -> str:
        return echo(x=name).output

    @dsl.pipeline(name="outer-name")
    def outer():
        inner(name=f"run {dsl.PIPELINE_JOB_NAME_PLACEHOLDER}")

    lab.run(compiled(outer))
    assert output(lab, "inner-name/echo") == "run run-1"


def test_several_outputs_and_optional_inputs_without_a_value(lab: Lab) -> None:
    @component
    def pair(maybe: Optional[str] = None) -> NamedTuple("Pair", [("first", int), ("second", str)]): ...  # type: ignore[valid-type]

    @dsl.pipeline(name="pairs")
    def pairs():
        both = pair()
        add(a=both.outputs["first"], b=1)
        echo(x=both.outputs["second"])

    lab.work["pair"] = lambda call: {"first": 1, "second": "two"}
    assert lab.run(compiled(pairs)).state == "SUCCEEDED"
    assert lab.calls[0].inputs == {}
    assert (output(lab, "add"), output(lab, "echo")) == (2, "two")
