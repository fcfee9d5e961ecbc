"""The conditions of `dsl.If`: the subset of CEL that the KFP compiler writes. Parsed, never executed as code.

Grammar: `||`, `&&`, `!`, comparisons, parentheses, the casts int(), double() and string(), literals, and
`inputs.parameter_values['name']`. Numbers compare as numbers whatever their type; values of different kinds are unequal
and have no order.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Expression = Callable[[Mapping[str, Any]], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<parameter>inputs\.parameter_values\[(?:'(?P<single>[^']+)'|"(?P<double>[^"]+)")\])
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    |(?P<op>\|\||&&|==|!=|<=|>=|<|>|!)|(?P<paren>[()])|(?P<word>[A-Za-z_]+))""",
    re.VERBOSE,
)
_CASTS: Mapping[str, Callable[[Any], Any]] = {
    "int": lambda value: int(float(value)) if not isinstance(value, int) else int(value),
    "double": float,
    "string": lambda value: ("true" if value else "false") if isinstance(value, bool) else str(value),
}
_CONSTANTS = {"true": True, "false": False, "null": None}


class ConditionError(ValueError):
    """A condition that cannot be read or, with the values at hand, not be decided."""


def parse(text: str) -> Expression:
    """The condition as a function of the task's input parameters. Raises ConditionError."""
    parser = _Parser(text)
    expression = parser.either()
    parser.expect_end()
    return expression


def holds(text: str, parameters: Mapping[str, Any]) -> bool:
    """Whether the condition is true of these parameters."""
    value = parse(text)(parameters)
    if not isinstance(value, bool):
        raise ConditionError(f"condition {text!r} gives {value!r}, which is neither true nor false")
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._at = 0

    def either(self) -> Expression:
        left = self._both()
        while self._take("op", "||"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Expression:
        left = self._comparison()
        while self._take("op", "&&"):
            left = _both(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._unary()
        for operator in ("==", "!=", "<=", ">=", "<", ">"):
            if self._take("op", operator):
                return self._compared(left, operator, self._unary())
        return left

    def _compared(self, left: Expression, operator: str, right: Expression) -> Expression:
        return lambda values: _compare(self._text, left(values), operator, right(values))

    def _unary(self) -> Expression:
        if self._take("op", "!"):
            inner = self._unary()
            return lambda values: not _boolean(self._text, inner(values))
        return self._primary()

    def _primary(self) -> Expression:
        kind, text = self._next()
        if kind == "paren" and text == "(":
            return self._closed(self.either())
        if kind == "string":
            literal = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _: literal
        if kind == "number":
            number = float(text) if re.search(r"[.eE]", text) else int(text)
            return lambda _: number
        if kind == "parameter":
            return lambda values: self._parameter(values, text)
        if kind == "word" and text in _CONSTANTS:
            return lambda _: _CONSTANTS[text]
        if kind == "word" and text in _CASTS and self._take("paren", "("):
            return self._cast(text, self._closed(self.either()))
        raise ConditionError(f"condition {self._text!r} cannot be read at {text!r}")

    def _cast(self, name: str, inner: Expression) -> Expression:
        def cast(values: Mapping[str, Any]) -> Any:
            value = inner(values)
            try:
                return _CASTS[name](value)
            except (TypeError, ValueError):
                raise ConditionError(f"condition {self._text!r}: {value!r} is no {name}") from None

        return cast

    def _parameter(self, values: Mapping[str, Any], name: str) -> Any:
        if name not in values:
            raise ConditionError(f"condition {self._text!r}: there is no input parameter {name!r}")
        return values[name]

    def _closed(self, inner: Expression) -> Expression:
        if not self._take("paren", ")"):
            raise ConditionError(f"condition {self._text!r}: a parenthesis is not closed")
        return inner

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise ConditionError(f"condition {self._text!r}: unexpected {self._tokens[self._at][1]!r}")

    def _take(self, kind: str, text: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == (kind, text)
        self._at += found
        return found

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ConditionError(f"condition {self._text!r} ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _read(self) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = self._text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise ConditionError(f"condition {self._text!r} cannot be read from {text[position:]!r} on")
            kind = next(name for name in ("parameter", "string", "number", "op", "paren", "word") if match[name])
            tokens.append((kind, (match["single"] or match["double"]) if kind == "parameter" else match[kind]))
            position = match.end()
        return tokens


def _either(left: Expression, right: Expression) -> Expression:
    return lambda values: bool(left(values)) or bool(right(values))


def _both(left: Expression, right: Expression) -> Expression:
    return lambda values: bool(left(values)) and bool(right(values))


def _compare(text: str, left: Any, operator: str, right: Any) -> bool:
    if operator == "==":
        return _equal(left, right)
    if operator == "!=":
        return not _equal(left, right)
    if not (_number(left) and _number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        raise ConditionError(f"condition {text!r}: {left!r} {operator} {right!r} has no meaning")
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def _equal(left: Any, right: Any) -> bool:
    if _number(left) and _number(right):
        return left == right
    return type(left) is type(right) and left == right


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _boolean(text: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConditionError(f"condition {text!r}: !{value!r} has no meaning")
    return value
