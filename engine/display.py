"""What the user sees: a plan as a tree like `pulumi preview`'s, progress line by line while it is applied, then
outputs, problems and counts.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Protocol, TextIO

from engine import urns
from engine.detail import resource_lines
from engine.outcome import Outcome, Result, presentable
from engine.values import Properties, Secret, Unknown, Value

SYMBOLS = {
    "create": "+",
    "import": "=",
    "update": "~",
    "replace": "+-",
    "delete": "-",
    "same": " ",
    "read": ">",
    "delete-replaced": "--",
}
_COLORS = {
    "create": "32",
    "update": "33",
    "replace": "35",
    "delete": "31",
    "read": "36",
    "error": "31",
    "warning": "33",
}
_TITLES = {
    "refresh-preview": "Previewing refresh",
    "refresh": "Refreshing",
    "import": "Importing",
    "preview": "Previewing update",
    "up": "Updating",
    "destroy-preview": "Previewing destroy",
    "destroy": "Destroying",
}
_DOING = {
    "create": "creating",
    "import": "importing",
    "update": "updating",
    "replace": "replacing",
    "delete": "deleting",
    "delete-replaced": "deleting original",
}
_DONE = {
    "create": "created",
    "import": "imported",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "delete-replaced": "deleted original",
}
_SUMMARY = [
    ("create", "+", "to create", "created"),
    ("import", "=", "to import", "imported"),
    ("update", "~", "to update", "updated"),
    ("delete", "-", "to delete", "deleted"),
    ("replace", "+-", "to replace", "replaced"),
]


class Display(Protocol):
    """Where a run shows itself."""

    def begin(self, kind: str, stack: str) -> None: ...

    def step(self, outcome: Outcome) -> None: ...

    def finish(self, result: Result) -> None: ...

    def problems(self, result: Result) -> None: ...


class Silent:
    """Shows nothing."""

    def begin(self, kind: str, stack: str) -> None: ...

    def step(self, outcome: Outcome) -> None: ...

    def finish(self, result: Result) -> None: ...

    def problems(self, result: Result) -> None: ...


class Text:
    """Writes to a stream, in colour if it is a terminal."""

    def __init__(
        self, stream: TextIO | None = None, *, show_sames: bool = False, diff: bool = False, outputs: bool = True
    ) -> None:
        """`diff`: a plan tells every property that changes."""
        self._stream = stream or sys.stdout
        self._color = self._stream.isatty()
        self._show_sames = show_sames
        self._diff = diff
        self._outputs_shown = outputs
        self._lock = threading.Lock()
        self._kind = ""

    def _line(self, text: str = "") -> None:
        with self._lock:
            self._stream.write(text.rstrip() + "\n")
            self._stream.flush()

    def _paint(self, text: str, name: str) -> str:
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if self._color and name in _COLORS else text

    def begin(self, kind: str, stack: str) -> None:
        self._kind = kind
        self._line(f"{_TITLES[kind]} ({stack}):")

    def step(self, outcome: Outcome) -> None:
        """Progress of an update; a plan is shown as a whole at its end."""
        hidden = not outcome.shown and outcome.op != "delete-replaced" and not outcome.error
        if "preview" in self._kind or outcome.op == "same" or outcome.status == "planned" or hidden:
            return
        op = outcome.op
        if outcome.status == "running":
            what = _DOING.get(op, op)
        elif outcome.status == "failed":
            what = self._paint("**" + _DOING.get(op, op) + " failed**", "error")
        else:
            what = f"{_DONE.get(op, op)} ({outcome.seconds:.1f}s)"
        info = f" {_info(outcome)}" if outcome.status == "running" and _info(outcome) else ""
        self._line(f" {self._paint(SYMBOLS.get(op, ' ').ljust(2), op)} {_type(outcome)} {outcome.name} {what}{info}")

    def finish(self, result: Result) -> None:
        if result.drift:
            self._line("Found changed since the state was written:")
            self._show(result.drift)
        if "preview" in result.kind:
            self._show(result.outcomes)
        self._diagnostics(result)
        self._kept(result)
        self._outputs(result)
        self._resources(result)

    def _show(self, outcomes: list[Outcome]) -> None:
        if self._diff:
            self._details(outcomes)
        else:
            self._tree(outcomes)

    def _details(self, outcomes: list[Outcome]) -> None:
        """The changed resources below the stack, property by property."""
        for branch, outcome in _rows(outcomes if self._show_sames else _changed_with_parents(outcomes)):
            margin = "  " if outcome.type == urns.STACK_TYPE or not branch else "    "
            for line in resource_lines(outcome):
                symbol = line.strip()[:1]
                self._line(margin + self._paint(line, {"+": "create", "~": "update", "-": "delete"}.get(symbol, "")))
        self._line()

    def _tree(self, outcomes: list[Outcome]) -> None:
        rows = _rows(outcomes if self._show_sames else _changed_with_parents(outcomes))
        if not rows:
            return
        cells = [
            (branch + _type(outcome), outcome.name, "" if outcome.op == "same" else outcome.op, _info(outcome))
            for branch, outcome in rows
        ]
        header = ("Type", "Name", "Plan", "Info" if any(cell[3] for cell in cells) else "")
        widths = [max(len(row[column]) for row in [header, *cells]) for column in range(3)]
        self._line("     " + "  ".join(text.ljust(width) for text, width in zip(header, [*widths, 0], strict=True)))
        for (_, outcome), cell in zip(rows, cells, strict=True):
            text = "  ".join(part.ljust(width) for part, width in zip(cell, [*widths, 0], strict=True))
            self._line(f" {self._paint(SYMBOLS.get(outcome.op, ' ').ljust(2), outcome.op)}  {text}")
        self._line()

    def problems(self, result: Result) -> None:
        """What keeps a plan from being applied."""
        self._line("Diagnostics:")
        for message in result.errors:
            self._line(f"  {self._paint('error:', 'error')} {_indented(message)}")
        self._line()

    def _diagnostics(self, result: Result) -> None:
        if not result.diagnostics:
            return
        self._line("Diagnostics:")
        groups: dict[str, list[str]] = {}
        for item in result.diagnostics:
            label = "" if item.severity == "info" else self._paint(f"{item.severity}:", item.severity) + " "
            groups.setdefault(item.urn, []).append(f"    {label}{_indented(item.message)}")
        for urn, lines in groups.items():
            where = (
                f"{_short(urns.type_of(urn))} ({urns.name_of(urn)})" if urn else f"{urns.STACK_TYPE} ({result.stack})"
            )
            self._line(f"  {where}:")
            for line in lines:
                self._line(line)
        self._line()

    def _kept(self, result: Result) -> None:
        """What is deleted and stays at the service all the same; a plan's tree has it beside each."""
        if "preview" in result.kind:
            return
        names: dict[str, list[str]] = {}
        for outcome in result.outcomes:
            if outcome.op == "delete" and outcome.note and outcome.status != "failed":
                names.setdefault(outcome.note, []).append(outcome.name)
        if names:
            self._line("What was deleted and Google keeps:")
            for note, kept in sorted(names.items()):
                self._line(f"    {note}: {', '.join(sorted(kept))}")
            self._line()

    def _outputs(self, result: Result) -> None:
        lines = (
            list(_output_lines(result.old_outputs, result.outputs, every="preview" not in result.kind))
            if "destroy" not in result.kind and self._outputs_shown
            else []
        )
        if lines:
            self._line("Outputs:")
            for line in lines:
                self._line(line)
            self._line()

    def _resources(self, result: Result) -> None:
        counts, planned = result.changes, "preview" in result.kind
        lines = [
            f"    {self._paint(symbol.ljust(2), op)}{counts[op]} {future if planned else past}"
            for op, symbol, future, past in _SUMMARY
            if counts.get(op)
        ]
        changed = sum(counts.get(op, 0) for op, *_ in _SUMMARY)
        if counts["same"]:
            before = f"{changed} changes. " if changed and len(lines) > 1 else ""
            lines.append(f"    {before}{counts['same']} unchanged")
        self._line("Resources:")
        for line in lines or ["    none"]:
            self._line(line)
        if not planned:
            total = result.seconds.get("apply", 0.0)
            self._line()
            self._line(f"Duration: {total:.1f}s" if total < 60 else f"Duration: {int(total // 60)}m{int(total % 60)}s")
        self._line()


def _type(outcome: Outcome) -> str:
    return _short(outcome.type)


def _short(token: str) -> str:
    """`gcp:storage/bucket:Bucket` is shown as `gcp:storage:Bucket`."""
    parts = token.split(":")
    return ":".join([parts[0], parts[1].split("/")[0], *parts[2:]]) if len(parts) == 3 else token


def _info(outcome: Outcome) -> str:
    parts = [f"[diff: ~{','.join(outcome.diff)}]"] if outcome.diff and outcome.op in ("update", "replace") else []
    if outcome.op == "replace" and outcome.replace_reasons and outcome.replace_reasons != outcome.diff:
        parts.append(f"[replaced by: {','.join(outcome.replace_reasons)}]")
    if outcome.note and outcome.op != "same":
        parts.append(f"({outcome.note})")
    if outcome.error:
        parts.append("error")
    return " ".join(parts)


def _indented(message: str) -> str:
    return message.replace("\n", "\n    ")


def _changed_with_parents(outcomes: list[Outcome]) -> list[Outcome]:
    """What changes, and what it hangs from; the stack always."""
    by_urn = {outcome.urn: outcome for outcome in outcomes}
    wanted: set[str] = set()
    for outcome in outcomes:
        if outcome.op != "same" or outcome.type == urns.STACK_TYPE:
            urn = outcome.urn
            while urn in by_urn and urn not in wanted:
                wanted.add(urn)
                urn = by_urn[urn].parent
    return [outcome for outcome in outcomes if outcome.urn in wanted]


def _rows(outcomes: list[Outcome]) -> list[tuple[str, Outcome]]:
    """The outcomes as a tree: each with the branch before its type. Siblings stand in the order of type and name, since
    the one in which a program's registrations arrive differs from run to run.
    """
    shown = [outcome for outcome in outcomes if outcome.shown or outcome.error]
    known = {outcome.urn for outcome in shown}
    children: dict[str, list[Outcome]] = {}
    for outcome in shown:
        children.setdefault(outcome.parent if outcome.parent in known else "", []).append(outcome)
    rows: list[tuple[str, Outcome]] = []

    def visit(outcome: Outcome, branch: str, below: str) -> None:
        rows.append((branch, outcome))
        inner = sorted(children.get(outcome.urn, []), key=_place)
        for index, child in enumerate(inner):
            last = index == len(inner) - 1
            visit(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))

    for root in sorted(children.get("", []), key=_place):
        visit(root, "", "")
    return rows


def _place(outcome: Outcome) -> tuple[bool, str, str]:
    """The stack, where it is shown, comes before what has no parent."""
    return outcome.type != urns.STACK_TYPE, outcome.type, outcome.name


def _output_lines(old: Properties, new: Properties, *, every: bool) -> list[str]:
    width = max((len(key) for key in {*old, *new}), default=0)
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if key not in old:
            symbol, text = "+", _shown(after)
        elif key not in new:
            symbol, text = "-", _shown(before)
        elif _shown(before) != _shown(after):
            symbol, text = "~", f"{_shown(before)} => {_shown(after)}"
        elif every:
            symbol, text = " ", _shown(after)
        else:
            continue
        lines.append(f"  {symbol if old else ' '} {key.ljust(width)}: {text}")
    return lines


def _shown(value: Value) -> str:
    if isinstance(value, Unknown):
        return "[unknown]"
    if isinstance(value, Secret):
        return "[secret]"
    return json.dumps(_without_unknowns(value), ensure_ascii=False, sort_keys=True)


def _without_unknowns(value: Value) -> Value:
    if isinstance(value, Unknown):
        return "[unknown]"
    if isinstance(value, dict):
        return {key: _without_unknowns(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_unknowns(item) for item in value]
    return presentable(value)
