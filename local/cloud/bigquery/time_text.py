"""FORMAT_TIMESTAMP, PARSE_TIMESTAMP and their like, where the engine's own format elements do not suffice.

Owns: the format elements. A moment is microseconds since 1970. Source:
https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_elements_date_time
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from local.cloud.clock import micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ELEMENT = re.compile(r"%(E\*S|E\dS|E4Y|Ez|-[dHIm]|[A-Za-z%])")
_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "X": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "x": "%m/%d/%y"}
_WHOLE |= {"c": "%a %b %e %H:%M:%S %Y", "E4Y": "%Y", "-d": "%e", "-H": "%k", "-I": "%l", "h": "%b", "r": "%I:%M:%S %p"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_READ = {
    "Y": r"(?P<Y>\d{1,4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"\s?(?P<d>\d{1,2})",
    "H": r"\s?(?P<H>\d{1,2})",
    "I": r"\s?(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "E*S": r"(?P<S>\d{1,2}(?:\.\d+)?)",
    "f": r"(?P<f>\d{1,6})",
    "b": r"(?P<b>[A-Za-z]{3,9})",
    "a": r"(?:[A-Za-z]{3,9})",
    "p": r"(?P<p>[AaPp][Mm])",
    "z": r"(?P<z>[Zz]|[+-]\d{1,2}(?::?\d{2})?)",
    "Z": r"(?P<Z>[A-Za-z_/]+(?:[+-]\d+)?)",
    "j": r"(?P<j>\d{1,3})",
    "s": r"(?P<s>-?\d+)",
    "%": "%",
    "n": r"\s+",
    "t": r"\s+",
}
_READ |= {"e": _READ["d"], "k": _READ["H"], "l": _READ["I"], "B": _READ["b"], "A": _READ["a"], "P": _READ["p"]}
_READ |= {"Ez": _READ["z"]}


def format_time(pattern: str, moment: int, zone: str | None) -> str:
    """`zone` is None for what is no TIMESTAMP: the time is then as it stands."""
    local = (_EPOCH + timedelta(microseconds=moment)).astimezone(ZoneInfo(zone) if zone else UTC)
    return _ELEMENT.sub(lambda found: _written(found.group(1), local, moment, zoned=zone is not None), pattern)


def _written(element: str, local: datetime, moment: int, *, zoned: bool) -> str:
    if whole := _WHOLE.get(element):
        parts = _ELEMENT.finditer(whole)
        texts = {found.group(): _plain(found.group(1), local) for found in parts}
        return re.sub("|".join(map(re.escape, texts)), lambda found: texts[found.group()], whole)
    if element.startswith("E") and element.endswith("S"):
        return local.strftime("%S") + _fraction(element[1:-1], local.microsecond)
    if element == "Q":
        return str((local.month + 2) // 3)
    if element == "s":
        return str(moment // 1_000_000)
    if element in ("z", "Z", "Ez"):
        return _offset(element, local) if zoned else ""
    return _plain(element, local)


def _plain(element: str, local: datetime) -> str:
    return f"{local.year:04}" if element == "Y" else local.strftime(f"%{element}")


def _fraction(digits: str, microsecond: int) -> str:
    text = f"{microsecond:06}"
    text = text.rstrip("0") if digits == "*" else text.ljust(9, "0")[: int(digits)]
    return f".{text}" if text else ""


def _offset(element: str, local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    if element == "Z":
        return "UTC" + (f"{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else "")
    return f"{sign}{hours:02}{':' if element == 'Ez' else ''}{rest:02}"


def parse_time(pattern: str, text: str, zone: str | None) -> int:
    """Raises ValueError for text that does not follow the pattern."""
    found = _expression(pattern).fullmatch(text.strip())
    if found is None:
        raise ValueError(f'Failed to parse input string "{text}" with format {pattern!r}')
    parts = {key: value for key, value in found.groupdict().items() if value is not None}
    if "s" in parts:
        return int(parts["s"]) * 1_000_000
    moment = _moment(parts)
    if "z" in parts:
        return micros(moment.replace(tzinfo=UTC)) - _minutes(parts["z"]) * 60_000_000
    return micros(moment.replace(tzinfo=ZoneInfo(parts.get("Z") or zone or "UTC")).astimezone(UTC))


def _moment(parts: dict[str, str]) -> datetime:
    year = int(parts["Y"]) if "Y" in parts else 1970
    if "y" in parts:
        year = int(parts["y"]) + (1900 if int(parts["y"]) >= 69 else 2000)
    month = _MONTHS.index(parts["b"][:3].lower()) + 1 if "b" in parts else int(parts.get("m", 1))
    hour = int(parts.get("H", 0))
    if "I" in parts:
        hour = int(parts["I"]) % 12 + (12 if parts.get("p", "am").lower() == "pm" else 0)
    seconds, _, fraction = parts.get("S", "0").partition(".")
    micro = int((fraction or parts.get("f", "0"))[:6].ljust(6, "0"))
    moment = datetime(year, month, int(parts.get("d", 1)), hour, int(parts.get("M", 0)), int(seconds), micro)
    return moment + timedelta(days=int(parts["j"]) - 1) if "j" in parts else moment


def _minutes(offset: str) -> int:
    if offset in "Zz":
        return 0
    digits = offset[1:].replace(":", "")
    hours, rest = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    return (int(hours) * 60 + int(rest)) * (-1 if offset[0] == "-" else 1)


@lru_cache(maxsize=200)
def _expression(pattern: str) -> re.Pattern[str]:
    """What text follows the pattern; an element that stands twice must not differ."""
    for element, whole in _WHOLE.items():
        pattern = pattern.replace(f"%{element}", whole)
    seen: set[str] = set()
    out, end = [], 0
    for found in _ELEMENT.finditer(pattern):
        out.append(_literal(pattern[end : found.start()]))
        end = found.end()
        out.append(_reading(found.group(1), seen))
    return re.compile("".join([*out, _literal(pattern[end:])]))


def _reading(element: str, seen: set[str]) -> str:
    known = _READ.get("E*S" if re.fullmatch(r"E\dS", element) else element)
    if known is None:
        raise ValueError(f"Format element '%{element}' is not supported for parsing")
    name = re.search(r"\?P(<\w>)", known)
    if name and name.group(1) in seen:
        return known.replace(f"?P{name.group(1)}", "?:")
    seen.add(name.group(1) if name else "")
    return known


def _literal(text: str) -> str:
    return "".join(r"\s*" if part.isspace() else re.escape(part) for part in re.split(r"(\s+)", text) if part)
