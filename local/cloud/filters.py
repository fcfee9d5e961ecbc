"""The `filter` of a list request.

Owns: the grammar of https://google.aip.dev/160 as list methods document it: comparisons, `:`, AND, OR, NOT,
parentheses, juxtaposition as AND, and functions, which the caller supplies. It is parsed, never executed.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local.cloud.errors import invalid_argument

_KEYWORDS = frozenset({"AND", "OR", "NOT"})

Predicate = Callable[[dict[str, Any]], bool]
Function = Callable[[dict[str, Any], str], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op>!=|<=|>=|=~|!~|[=<>:])|(?P<paren>[()])|(?P<comma>,)
    |(?P<minus>-(?=[A-Za-z("]))|(?P<word>(?:[^\s()"'=<>!:,~]|(?<=\.)"(?:[^"\\]|\\.)*")+))""",
    re.VERBOSE,
)


def compiled(text: str, functions: Mapping[str, Function] | None = None) -> Predicate:
    """What `text` selects. Raises INVALID_ARGUMENT for what does not parse."""
    tokens = _tokens(text)
    if not tokens:
        return lambda _: True
    parser = _Parser(text, tokens, functions or {})
    predicate = parser.any_of()
    parser.expect_end()
    return predicate


def field_value(item: Any, path: str) -> Any:
    """What a dotted path leads to; names in either case, quoted where they hold other characters; None if absent."""
    for part in re.findall(r'"((?:[^"\\]|\\.)*)"|([^."]+)', path):
        name = part[0] or part[1]
        if isinstance(item, list):
            item = [value for each in item if (value := field_value(each, name)) is not None]
        elif isinstance(item, dict):
            item = item.get(name, item.get(_camel(name)))
        elif name not in {"string_value", "number_value", "bool_value"}:
            return None  # of a Struct's value, its type may be named: metadata.lr.number_value
        if item is None:
            return None
    return item


class _Parser:
    def __init__(self, text: str, tokens: list[tuple[str, str]], functions: Mapping[str, Function]) -> None:
        self._text = text
        self._tokens = tokens
        self._functions = functions
        self._at = 0

    def any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._keyword("OR"):
            parts.append(self._all_of())
        return lambda item: any(part(item) for part in parts)

    def _all_of(self) -> Predicate:
        parts = [self._term()]
        while self._at < len(self._tokens) and self._peek() not in {("paren", ")"), ("word", "OR")}:
            self._keyword("AND")
            parts.append(self._term())
        return lambda item: all(part(item) for part in parts)

    def _term(self) -> Predicate:
        if self._keyword("NOT") or self._take("minus"):
            negated = self._term()
            return lambda item: not negated(item)
        if self._take("paren", "("):
            inner = self.any_of()
            if not self._take("paren", ")"):
                raise self._error("a parenthesis is not closed")
            return inner
        return self._restriction()

    def _restriction(self) -> Predicate:
        kind, name = self._next()
        if kind not in {"word", "string"} or (kind == "word" and name in _KEYWORDS):
            raise self._error(f"a field is expected at {name!r}")
        if self._take("paren", "("):
            return self._function(name)
        operator = self._take("op")
        if operator is None:
            wanted = _unquoted(kind, name)
            return lambda item: _mentions(item, wanted)
        kind, raw = self._next()
        if kind not in {"word", "string"}:
            raise self._error(f"a value is expected after {operator}")
        value = _unquoted(kind, raw)
        if operator in {"=~", "!~"}:
            pattern = self._pattern(value)
            return lambda item: bool(pattern.search(str(field_value(item, name) or ""))) == (operator == "=~")
        return lambda item: _compare(field_value(item, name), operator, value)

    def _function(self, name: str) -> Predicate:
        arguments = []
        while not self._take("paren", ")"):
            kind, raw = self._next()
            if kind not in {"comma"}:
                arguments.append(_unquoted(kind, raw))
        function = self._functions.get(name)
        if function is None or len(arguments) != 1:
            raise self._error(f"function {name!r} with {len(arguments)} arguments is not known here")
        return lambda item: function(item, arguments[0])

    def _pattern(self, text: str) -> re.Pattern[str]:
        try:
            return re.compile(text)
        except re.error as error:
            raise self._error(f"{text!r} is not a regular expression: {error}") from None

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise self._error(f"unexpected {self._peek()[1]!r}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise self._error("it ends too early")
        self._at += 1
        return token

    def _take(self, kind: str, text: str | None = None) -> str | None:
        token = self._peek()
        if token[0] == kind and text in (None, token[1]):
            self._at += 1
            return token[1]
        return None

    def _keyword(self, word: str) -> bool:
        return self._take("word", word) is not None

    def _error(self, reason: str) -> Exception:
        return invalid_argument([("filter", f"{self._text!r}: {reason}")])


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match or match.end() == position:
            raise invalid_argument([("filter", f"{text!r}: cannot be read from {text[position:]!r} on")])
        tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
        position = match.end()
    return tokens


def _compare(held: Any, operator: str, wanted: str) -> bool:
    if isinstance(held, list) and operator in {"=", ":"}:
        return any(_compare(each, operator, wanted) for each in held) or (wanted == "*" and bool(held))
    if operator == ":":
        return _has(held, wanted)
    if operator == "!=":
        return not _compare(held, "=", wanted)
    if held is None:
        return operator == "=" and wanted in {"", "null"}
    if operator == "=":
        return _equal(held, wanted)
    left, right = _orderable(held, wanted)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def _has(held: Any, wanted: str) -> bool:
    if wanted == "*":
        return held not in (None, "", [], {})
    if isinstance(held, dict):
        return wanted in held
    if held is not None and "*" in wanted:
        return _like(str(held).lower(), wanted.lower())
    return held is not None and wanted.lower() in str(held).lower()


def _like(held: str, pattern: str) -> bool:
    """Whether a text is as a pattern with `*` in it says, the whole of it."""
    return fnmatch.fnmatchcase(held, pattern.replace("[", "[[]"))


def _equal(held: Any, wanted: str) -> bool:
    if isinstance(held, bool):
        return wanted.lower() == str(held).lower()
    if isinstance(held, int | float):
        try:
            return float(wanted) == held
        except ValueError:
            return False
    if "*" in wanted:
        return _like(str(held), wanted)
    moments = _moment(held), _moment(wanted)
    return moments[0] == moments[1] if all(moments) else str(held) == wanted


def _orderable(held: Any, wanted: str) -> tuple[Any, Any]:
    """Both as numbers, as times, or else as texts."""
    try:
        return float(held), float(wanted)
    except (TypeError, ValueError):
        pass
    moments = _moment(held), _moment(wanted)
    return moments if all(moments) else (str(held), wanted)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (
        moment
        if moment.tzinfo
        else datetime.fromisoformat(f"{value}+00:00" if "T" in value else f"{value}T00:00+00:00")
    )


def _mentions(item: Any, wanted: str) -> bool:
    """A bare value selects what holds it anywhere."""
    if isinstance(item, dict):
        return any(_mentions(value, wanted) for value in item.values())
    if isinstance(item, list):
        return any(_mentions(value, wanted) for value in item)
    return wanted.lower() in str(item).lower()


def _unquoted(kind: str, text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "string" else text


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name)
