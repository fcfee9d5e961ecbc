"""What changes in each resource, property by property, in the form in which `pulumi preview --diff` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from engine.outcome import Outcome
from engine.paths import Path, parse
from engine.values import Asset, Properties, Secret, Unknown, Value

SYMBOLS = {"create": "+", "import": "=", "update": "~", "replace": "+-", "delete": "-", "read": ">"}
_MISSING = object()

# A property, an index or a leaf that changes: below it others, or how it changes, from what and to what.
Change: TypeAlias = tuple[str, Value, Value]
Tree: TypeAlias = "dict[str | int, Tree | Change]"


def resource_lines(outcome: Outcome) -> list[str]:
    """One resource with what changes in it; without the margin."""
    if outcome.op == "same":
        return [f"{outcome.type}: (same)", *(f"  [{name}={value}]" for name, value in _identity(outcome))]
    lines = [f"{SYMBOLS.get(outcome.op, ' ').ljust(2)}{outcome.type}: ({outcome.op})"]
    lines += [f"    [{name}={value}]" for name, value in _identity(outcome)]
    if outcome.op in ("create", "import"):
        lines += ["    " + line for line in _listing(_inputs(outcome.new))]
    elif outcome.op in ("update", "replace"):
        lines += ["  " + line for line in _tree_lines(_tree(outcome), 0)]
    return lines


def _identity(outcome: Outcome) -> Iterator[tuple[str, str]]:
    state = outcome.old or outcome.new
    if outcome.old is not None and outcome.old.id:
        yield "id", outcome.old.id
    yield "urn", outcome.urn
    if state is not None and state.provider and not state.is_provider:
        yield "provider", state.provider


def _inputs(state: Any) -> Properties:
    return {} if state is None else _visible(state.inputs)


def _visible(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if not key.startswith("__")}


def _tree(outcome: Outcome) -> Tree:
    """The changes by their paths. What was is taken from the outputs, what will be from the program."""
    root: Tree = {}
    old, new = outcome.old, outcome.new
    for text, kind in outcome.details.items():
        path = parse(text)
        before = _first(path, *((old.outputs, old.inputs) if old else ()))
        after = _first(path, *((new.inputs, new.outputs) if new else ()))
        here = root
        for element in path[:-1]:
            below = here.setdefault(element, {})
            here = below if isinstance(below, dict) else {}
        here[path[-1]] = (kind.removesuffix("-replace"), before, after)
    return root


def _first(path: Path, *places: Properties) -> Value:
    """The value at a path in the first place that has one; None if none has."""
    found = (_at(path, place) for place in places)
    return next((value for value in found if value is not _MISSING), None)


def _at(path: Path, value: Value) -> Value:
    for element in path:
        if isinstance(value, Secret):
            return Secret(None)
        if isinstance(value, Unknown):
            return value
        if isinstance(value, dict):
            value = value.get(str(element), _MISSING)
        elif isinstance(value, list) and isinstance(element, int):
            value = value[element] if element < len(value) else _MISSING
        else:
            return _MISSING
    return value


def _tree_lines(tree: Tree, depth: int) -> Iterator[str]:
    margin = "    " * depth
    width = max((len(str(key)) for key in tree if isinstance(key, str)), default=0)
    for key, node in sorted(tree.items(), key=lambda item: str(item[0])):
        label = f"[{key}]" if isinstance(key, int) else key.ljust(width)
        if not isinstance(node, dict):
            yield from _leaf_lines(margin, label, node)
            continue
        lists = all(isinstance(inner, int) for inner in node)
        yield f"{margin}~ {label}: {'[' if lists else '{'}"
        yield from _tree_lines(node, depth + (2 if isinstance(key, int) else 1))
        yield f"{margin}{'    ' if isinstance(key, int) else ''}  {']' if lists else '}'}"


def _leaf_lines(margin: str, label: str, change: Change) -> Iterator[str]:
    kind, before, after = change
    if kind in ("add", "delete"):
        symbol, value = ("+", after) if kind == "add" else ("-", before)
        yield from _whole_lines(margin, symbol, f"{symbol} {label}", value)
        return
    *old, last = _value_lines(before)
    first, *new = _value_lines(after)
    lines = [*old, f"{last} => {first}", *new]
    yield f"{margin}~ {label}: {lines[0]}"
    yield from (f"{margin}  {line}" for line in lines[1:])


def _whole_lines(margin: str, symbol: str, label: str, value: Value) -> Iterator[str]:
    """A value that comes or goes as a whole, each line of it marked."""
    if isinstance(value, dict) and _visible(value):
        width = max(map(len, value))
        yield f"{margin}{label}: {{"
        for key, item in sorted(_visible(value).items()):
            yield from _whole_lines(f"{margin}    ", symbol, f"{symbol} {key.ljust(width)}", item)
        yield f"{margin}  }}"
    elif isinstance(value, list) and value:
        yield f"{margin}{label}: ["
        for index, item in enumerate(value):
            yield from _item_lines(margin, symbol, index, item)
        yield f"{margin}  ]"
    else:
        yield f"{margin}{label}: {_value_lines(value)[0]}"


def _item_lines(margin: str, symbol: str, index: int, item: Value) -> Iterator[str]:
    lines = _whole_lines(f"{margin}    ", symbol, f"[{index}]", item)
    yield f"{margin}{symbol}     {next(lines).strip()}"
    yield from lines


def _value_lines(value: Value) -> list[str]:
    """A value as one or more lines, the later ones indented against the first."""
    if isinstance(value, Secret):
        return ["[secret]"]
    if isinstance(value, Unknown):
        return ["[unknown]"]
    if isinstance(value, Asset):
        return [f"asset(file:{value.fields['path']})" if "path" in value.fields else "asset(text)"]
    if isinstance(value, dict) and _visible(value):
        return ["{", *("    " + line for line in _listing(_visible(value))), "}"]
    if isinstance(value, list) and value:
        inner = [line for index, item in enumerate(value) for line in _element_lines(index, item)]
        return ["[", *inner, "]"]
    return [json.dumps(value if not isinstance(value, dict) else {}, ensure_ascii=False, default=repr)]


def _element_lines(index: int, item: Value) -> list[str]:
    first, *rest = _value_lines(item)
    return [f"    [{index}]: {first}", *("        " + line for line in rest)]


def _listing(properties: Properties) -> list[str]:
    width = max((len(key) for key in properties), default=0)
    lines: list[str] = []
    for key in sorted(properties):
        first, *rest = _value_lines(properties[key])
        lines += [f"{key.ljust(width)}: {first}", *rest]
    return lines
