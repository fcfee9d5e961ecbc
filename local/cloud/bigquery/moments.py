"""Dates and times of GoogleSQL in DuckDB's words: the rules of dialect.py for them."""

import re
from typing import Any

from sqlglot import exp

from local.cloud.bigquery.nodes import Node, Rule, call, cast, number, renamed, text

_MICROS = {"0": 1_000_000, "3": 1_000, "6": 1}
_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_OWN_ELEMENTS = re.compile(r"%(E|Q|s|Z|z|-|k|l|P|U|W|C|h|r|u|V|G|g|c|x|X|D|R|n|t)")
_CAST_ELEMENTS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MONTH": "%B",
    "MON": "%b",
    "MM": "%m",
    "DDD": "%j",
    "DD": "%d",
    "DAY": "%A",
    "DY": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "HH": "%I",
    "MI": "%M",
    "SSSSS": "%s",
    "SS": "%S",
    "FF6": "%f",
    "AM": "%p",
    "PM": "%p",
    "TZH:TZM": "%Ez",
    "TZH": "%z",
}
_CAST_ELEMENT = re.compile("|".join(_CAST_ELEMENTS), re.IGNORECASE)


def _dated(node: Any) -> Node:
    return cast(node, "DATE")


def _date_trunc(node: Any) -> Node:
    if isinstance(node.this, exp.Literal):
        node.set("this", cast(node.this, "DATE"))
    return call("bq_as", node.this.copy(), node)


def _timestamp_trunc(node: Any) -> Node:
    zone = node.args.get("zone")
    if isinstance(node.this, exp.Literal):
        node.set("this", cast(node.this, "TIMESTAMPTZ"))
    if zone is None:
        return node
    moved = exp.AtTimeZone(this=cast(node.this, "TIMESTAMPTZ"), zone=zone.copy())
    truncated = exp.TimestampTrunc(this=moved, unit=node.args["unit"])
    return exp.AtTimeZone(this=exp.Paren(this=truncated), zone=zone)


def _time_trunc(node: Any) -> Node:
    return call("bq_time_trunc", node.this, text(node.text("unit").lower()))


def _timestamp_diff(node: Any) -> Node:
    """Whole intervals, where DATE_DIFF counts the borders that are crossed."""
    return call("bq_timestamp_diff", node.this, node.expression, text(node.text("unit").lower() or "day"))


def _extract(node: Any) -> Node:
    of = node.expression
    if isinstance(node.this, exp.WeekStart):
        return call("bq_week", of, number(_DAYS.index(node.this.name.upper())))
    part = node.name.upper()
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=_part("dayofweek", of), expression=number(1)))
    if part in ("MILLISECOND", "MICROSECOND"):
        within = 1_000 if part == "MILLISECOND" else 1_000_000
        return exp.Paren(this=exp.Mod(this=_part(part.lower(), of), expression=number(within)))
    if part in ("DATE", "TIME", "DATETIME"):
        return cast(cast(of, "TIMESTAMP"), {"DATETIME": "TIMESTAMP"}.get(part, part))
    if part == "WEEK":
        return call("bq_week", of, number(0))
    return _part({"ISOWEEK": "week", "DAYOFYEAR": "doy"}.get(part) or part.lower(), of)


def _part(part: str, of: Node) -> Node:
    return call("date_part", text(part), of)


def _from_unix(node: Any) -> Node:
    scale = node.args.get("scale")
    factor = _MICROS[scale.name if scale else "0"]
    micros = exp.Mul(this=cast(node.this, "BIGINT"), expression=number(factor))
    return call("make_timestamptz", micros)


def _own(pattern: Any) -> bool:
    """Whether a format is for our own code, since the engine lacks some of its elements or does them otherwise."""
    return not isinstance(pattern, exp.Literal) or bool(_OWN_ELEMENTS.search(pattern.name))


def _parsed(node: Any, kind: str) -> Node:
    pattern, zone = node.args["format"], node.args.get("zone")
    moment = call("make_timestamptz", call("bq_parse_time", pattern, node.this, zone or exp.null()))
    return moment if kind == "TIMESTAMPTZ" else cast(cast(moment, "TIMESTAMP"), kind)


def _parsed_timestamp(node: Any) -> Node:
    if _own(node.args.get("format")):
        return _parsed(node, "TIMESTAMPTZ")
    zone = node.args.get("zone")
    node.set("zone", None)
    if zone is not None:
        return exp.AtTimeZone(this=cast(node, "TIMESTAMP"), zone=zone)
    return cast(node, "TIMESTAMPTZ")


def _parsed_as(kind: str) -> Rule:
    return lambda node: _parsed(node, kind) if _own(node.args.get("format")) else node


def _formatted_time(node: Any) -> Node:
    zone, of = node.args.get("zone"), node.this
    pattern = node.args["format"]
    if isinstance(of, exp.TsOrDsToTimestamp) and (zone is not None or _own(pattern)):
        moment = cast(of.this, "TIMESTAMPTZ")
        if _own(pattern):
            return call("bq_format_time", pattern, call("epoch_us", moment), zone or text("UTC"))
        return exp.TimeToStr(this=exp.AtTimeZone(this=moment, zone=zone), format=pattern)
    if isinstance(of, exp.TsOrDsToTime) or _own(pattern):
        return call("bq_format_time", pattern, call("epoch_us", of), exp.null())
    return node


def cast_with_format(node: Any) -> Node:
    """CAST(… AS STRING FORMAT … [AT TIME ZONE …]) of a date or a time."""
    pattern, zone = node.args["format"], text("UTC")
    if isinstance(pattern, exp.AtTimeZone):
        pattern, zone = pattern.this, pattern.args["zone"]
    written = _CAST_ELEMENT.sub(lambda found: _CAST_ELEMENTS[found.group().upper()], pattern.name)
    return call("bq_cast_time", text(written), node.this, zone)


def _timestamp_array(node: Any) -> Node:
    for key in ("start", "end"):
        node.set(key, cast(node.args[key], "TIMESTAMPTZ"))
    return cast(node, "TIMESTAMPTZ[]")


def _now_in(node: Any) -> Node:
    zone = node.this or text("UTC")
    return exp.AtTimeZone(this=exp.CurrentTimestamp(), zone=zone)


def _string(node: Any) -> Node:
    zone = node.args.get("zone")
    return call("bq_string", node.this) if zone is None else call("bq_string_in", cast(node.this, "TIMESTAMPTZ"), zone)


RULES: dict[type[Node], Rule] = {
    exp.CurrentDate: lambda node: cast(_now_in(node), "DATE"),
    exp.CurrentDatetime: _now_in,
    exp.CurrentTime: lambda node: cast(_now_in(node), "TIME"),
    exp.DateAdd: _dated,
    exp.DateFromUnixDate: _dated,
    exp.DateSub: _dated,
    exp.DateTrunc: _date_trunc,
    exp.Extract: _extract,
    exp.GenerateTimestampArray: _timestamp_array,
    exp.ParseDatetime: _parsed_as("TIMESTAMP"),
    exp.ParseTime: _parsed_as("TIME"),
    exp.StrToDate: _parsed_as("DATE"),
    exp.StrToTime: _parsed_timestamp,
    exp.String: _string,
    exp.TimeToStr: _formatted_time,
    exp.TimeTrunc: _time_trunc,
    exp.TimestampDiff: _timestamp_diff,
    exp.TimestampTrunc: _timestamp_trunc,
    exp.UnixMicros: renamed("epoch_us"),
    exp.UnixMillis: renamed("bq_unix_millis"),
    exp.UnixSeconds: renamed("bq_unix_seconds"),
    exp.UnixToTime: _from_unix,
}
