"""Which messages a subscription with a filter gets.

Owns: the filter language of https://cloud.google.com/pubsub/docs/subscription-message-filter: comparisons of
attributes, `attributes:key`, hasPrefix, NOT or -, AND, OR, parentheses. AND and OR mix only inside parentheses, as
there. It is parsed, never executed.
"""

import re
from collections.abc import Callable, Mapping

Predicate = Callable[[Mapping[str, str]], bool]

_STRING = r'"((?:[^"\\]|\\.)*)"'
_KEY = rf"(?:{_STRING}|([A-Za-z_][\w-]*))"
_HAS = re.compile(rf"attributes\s*:\s*{_KEY}")
_COMPARE = re.compile(rf"attributes\s*\.\s*{_KEY}\s*(!=|=)\s*{_STRING}")
_PREFIX = re.compile(rf"hasPrefix\s*\(\s*attributes\s*\.\s*{_KEY}\s*,\s*{_STRING}\s*\)")
_WORD = re.compile(r"(AND|OR|NOT)\b|[()-]")


class FilterError(ValueError):
    """Text that is no filter."""


def compiled(text: str) -> Predicate:
    """What the filter selects by a message's attributes; "" selects all. Raises FilterError."""
    if not text.strip():
        return lambda _: True
    reader = _Reader(text)
    predicate = reader.expression()
    if reader.rest():
        raise FilterError(f"filter {text!r}: {reader.rest()!r} is more than one expression")
    return predicate


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :].strip()

    def expression(self) -> Predicate:
        terms = [self._term()]
        joined = self._next_word("AND", "OR")
        word = joined
        while word:
            if word != joined:
                raise FilterError(f"filter {self._text!r} mixes AND and OR: put one of them in parentheses")
            terms.append(self._term())
            word = self._next_word("AND", "OR")
        combine = any if joined == "OR" else all
        return lambda attributes: combine(term(attributes) for term in terms)

    def _term(self) -> Predicate:
        if self._next_word("NOT", "-"):
            inner = self._term()
            return lambda attributes: not inner(attributes)
        if self._next_word("("):
            inner = self.expression()
            if not self._next_word(")"):
                raise FilterError(f"filter {self._text!r} leaves a parenthesis open")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        if found := self._next(_PREFIX):
            key, prefix = _name(found, 1), _unescaped(found[3])
            return lambda attributes: attributes.get(key, "").startswith(prefix) and key in attributes
        if found := self._next(_COMPARE):
            key, equal, value = _name(found, 1), found[3] == "=", _unescaped(found[4])
            return lambda attributes: key in attributes and (attributes[key] == value) == equal
        if found := self._next(_HAS):
            key = _name(found, 1)
            return lambda attributes: key in attributes
        raise FilterError(f"filter {self._text!r}: {self.rest()!r} does not begin with a comparison of attributes")

    def _next_word(self, *wanted: str) -> str:
        self._skip_spaces()
        found = _WORD.match(self._text, self._at)
        if not found or found.group() not in wanted:
            return ""
        self._at = found.end()
        return found.group()

    def _next(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip_spaces()
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _skip_spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1


def _name(found: re.Match[str], group: int) -> str:
    return found[group + 1] if found[group] is None else _unescaped(found[group])


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
