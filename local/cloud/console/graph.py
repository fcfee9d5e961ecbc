"""A pipeline as a picture: where each task's box lies, and the lines between them.

Owns: the layout, in the units of an SVG; tasks stand below what they wait for, a nested pipeline is a box around its
own. Does not own: how it is drawn (templates/graph.svg), or what states there are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.console.words import between, duration
from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.spec import PipelineSpec, upstream

_WIDTH, _HEIGHT = 208, 50
_GAP_X, _GAP_Y = 22, 34
_PAD, _CAPTION = 16, 26
_MOST_LETTERS = 22
_FIRST_OF = (
    *(TaskState.FAILED, TaskState.RUNNING, TaskState.CANCEL_PENDING, TaskState.PENDING, TaskState.CANCELLED),
    *(TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.NOT_TRIGGERED),
)


@dataclass
class Box:
    """A task, or a nested pipeline around its `children`. `x` and `y` are of its upper left corner in the picture."""

    path: str
    name: str
    state: str = "PENDING"
    note: str = ""
    is_group: bool = False
    width: float = _WIDTH
    height: float = _HEIGHT
    x: float = 0.0
    y: float = 0.0
    children: list["Box"] = field(default_factory=list)
    edges: list[tuple["Box", "Box"]] = field(default_factory=list)

    @property
    def short_name(self) -> str:
        return self.name if len(self.name) <= _MOST_LETTERS else f"{self.name[: _MOST_LETTERS - 1]}…"

    def everything(self) -> Iterable["Box"]:
        """This box and all within it, outer ones first."""
        yield self
        for child in self.children:
            yield from child.everything()

    def lines(self) -> Iterable[str]:
        """The paths of all edges within it."""
        for source, target in self.edges:
            x1, y1 = source.x + source.width / 2, source.y + source.height
            x2, y2 = target.x + target.width / 2, target.y - 5
            bend = max(14.0, (y2 - y1) / 2)
            yield f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
        for child in self.children:
            yield from child.lines()


def picture(spec: PipelineSpec, records: Iterable[TaskRecord], now: Any) -> Box:
    """The whole pipeline with the states of a run's tasks; its own box has no border and begins at 0, 0."""
    found: dict[str, list[TaskRecord]] = {}
    for record in records:
        found.setdefault(place_of(record.path), []).append(record)
    root = _arranged(spec, spec.root["dag"], "", Box("", spec.name, is_group=True), caption=4)
    for box in root.everything():
        _fill(box, found.get(box.path, []), now)
    _move(root, 0, 0)
    return root


def place_of(path: str) -> str:
    """A record's place in the spec: its path without the numbers of iterations."""
    return "/".join(part for part in path.split("/") if not part.isdigit())


def state_of(records: Iterable[TaskRecord]) -> TaskState | None:
    """One state for all iterations of a task: the one that most needs to be seen."""
    states = {record.state for record in records}
    return next((state for state in _FIRST_OF if state in states), None)


def _fill(box: Box, records: list[TaskRecord], now: Any) -> None:
    leaves = [each for each in records if each.path.rsplit("/", 1)[-1].isdigit()] or records
    state = state_of(records)
    box.state = state.value if state else ""
    if len(leaves) > 1:
        counts = Counter(record.state for record in leaves)
        box.note = ", ".join(f"{count} {each.value.lower()}" for each, count in counts.most_common(2))
    elif records:
        seconds = between(records[0].start_time, records[0].end_time, now)
        box.note = duration(seconds) if state is not TaskState.NOT_TRIGGERED else ""


def _arranged(spec: PipelineSpec, dag: Mapping[str, Any], path: str, box: Box, *, caption: float = _CAPTION) -> Box:
    """A nested pipeline with its tasks in rows; positions are relative to the box until `_move`."""
    tasks = dag["tasks"]
    boxes = {name: _box(spec, name, task, f"{path}/{name}" if path else name) for name, task in tasks.items()}
    needs = {name: {each for each in upstream(task) if each in tasks} for name, task in tasks.items()}
    rows = _rows(needs)
    widths = [sum(boxes[name].width for name in row) + _GAP_X * (len(row) - 1) for row in rows]
    box.width = max(widths, default=0) + 2 * _PAD
    top = caption
    for row, width in zip(rows, widths, strict=True):
        left = (box.width - width) / 2
        for name in row:
            boxes[name].x, boxes[name].y = left, top
            left += boxes[name].width + _GAP_X
        top += max(boxes[name].height for name in row) + _GAP_Y
    box.height = top - _GAP_Y + _PAD
    box.children = list(boxes.values())
    box.edges = [(boxes[source], boxes[name]) for name in tasks for source in sorted(_direct(needs, name))]
    return box


def _box(spec: PipelineSpec, name: str, task: Mapping[str, Any], path: str) -> Box:
    component = spec.component(task)
    shown = task.get("taskInfo", {}).get("name") or name
    if "dag" not in component:
        return Box(path, shown)
    if task.get("parameterIterator") or task.get("artifactIterator"):
        shown = f"for each · {shown}"
    elif task.get("triggerPolicy", {}).get("condition"):
        shown = f"if · {shown}"
    return _arranged(spec, component["dag"], path, Box(path, shown, is_group=True))


def _rows(needs: Mapping[str, set[str]]) -> list[list[str]]:
    """Each task one row below the lowest of those that it waits for, in a row under what it hangs from."""
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((depth_of(each) for each in needs[name]), default=-1)
        return depth[name]

    rows: list[list[str]] = []
    for name in needs:
        while len(rows) <= depth_of(name):
            rows.append([])
        rows[depth_of(name)].append(name)
    place: dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda name: _mean([place[each] for each in needs[name]]))
        place |= {name: (index + 0.5) / len(row) for index, name in enumerate(row)}
    return rows


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _direct(needs: Mapping[str, set[str]], name: str) -> set[str]:
    """What a task waits for, without what it waits for by way of another of them."""
    return {each for each in needs[name] if not any(_leads(needs, each, other) for other in needs[name] - {each})}


def _leads(needs: Mapping[str, set[str]], source: str, target: str) -> bool:
    seen, open_ends = set(), [target]
    while open_ends:
        name = open_ends.pop()
        if source in needs[name]:
            return True
        open_ends += needs[name] - seen
        seen |= needs[name]
    return False


def _move(box: Box, x: float, y: float) -> None:
    box.x, box.y = box.x + x, box.y + y
    for child in box.children:
        _move(child, box.x, box.y)
