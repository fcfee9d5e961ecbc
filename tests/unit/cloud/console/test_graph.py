from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from local.cloud.console.graph import Box, picture
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.spec import PipelineSpec

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def task(component: str = "step", *after: str, **more: Any) -> dict[str, Any]:
    return {"componentRef": {"name": component}, "dependentTasks": list(after), **more}


def spec(tasks: dict[str, Any], **components: dict[str, Any]) -> PipelineSpec:
    made = {name: {"dag": {"tasks": inner}} for name, inner in components.items()}
    body = {"pipelineInfo": {"name": "p"}, "root": {"dag": {"tasks": tasks}}}
    return PipelineSpec({**body, "components": {"step": {"executorLabel": "step"}, **made}})


def record(path: str, state: TaskState, start: str = "", end: str = "") -> TaskRecord:
    name = path.rsplit("/", 1)[-1]
    return TaskRecord(path, path, "", name, "container", state, "2026-01-02T03:00:00Z", start, end)


def boxes(root: Box) -> dict[str, Box]:
    return {box.path: box for box in root.everything() if box.path}


def test_a_task_stands_below_all_that_it_waits_for() -> None:
    tasks = {"d": task("step", "b", "c"), "b": task("step", "a"), "c": task("step", "b"), "a": task()}
    found = boxes(picture(spec(tasks), [], NOW))
    assert found["a"].y < found["b"].y < found["c"].y < found["d"].y


def test_no_two_tasks_lie_on_each_other_and_all_lie_within_the_picture() -> None:
    inner = {name: task() for name in ("x", "y", "z")}
    tasks = {"a": task(), "b": task("step", "a"), "group": task("nested", "a"), "last": task("step", "group", "b")}
    root = picture(spec(tasks, nested=inner), [], NOW)
    leaves = [box for box in boxes(root).values() if not box.is_group]
    assert len(leaves) == 6
    for one, other in combinations(leaves, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y
    for box in leaves:
        assert 0 <= box.x <= box.x + box.width <= root.width
        assert 0 <= box.y <= box.y + box.height <= root.height


def test_a_nested_pipeline_is_a_box_around_its_own() -> None:
    found = boxes(picture(spec({"group": task("nested")}, nested={"x": task()}), [], NOW))
    outer, inner = found["group"], found["group/x"]
    assert outer.is_group
    assert outer.x < inner.x
    assert outer.y < inner.y
    assert inner.x + inner.width < outer.x + outer.width
    assert inner.y + inner.height < outer.y + outer.height


def test_a_line_that_others_imply_is_left_out() -> None:
    tasks = {"a": task(), "b": task("step", "a"), "c": task("step", "a", "b")}
    root = picture(spec(tasks), [], NOW)
    assert [(source.path, target.path) for source, target in root.edges] == [("a", "b"), ("b", "c")]
    assert len(list(root.lines())) == 2


def test_a_branch_and_a_loop_say_what_they_are() -> None:
    tasks = {
        "branch": task("nested", triggerPolicy={"condition": "1 == 2"}),
        "loop": task("nested", parameterIterator={"items": {"raw": "[1]"}}, taskInfo={"name": "letters"}),
    }
    found = boxes(picture(spec(tasks, nested={"x": task()}), [], NOW))
    assert found["branch"].name == "if · branch"
    assert found["loop"].name == "for each · letters"


def test_a_task_has_its_state_and_how_long_it_took_or_has_been_at_it() -> None:
    records = [
        record("a", TaskState.SUCCEEDED, "2026-01-02T03:00:00Z", "2026-01-02T03:01:05Z"),
        record("b", TaskState.RUNNING, "2026-01-02T03:04:00Z"),
        record("c", TaskState.NOT_TRIGGERED),
    ]
    found = boxes(picture(spec({name: task() for name in "abcd"}), records, NOW))
    assert [(box.state, box.note) for box in found.values()] == [
        *(("SUCCEEDED", "1 min 5 s"), ("RUNNING", "5.0 s"), ("NOT_TRIGGERED", ""), ("", "")),
    ]


def test_a_task_of_a_loop_shows_the_state_that_most_needs_to_be_seen_and_counts() -> None:
    states = [TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SUCCEEDED]
    records = [record(f"loop/{number}/x", state) for number, state in enumerate(states)]
    records += [record(f"loop/{number}", TaskState.SUCCEEDED) for number in range(3)]
    loop = task("nested", parameterIterator={"items": {"raw": "[1]"}})
    found = boxes(picture(spec({"loop": loop}, nested={"x": task()}), records, NOW))
    assert (found["loop/x"].state, found["loop/x"].note) == ("FAILED", "2 succeeded, 1 failed")
    assert found["loop"].note == "3 succeeded"


def test_a_long_name_is_cut_in_the_box_alone() -> None:
    name = "a-task-with-a-very-long-name-indeed"
    box = boxes(picture(spec({name: task()}), [], NOW))[name]
    assert box.name == name
    assert box.short_name.endswith("…")
    assert len(box.short_name) == 22
