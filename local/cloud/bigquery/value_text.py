"""Values as GoogleSQL writes them in text: TO_JSON_STRING and FORMAT.

Owns: the text of a value of a known type. A value comes as JSON with the name of its type in DuckDB. Sources:
https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_encodings and …/format_elements
"""

import base64
import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

_MOST_EXACT = 2**53
_DIRECTIVE = re.compile(r"%([-+ #0']*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z%])")
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")
_NAMED = {"DATE": "DATE", "TIME": "TIME", "TIMESTAMP": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}

Type = tuple[str, tuple[tuple[str, Any], ...]]  # the name and, of LIST, STRUCT and TUPLE, what it holds


def json_text(kind: str, value: str | None, *, exact: bool) -> str:
    """TO_JSON_STRING of a value; `exact` writes integers beyond 2^53 as strings."""
    return _json(type_of(kind), json.loads(value, parse_float=Decimal), exact=exact) if value is not None else "null"


def formatted(pattern: str, kinds: list[str], values: list[str | None]) -> str | None:
    """FORMAT. Raises ValueError for a directive that its argument does not suit."""
    pairs = [(type_of(kind), value) for kind, value in zip(kinds, values, strict=True)]
    arguments = iter([(kind, None if value is None else _loaded(value)) for kind, value in pairs])
    out: list[str] = []
    end = 0
    for found in _DIRECTIVE.finditer(pattern):
        out.append(pattern[end : found.start()])
        end = found.end()
        text = "%" if found.group(4) == "%" else _directive(found, arguments)
        if text is None:
            return None
        out.append(text)
    if next(arguments, None) is not None:
        raise ValueError(f"Too many arguments to FORMAT for pattern {pattern!r}")
    rest = pattern[end:]
    if "%" in rest or any("%" in each for each in out[::2]):
        raise ValueError(f"Invalid format specifier in FORMAT string {pattern!r}")
    return "".join([*out, rest])


def _loaded(value: str) -> Any:
    return json.loads(value, parse_float=Decimal)


def _directive(found: re.Match[str], arguments: Iterator[tuple[Type, Any]]) -> str | None:
    flags, width, precision, letter = found.groups()
    width, precision = (_size(each, arguments) for each in (width, precision))
    kind, value = _next(arguments, found.group())
    if letter in "tT":
        text = _shown(kind, value, typed=letter == "T")
        return _padded(text, flags, width)
    if value is None:
        return None
    if letter in "pP":
        return _padded(json.dumps(value, separators=(",", ":"), indent=2 if letter == "P" else None), flags, width)
    if letter == "s":
        if kind[0] != "VARCHAR":
            raise ValueError(f"Invalid type for argument of {found.group()}: STRING is expected, not {kind[0]}")
        return _padded(value[: int(precision)] if precision else value, flags, width)
    return _number(found.group(), flags, width, precision, letter, value)


def _number(spec: str, flags: str, width: str, precision: str, letter: str, value: Any) -> str:
    whole = letter in "dioxX"
    if isinstance(value, (str, bool, list, dict)) or (whole and not isinstance(value, int)):
        raise ValueError(f"Invalid type for argument of {spec}")
    if not whole and letter not in "fFeEgG":
        raise ValueError(f"Invalid format specifier {spec}")
    plain = flags.replace("'", "")
    text = f"%{plain}{width}{'.' + precision if precision else ''}{letter}" % (value if whole else float(value))
    if "'" not in flags:
        return text
    return re.sub(r"\d+", lambda digits: f"{int(digits.group()):,}", text, count=1)


def _size(given: str | None, arguments: Iterator[tuple[Type, Any]]) -> str:
    return str(_next(arguments, "*")[1]) if given == "*" else given or ""


def _next(arguments: Iterator[tuple[Type, Any]], spec: str) -> tuple[Type, Any]:
    found = next(arguments, None)
    if found is None:
        raise ValueError(f"Too few arguments to FORMAT: none is left for {spec}")
    return found


def _padded(text: str, flags: str, width: str) -> str:
    size = int(width or 0)
    return text.ljust(abs(size)) if "-" in flags or size < 0 else text.rjust(size)


def _shown(kind: Type, value: Any, *, typed: bool) -> str:
    """%t, and %T where `typed`: a literal of the type."""
    name, inner = kind
    if value is None:
        return "NULL"
    if name == "LIST":
        return f"[{', '.join(_shown(inner[0][1], each, typed=typed) for each in value)}]"
    if name in ("STRUCT", "TUPLE"):
        items = value.values() if isinstance(value, dict) else value
        return f"({', '.join(_shown(of, each, typed=typed) for (_, of), each in zip(inner, items, strict=True))})"
    write = _SHOWN.get(name.partition("(")[0], _shown_text)
    return write(name, value, typed)


def _shown_text(name: str, value: Any, typed: bool) -> str:  # noqa: FBT001
    quoted = json.dumps(value, ensure_ascii=False)
    return (f"{_NAMED[name]} {quoted}" if name in _NAMED else quoted) if typed else str(value)


def _shown_bytes(name: str, value: Any, typed: bool) -> str:  # noqa: ARG001, FBT001
    raw = _bytes(value)
    if not typed:
        return raw.decode("utf-8", "replace")
    plain = "".join(chr(each) if 32 <= each < 127 else f"\\x{each:02x}" for each in raw.replace(b"\\", b"\\\\"))
    return 'b"' + plain.replace('"', '\\"') + '"'


def _shown_json(name: str, value: Any, typed: bool) -> str:  # noqa: ARG001, FBT001
    text = json.dumps(value, separators=(",", ":"))
    return f"JSON {json.dumps(text)}" if typed else text


_SHOWN: dict[str, Callable[[str, Any, bool], str]] = {
    "BLOB": _shown_bytes,
    "BOOLEAN": lambda _, value, __: "true" if value else "false",
    "DECIMAL": lambda _, value, typed: f'NUMERIC "{_decimal(value)}"' if typed else _decimal(value),
    "DOUBLE": lambda _, value, typed: _float(value, typed=typed),
    "JSON": _shown_json,
}


def _json(kind: Type, value: Any, *, exact: bool) -> str:
    name, inner = kind
    if value is None:
        return "null"
    if name == "LIST":
        return f"[{','.join(_json(inner[0][1], each, exact=exact) for each in value)}]"
    if name in ("STRUCT", "TUPLE"):
        keys = list(value) if name == "STRUCT" else [f"_field_{index}" for index in range(1, len(value) + 1)]
        items = value.values() if name == "STRUCT" else value
        texts = [_json(of, each, exact=exact) for (_, of), each in zip(inner, items, strict=True)]
        return "{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in zip(keys, texts, strict=True)) + "}"
    if name in ("BIGINT", "HUGEINT") and exact and abs(value) > _MOST_EXACT:
        return f'"{value}"'
    return _JSON.get(name.partition("(")[0], _plain_json)(value)


def _plain_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def _json_time(value: str) -> str:
    return f'"{value.replace(" ", "T", 1).replace("+00", "Z")}"'


def _json_float(value: float) -> str:
    if not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _float(value: Any, *, typed: bool) -> str:
    number = float(value)
    if math.isfinite(number):
        return repr(number)
    text = "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
    return f'CAST("{text}" AS FLOAT64)' if typed else text


def _decimal(value: Any) -> str:
    text = format(Decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_JSON: dict[str, Callable[[Any], str]] = {
    "BLOB": lambda value: f'"{base64.b64encode(_bytes(value)).decode()}"',
    "DECIMAL": _decimal,
    "DOUBLE": lambda value: _json_float(float(value)),
    "TIMESTAMP": _json_time,
    "TIMESTAMP WITH TIME ZONE": _json_time,
}


def _bytes(text: str) -> bytes:
    """DuckDB writes bytes beyond ASCII as \\xHH."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text).encode("latin-1")


@lru_cache(maxsize=1000)
def type_of(text: str) -> Type:
    """`STRUCT(a BIGINT, b DATE[])` as names and what they hold."""
    text = text.strip()
    if text.endswith("]"):
        return "LIST", (("", type_of(text[: text.rindex("[")])),)
    for name in ("STRUCT", "TUPLE"):
        if text.startswith(f"{name}("):
            parts = _parts(text[len(name) + 1 : -1])
            return name, tuple(_member(each) if name == "STRUCT" else ("", type_of(each)) for each in parts)
    return text, ()


def _member(text: str) -> tuple[str, Type]:
    if not text.startswith('"'):
        name, _, kind = text.partition(" ")
        return name, type_of(kind)
    end = next(at for at in range(1, len(text)) if text[at] == '"' and text[at + 1] == " ")
    return text[1:end].replace('""', '"'), type_of(text[end + 1 :])


def _parts(text: str) -> list[str]:
    """Split at the commas that no bracket holds."""
    parts, depth, start, quoted = [], 0, 0, False
    for at, letter in enumerate(text):
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == "," and not depth and not quoted:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]
