"""JSON exactly as Go's encoding/json writes what it has read: the one form of a pipeline spec that a schedule keeps.

The provider compares a schedule's `pipelineSpec`, as a string, with its own Marshal of the service's answer. Any other
form of the same JSON is an update on every preview, for ever (measured with provider 9.35.0).
"""

import json
import math
from decimal import Decimal

_EXACT_INTEGERS = 2**53  # Go reads every number as a float64


def go_json(value: object) -> str:
    """Sorted keys, no spaces, UTF-8 kept, `<`, `>`, `&`, U+2028 and U+2029 escaped, 30.0 as 30."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_string(key)}:{go_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(go_json(item) for item in value) + "]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number(value)
    raise TypeError(f"{value!r} has no JSON form")


def _string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        quoted = quoted.replace(character, f"\\u{ord(character):04x}")
    return quoted


def _number(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"{number!r} has no JSON form")
    if isinstance(number, int) and abs(number) <= _EXACT_INTEGERS:
        return str(number)
    shortest = Decimal(repr(float(number))).normalize()
    if number == 0 or Decimal("1e-6") <= abs(shortest) < Decimal("1e21"):
        return format(shortest, "f")
    sign, digits, exponent = shortest.as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    power = int(exponent) + len(rest)
    return f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{'-' if power < 0 else '+'}{abs(power)}"
