"""Property paths (`resourcePools[0].replicaCount`, `tags["a b"]`, `list[*].id`): parsing, matching, resetting.

They behave as Pulumi's own, which the tests of ignore_changes and replace_on_changes rely on.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from engine.errors import EngineError
from engine.values import Properties, Secret, Value

Path: TypeAlias = tuple[str | int, ...]

_TOKEN = re.compile(r'\["((?:\\"|[^"])*)"\]|\[(\*|-?\d+)\]|\.?([^.\[\]]+)|\.(?=\[)')


def parse(text: str) -> Path:
    """The path that a text writes; raises EngineError if it writes none."""
    elements: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (position == 0 and text[0] == "."):
            raise EngineError(
                f"property path {text!r} cannot be read at position {position}: write it as in "
                "resourcePools[0].replicaCount or labels[*]"
            )
        quoted, index, name = match.groups()
        if quoted is not None:
            elements.append(quoted.replace('\\"', '"'))
        elif index is not None:
            elements.append(index if index == "*" else int(index))
        elif name is not None:
            elements.append(name)
        position = match.end()
    return tuple(elements)


def render(path: Path) -> str:
    parts: list[str] = []
    for element in path:
        if isinstance(element, int):
            parts.append(f"[{element}]")
        elif re.fullmatch(r"\w+", element, re.ASCII):
            parts.append(f".{element}" if parts else element)
        else:
            escaped = element.replace('"', '\\"')
            parts.append(f'["{escaped}"]')
    return "".join(parts)


def contains(pattern: Path, path: Path) -> bool:
    """Whether a path lies at or below a pattern, in which `*` stands for any one element."""
    if len(path) < len(pattern):
        return False
    return all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def reset(path: Path, old: Properties, new: Properties) -> bool:
    """Give `new` at the path the value that `old` has there; False if the two differ in shape on the way, then
    nothing is changed at that place.
    """
    return _reset(path, old, new, reseal=False)


def _open(value: Value) -> tuple[Value, bool]:
    sealed = False
    while isinstance(value, Secret):
        value, sealed = value.value, True
    return value, sealed


def _reset(path: Path, old: Value, new: Value, *, reseal: bool) -> bool:
    """`reseal`: `old` lies in a secret and `new` does not, so what is copied must become one."""
    if not path:
        return False
    old, old_sealed = _open(old)
    new, new_sealed = _open(new)
    reseal = (reseal or old_sealed) and not new_sealed
    if path[0] == "*":
        return _reset_all(path[1:], old, new, reseal=reseal)
    if isinstance(path[0], int):
        return _reset_index(path[0], path[1:], old, new, reseal=reseal)
    return _reset_key(path[0], path[1:], old, new, reseal=reseal)


def _sealed(value: Value, *, reseal: bool) -> Value:
    return Secret(value) if reseal else value


def _reset_index(index: int, rest: Path, old: Value, new: Value, *, reseal: bool) -> bool:
    if not (isinstance(old, list) and isinstance(new, list)):
        return not isinstance(old, list) and not isinstance(new, list)
    in_old, in_new = 0 <= index < len(old), 0 <= index < len(new)
    if not (in_old and in_new):
        return index >= 0 and not rest and in_old == in_new
    if rest:
        return _reset(rest, old[index], new[index], reseal=reseal)
    new[index] = _sealed(old[index], reseal=reseal)
    return True


def _reset_key(key: str, rest: Path, old: Value, new: Value, *, reseal: bool) -> bool:
    has_old = isinstance(old, dict) and key in old
    if rest:
        if not (isinstance(old, dict) and isinstance(new, dict)):
            return not isinstance(old, dict) and not isinstance(new, dict)
        if key not in new:
            return not has_old
        return _reset(rest, old.get(key), new[key], reseal=reseal)
    if has_old:
        if not isinstance(new, dict):
            return False
        new[key] = _sealed(old[key], reseal=reseal)
    elif isinstance(new, dict):
        new.pop(key, None)
    return True


def _reset_all(rest: Path, old: Value, new: Value, *, reseal: bool) -> bool:
    if rest:
        return _reset_below_all(rest, old, new, reseal=reseal)
    if isinstance(new, dict):
        if isinstance(old, dict):
            new.clear()
            new.update({key: _sealed(item, reseal=reseal) for key, item in old.items()})
        return True
    if isinstance(new, list):
        if not isinstance(old, list):
            return True
        new[:] = [_sealed(item, reseal=reseal) for item in old[: len(new)]] + new[len(old) :]
        return len(old) == len(new)
    return False


def _reset_below_all(rest: Path, old: Value, new: Value, *, reseal: bool) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and _reset(rest, item, new[key], reseal=reseal) for key, item in old.items())
    if isinstance(old, list) and isinstance(new, list):
        done = all(_reset(rest, mine, theirs, reseal=reseal) for mine, theirs in zip(old, new, strict=False))
        return done and len(old) == len(new)
    return False
