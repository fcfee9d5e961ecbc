"""GoogleSQL expressions in DuckDB's words.

Owns: what sqlglot's own translation leaves undone or does otherwise than BigQuery, found by running the reference's
examples. Does not own: names of tables, parameters and statements (translate.py).
"""

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, UnsupportedError

from local.cloud.bigquery.problems import unsupported

Node = exp.Expr

_MICROS = {"0": 1_000_000, "3": 1_000, "6": 1}
_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")


def in_duckdb(expression: Node) -> str:
    """DuckDB's SQL for a GoogleSQL expression or query. Raises for what cannot be said in it."""
    rewritten = _rewritten(expression.copy())
    try:
        return rewritten.sql(dialect=DuckDB, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise unsupported(str(error).split("\n", maxsplit=1)[0]) from None


def _rewritten(node: Node) -> Node:
    """The tree with every rule applied, from the leaves up."""
    for child in list(node.iter_expressions()):
        parent, key, index = child.parent, child.arg_key, child.index
        new = _rewritten(child)
        if new is not child and parent is not None and key is not None:
            parent.set(key, new, index)
    rule = _RULES.get(type(node))
    return rule(node) if rule else node


def _call(name: Any, *arguments: Any) -> Node:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _cast(node: Node, kind: str) -> Node:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


# Numbers


def _literal(node: Any) -> Node:
    """BigQuery's numbers are FLOAT64 and INT64, where DuckDB reads DECIMAL and INT32."""
    if node.is_string or isinstance(node.parent, (exp.DataTypeParam, exp.Interval, exp.DataType)):
        return node
    if "." in node.name or "e" in node.name.lower():
        return _cast(node, "DOUBLE")
    wide = isinstance(node.parent, (exp.Add, exp.Sub, exp.Mul, exp.Array)) or int(node.name) > 2**31 - 1
    return _cast(node, "BIGINT") if wide else node


def _data_type(node: Any) -> Node:
    scale = {exp.DataType.Type.DECIMAL: 9, exp.DataType.Type.BIGDECIMAL: 18}.get(node.this)
    if scale is not None and not node.expressions:
        return exp.DataType.build(f"DECIMAL(38, {scale})", dialect="duckdb")
    return node


def _converted(node: Any) -> Node:
    """FLOAT64 is rounded half away from zero to INT64, where DuckDB rounds half to even."""
    if node.to.this != exp.DataType.Type.BIGINT or isinstance(node.this, (exp.Null, exp.Literal)):
        return node
    whole = _call("bq_int64", node.this)
    return _call("try", whole) if isinstance(node, exp.TryCast) else whole


def _modulo(node: Any) -> Node:
    sides = [each.this if isinstance(each, exp.Paren) else each for each in (node.this, node.expression)]
    return _call("bq_mod", *sides)


def _quantiles(node: Any) -> Node:
    """Exact ones, which an approximation may be."""
    count = int(node.expression.name) if node.expression else 1
    points = [exp.Literal.number(round(each / count, 12)) for each in range(count + 1)]
    return _call("quantile_disc", node.this, exp.Array(expressions=points))


# Arrays


def _array_agg(node: Any) -> Node:
    """DuckDB has no LIMIT inside an aggregate: the first of the whole list are taken."""
    if not isinstance(node.this, exp.Limit):
        return node
    amount, inner = node.this.expression, node.this.this
    node.set("this", inner)
    if isinstance(node.parent, (exp.IgnoreNulls, exp.RespectNulls)):
        node.meta["limit"] = amount
        return node
    return _call("list_slice", node, exp.Literal.number(1), amount)


def _nulls(node: Any) -> Node:
    amount = node.this.meta.get("limit") if isinstance(node.this, exp.ArrayAgg) else None
    return _call("list_slice", node, exp.Literal.number(1), amount) if amount is not None else node


def _bracket(node: Any) -> Node:
    """`[OFFSET(i)]` counts from 0 and `[ORDINAL(i)]` from 1; both refuse what is out of bounds."""
    offset = node.args.get("offset")
    if offset is None or node.args.get("safe") or len(node.expressions) != 1:
        return node
    return _call("bq_offset" if offset == 0 else "bq_ordinal", node.this, node.expressions[0])


# Dates and times


def _dated(node: Any) -> Node:
    return _cast(node, "DATE")


def _date_trunc(node: Any) -> Node:
    return _call("bq_as", node.this.copy(), node)


def _timestamp_trunc(node: Any) -> Node:
    zone = node.args.get("zone")
    if zone is None:
        return node
    moved = exp.AtTimeZone(this=_cast(node.this, "TIMESTAMPTZ"), zone=zone.copy())
    truncated = exp.TimestampTrunc(this=moved, unit=node.args["unit"])
    return exp.AtTimeZone(this=exp.Paren(this=truncated), zone=zone)


def _timestamp_diff(node: Any) -> Node:
    """Whole intervals, where DATE_DIFF counts the borders that are crossed."""
    unit = exp.Literal.string(node.text("unit").lower() or "day")
    return _call("bq_timestamp_diff", node.this, node.expression, unit)


def _extract(node: Any) -> Node:
    of = node.expression
    if isinstance(node.this, exp.WeekStart):
        return _call("bq_week", of, exp.Literal.number(_DAYS.index(node.this.name.upper())))
    part = node.name.upper()
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=_part("dayofweek", of), expression=exp.Literal.number(1)))
    if part in ("MILLISECOND", "MICROSECOND"):
        within = 1_000 if part == "MILLISECOND" else 1_000_000
        return exp.Paren(this=exp.Mod(this=_part(part.lower(), of), expression=exp.Literal.number(within)))
    if part in ("DATE", "TIME", "DATETIME"):
        return _cast(_cast(of, "TIMESTAMP"), {"DATETIME": "TIMESTAMP"}.get(part, part))
    if part == "WEEK":
        return _call("bq_week", of, exp.Literal.number(0))
    return _part("week", of) if part == "ISOWEEK" else node


def _part(part: str, of: Node) -> Node:
    return _call("date_part", exp.Literal.string(part), of)


def _from_unix(node: Any) -> Node:
    scale = node.args.get("scale")
    factor = _MICROS[scale.name if scale else "0"]
    micros = exp.Mul(this=_cast(node.this, "BIGINT"), expression=exp.Literal.number(factor))
    return _call("make_timestamptz", micros)


def _parsed_time(node: Any) -> Node:
    zone = node.args.get("zone")
    node.set("zone", None)
    if zone is not None:
        return exp.AtTimeZone(this=_cast(node, "TIMESTAMP"), zone=zone)
    return _cast(node, "TIMESTAMPTZ")


def _formatted_time(node: Any) -> Node:
    zone = node.args.get("zone")
    if zone is None:
        return node
    moment = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
    moved = exp.AtTimeZone(this=_cast(moment, "TIMESTAMPTZ"), zone=zone)
    return exp.TimeToStr(this=moved, format=node.args["format"])


# Rows


def _unnest(node: Any) -> Node:
    """BigQuery's offsets begin at 0, DuckDB's ordinality at 1."""
    offset = node.args.get("offset")
    if not isinstance(offset, Node):
        return node
    name = offset.name or "offset"
    alias = node.args.get("alias")
    item = alias.columns[0].name if alias and alias.columns else "_item"
    items = node.expressions[0]
    positions = _call("range", _call("len", items.copy()))
    columns = [
        exp.alias_(_call("unnest", items), item, quoted=True),
        exp.alias_(_call("unnest", positions), name, quoted=True),
    ]
    table = exp.TableAlias(this=exp.to_identifier(f"_with_{name}", quoted=True))
    return exp.Subquery(this=exp.Select(expressions=columns), alias=table)


def _renamed(name: str) -> Callable[[Any], Node]:
    return lambda node: _call(name, *node.iter_expressions())


def _tried(kind: type[exp.Binary]) -> Callable[[Any], Node]:
    return lambda node: _call("try", kind(this=node.this, expression=node.expression))


_RULES: dict[type[Node], Callable[[Any], Node]] = {
    exp.ApproxQuantiles: _quantiles,
    exp.ArrayAgg: _array_agg,
    exp.Bracket: _bracket,
    exp.ByteLength: _renamed("bq_byte_length"),
    exp.Cast: _converted,
    exp.CodePointsToString: _renamed("bq_code_points_to_string"),
    exp.DataType: _data_type,
    exp.DateAdd: _dated,
    exp.DateFromUnixDate: _dated,
    exp.DateSub: _dated,
    exp.DateTrunc: _date_trunc,
    exp.Div: _renamed("bq_div"),
    exp.Extract: _extract,
    exp.FarmFingerprint: _renamed("bq_farm_fingerprint"),
    exp.Format: _renamed("printf"),
    exp.IgnoreNulls: _nulls,
    exp.IntDiv: _renamed("bq_int_div"),
    exp.Literal: _literal,
    exp.Mod: _modulo,
    exp.Normalize: lambda node: _call("nfc_normalize", node.this),
    exp.ParseBignumeric: _renamed("bq_parse_numeric"),
    exp.ParseNumeric: _renamed("bq_parse_numeric"),
    exp.RangeBucket: _renamed("bq_range_bucket"),
    exp.RespectNulls: _nulls,
    exp.SafeAdd: _tried(exp.Add),
    exp.SafeConvertBytesToString: _renamed("bq_byte_string"),
    exp.SafeFunc: lambda node: _call("try", node.this),
    exp.SafeMultiply: _tried(exp.Mul),
    exp.SafeSubtract: _tried(exp.Sub),
    exp.StrPosition: _renamed("bq_instr"),
    exp.StrToTime: _parsed_time,
    exp.TimeToStr: _formatted_time,
    exp.TimestampDiff: _timestamp_diff,
    exp.TimestampTrunc: _timestamp_trunc,
    exp.ToCodePoints: _renamed("bq_to_code_points"),
    exp.TryCast: _converted,
    exp.UnixToTime: _from_unix,
    exp.Unnest: _unnest,
}

BY_NAME = {"ERROR": "error", "IEEE_DIVIDE": "bq_ieee_divide"}
"""Functions that sqlglot does not know as BigQuery's, and what they are called in the database."""
_RULES[exp.Anonymous] = lambda node: _call(BY_NAME.get(str(node.name).upper(), str(node.name)), *node.expressions)
