"""JSON values, read, changed and written: the JSON functions that the engine lacks or does otherwise.

Owns: JSON text in and out, its members in the order of their names, as BigQuery keeps them. Does not own: the JSON of
other types' values (value_text.py). Source:
https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

_STEP = re.compile(r"""\.(?P<name>[^.\[\]"'*]+)|\."(?P<quoted>[^"]*)"|\[(?P<index>\d+)\]|\['(?P<member>[^']*)'\]""")
_ABSENT = object()

Path = list[str | int]


def parsed(text: str, mode: str) -> str:
    """PARSE_JSON. Raises ValueError for no JSON, and for numbers that no double holds, unless `mode` is round."""
    try:
        return _written(_read(text, exact=mode != "round"))
    except json.JSONDecodeError as error:
        raise ValueError(f"syntax error while parsing JSON: {error}") from None


def members(keys: list[str], values: list[str]) -> str:
    """JSON_OBJECT: of a key that stands twice, the first value holds."""
    if len(keys) != len(values):
        raise ValueError("The number of keys and values must match in JSON_OBJECT")
    made: dict[str, Any] = {}
    for key, value in zip(keys, values, strict=True):
        made.setdefault(key, json.loads(value))
    return _written(made)


def put(text: str, paths: list[str], values: list[str], create: bool) -> str:  # noqa: FBT001
    """JSON_SET, in the order given; a path through a value of another kind is passed over."""
    root = _read(text)
    for path, value in zip(paths, values, strict=True):
        root = _set(root, _steps(path), json.loads(value), create=create)
    return _written(root)


def removed(text: str, paths: list[str]) -> str:
    root = _read(text)
    for path in paths:
        steps = _steps(path)
        if not steps:
            raise ValueError("The JSONPath cannot be '$'")
        holder = _at(root, steps[:-1])
        if _step(holder, steps[-1]) is not _ABSENT:
            del holder[steps[-1]]
    return _written(root)


def appended(text: str, paths: list[str], values: list[str], each: bool) -> str:  # noqa: FBT001
    def grown(held: Any, new: list[Any]) -> Any:
        return [*(held or []), *new] if held is None or isinstance(held, list) else held

    return _with_lists(text, [(_steps(path), value) for path, value in zip(paths, values, strict=True)], grown, each)


def inserted(text: str, paths: list[str], values: list[str], each: bool) -> str:  # noqa: FBT001
    root = text
    for path, value in zip(paths, values, strict=True):
        *before, index = _steps(path) or [""]
        if not isinstance(index, int):
            continue

        def grown(held: Any, new: list[Any], at: int = index) -> Any:
            if held is not None and not isinstance(held, list):
                return held
            items = list(held or [])
            return [*items[:at], *[None] * (at - len(items)), *new, *items[at:]]

        root = _with_lists(root, [(before, value)], grown, each)
    return root


def stripped(text: str, path: str, arrays: bool, empty: bool) -> str:  # noqa: FBT001
    """JSON_STRIP_NULLS."""
    root, steps = _read(text), _steps(path)
    found = _at(root, steps)
    if found is _ABSENT:
        return _written(root)
    bare = _bare(found, arrays=arrays, empty=empty)
    return _written(_set(root, steps, None if bare is _ABSENT else bare, create=False))


def strings(text: str, path: str) -> list[str | None] | None:
    """JSON_VALUE_ARRAY: None for what is no array of scalars."""
    try:
        found = _at(json.loads(text), _steps(path))
    except ValueError:
        return None
    if not isinstance(found, list) or any(isinstance(each, (list, dict)) for each in found):
        return None
    return [each if each is None or isinstance(each, str) else _written(each) for each in found]


def elements(text: str, kind: str) -> list[str]:
    """The elements of INT64_ARRAY and its like as JSON. Raises ValueError for what is no array of the kind."""
    found = _read(text)
    if not isinstance(found, list) or not all(_KINDS[kind](each) for each in found):
        raise ValueError(f"The provided JSON input is not an array of {kind}s")
    return [_written(each) for each in found]


def lax_elements(text: str) -> list[str] | None:
    found = _read(text)
    return [_written(each) for each in found] if isinstance(found, list) else None


def pretty(text: str) -> str:
    return json.dumps(json.loads(text, object_pairs_hook=_first), indent=2, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
}


def _read(text: str, *, exact: bool = False) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_first,
        parse_float=_exactly if exact else float,
        parse_int=_whole if exact else lambda digits: _rounded(int(digits)),
    )


def _rounded(number: int) -> int | float:
    return number if -(2**63) <= number < 2**64 else float(number)


def _whole(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _exactly(digits)


def _exactly(digits: str) -> float:
    number = float(digits)
    if Decimal(repr(number)) != Decimal(digits):
        raise ValueError(f"Input number: {digits} cannot round-trip through string representation")
    return number


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        made.setdefault(key, value)
    return made


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _steps(path: str) -> Path:
    if not path.startswith("$"):
        raise ValueError(f"JSONPath must start with '$', not {path!r}")
    steps: Path = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(f"Invalid token in JSONPath at: {path[at:]}")
        named = next((found[key] for key in ("name", "quoted", "member") if found[key] is not None), "")
        steps.append(int(found["index"]) if found["index"] else named)
        at = found.end()
    return steps


def _step(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and step < len(value) else _ABSENT
    return value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT


def _at(value: Any, steps: Path) -> Any:
    for step in steps:
        value = _step(value, step)
    return value


def _set(held: Any, steps: Path, value: Any, *, create: bool) -> Any:
    if not steps:
        return value
    step, *rest = steps
    old = _step(held, step)
    if old is _ABSENT and not create:
        return held
    if held is None:
        held = [] if isinstance(step, int) else {}
    if isinstance(step, int) and isinstance(held, list):
        held = [*held, *[None] * (step + 1 - len(held))]
    elif not (isinstance(step, str) and isinstance(held, dict)):
        return held
    held[step] = _set(None if old is _ABSENT else old, rest, value, create=create)
    return held


def _with_lists(
    text: str,
    changes: list[tuple[Path, str]],
    grown: Callable[[Any, list[Any]], Any],
    each: bool,  # noqa: FBT001
) -> str:
    root = _read(text)
    for steps, value in changes:
        found, new = _at(root, steps), json.loads(value)
        if found is not _ABSENT:
            items = new if each and isinstance(new, list) else [new]
            root = _set(root, steps, grown(found, items), create=False)
    return _written(root)


def _bare(value: Any, *, arrays: bool, empty: bool) -> Any:
    """Without nulls; absent if nothing is left that may stay."""
    if isinstance(value, dict):
        made: Any = dict(_kept(value.items(), arrays=arrays, empty=empty))
        return made if made or not empty else _ABSENT
    if isinstance(value, list):
        pairs = _kept(enumerate(value), arrays=arrays, empty=empty, nulls=not arrays)
        made = [each for _, each in pairs]
        return made if made or not (empty and arrays) else _ABSENT
    return value


def _kept(pairs: Any, *, arrays: bool, empty: bool, nulls: bool = False) -> Iterator[tuple[Any, Any]]:
    for key, each in pairs:
        bare = _bare(each, arrays=arrays, empty=empty)
        if bare is not _ABSENT and (bare is not None or nulls):
            yield key, bare


FUNCTIONS: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("bq_json_parse", parsed, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("bq_json_members", members, ["VARCHAR[]", "VARCHAR[]"], "VARCHAR"),
    ("bq_json_set", put, ["VARCHAR", "VARCHAR[]", "VARCHAR[]", "BOOLEAN"], "VARCHAR"),
    ("bq_json_remove", removed, ["VARCHAR", "VARCHAR[]"], "VARCHAR"),
    ("bq_json_append", appended, ["VARCHAR", "VARCHAR[]", "VARCHAR[]", "BOOLEAN"], "VARCHAR"),
    ("bq_json_insert", inserted, ["VARCHAR", "VARCHAR[]", "VARCHAR[]", "BOOLEAN"], "VARCHAR"),
    ("bq_json_strip", stripped, ["VARCHAR", "VARCHAR", "BOOLEAN", "BOOLEAN"], "VARCHAR"),
    ("bq_json_elements", elements, ["VARCHAR", "VARCHAR"], "VARCHAR[]"),
    ("bq_json_pretty", pretty, ["VARCHAR"], "VARCHAR"),
)
NULLABLE: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("bq_json_strings", lambda t, p: None if t is None else strings(t, p), ["VARCHAR", "VARCHAR"], "VARCHAR[]"),
    ("bq_json_lax_elements", lambda text: None if text is None else lax_elements(text), ["VARCHAR"], "VARCHAR[]"),
)
