"""Numbers of GoogleSQL in DuckDB's words, and casts and comparisons: the rules of dialect.py for them."""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery import moments
from local.cloud.bigquery.nodes import Node, Rule, call, cast, renamed, text, tried


def _literal(node: Any) -> Node:
    """BigQuery's numbers are FLOAT64 and INT64, where DuckDB reads DECIMAL and INT32."""
    if node.is_string or isinstance(node.parent, (exp.DataTypeParam, exp.Interval, exp.DataType)):
        return node
    if "." in node.name or "e" in node.name.lower():
        return cast(node, "DOUBLE")
    value = int(node.name)
    if value == 2**63 and isinstance(node.parent, exp.Neg):
        return node  # the smallest INT64: see _negative
    wide = isinstance(node.parent, (exp.Add, exp.Sub)) and not _may_be_date(node)
    wide = wide or isinstance(node.parent, (exp.Mul, exp.Array)) or value > 2**31 - 1
    return cast(node, "BIGINT") if wide else node


def _may_be_date(node: Any) -> bool:
    """Whether the other side of a sum is, or could be, a date, to which only an INT32 of days can be added."""
    other = node.parent.expression if node.parent.this is node else node.parent.this
    if isinstance(other, exp.Cast):
        return other.to.this == exp.DataType.Type.DATE
    return isinstance(other, (exp.Column, exp.CurrentDate, exp.Date, exp.TsOrDsToDate, exp.StrToDate))


def _negative(node: Any) -> Node:
    if isinstance(node.this, exp.Literal) and node.this.name == str(2**63):
        return cast(text(f"-{node.this.name}"), "BIGINT")
    return node


def _data_type(node: Any) -> Node:
    scale = {exp.DataType.Type.DECIMAL: 9, exp.DataType.Type.BIGDECIMAL: 19}.get(node.this)
    if scale is not None and not node.expressions:
        return exp.DataType.build(f"DECIMAL(38, {scale})", dialect="duckdb")
    return node


def _converted(node: Any) -> Node:
    """Casts to INT64 round half away from zero, where DuckDB rounds half to even; text is written otherwise too."""
    kind = node.to.this
    if node.args.get("format") is not None and kind in (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR):
        return moments.cast_with_format(node)
    name = _CAST_BY.get(kind)
    if name is None or node.to.expressions or isinstance(node.this, exp.Null):
        return node
    if name == "bq_int64" and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return node
    value = call(name, node.this)
    return tried(value) if isinstance(node, exp.TryCast) else value


_CAST_BY = {
    exp.DataType.Type.BINARY: "bq_bytes",
    exp.DataType.Type.BOOLEAN: "bq_bool",
    exp.DataType.Type.VARBINARY: "bq_bytes",
    exp.DataType.Type.BIGINT: "bq_int64",
    exp.DataType.Type.TEXT: "bq_string",
    exp.DataType.Type.VARCHAR: "bq_string",
}


def _is_float(node: Node) -> bool:
    """Whether it is FLOAT64 by its form: the types of columns are not known here."""
    if isinstance(node, (exp.Paren, exp.Neg)):
        return _is_float(node.this)
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return node.to.this == exp.DataType.Type.DOUBLE
    return isinstance(node, exp.Anonymous) and node.name in _FLOAT_CALLS


_FLOAT_CALLS = ("bq_div", "bq_ieee_divide", "bq_sqrt", "bq_ln", "bq_log", "bq_pow")


def _compared(node: Any) -> Node:
    """NaN equals nothing and is neither less nor more, where DuckDB takes it for the greatest number."""
    sides = [node.this, node.expression]
    if sides[0] == sides[1] and isinstance(sides[0], exp.Column):
        suspects, test = sides[:1], "bq_nan"
    elif any(map(_is_float, sides)):
        suspects, test = [each for each in sides if not _is_plain_number(each)], "isnan"
    else:
        return node
    out: Node = node
    for each in suspects:
        of = each.copy() if test == "bq_nan" else cast(each.copy(), "DOUBLE")
        if isinstance(node, exp.NEQ):
            out = exp.Or(this=out, expression=call(test, of))
        else:
            out = exp.And(this=out, expression=exp.Not(this=call(test, of)))
    return out if out is node else exp.Paren(this=out)


def _is_plain_number(node: Node) -> bool:
    inner = node.this if isinstance(node, (exp.Cast, exp.Neg, exp.Paren)) else node
    return isinstance(inner, exp.Literal) and not inner.is_string


def _modulo(node: Any) -> Node:
    sides = [each.this if isinstance(each, exp.Paren) else each for each in (node.this, node.expression)]
    return call("bq_mod", *sides)


def _quantiles(node: Any) -> Node:
    """Exact ones, which an approximation may be."""
    of, amount = node.this, node.expression
    if isinstance(of, exp.Distinct):
        of, amount = exp.Distinct(expressions=of.expressions[:1]), of.expressions[1]
    count = int(amount.name)
    points = [exp.Literal.number(round(each / count, 12)) for each in range(count + 1)]
    return call("quantile_disc", of, exp.Array(expressions=points))


def _logarithm(node: Any) -> Node:
    return call("bq_ln", node.this) if node.expression is None else call("bq_log", node.expression, node.this)


RULES: dict[type[Node], Rule] = {
    exp.ApproxQuantiles: _quantiles,
    exp.Avg: lambda node: node if isinstance(node.this, exp.Distinct) else call("bq_avg", node.this),
    exp.BitwiseCount: renamed("bq_bit_count"),
    exp.Cast: _converted,
    exp.Corr: renamed("bq_corr"),
    exp.Cot: renamed("bq_cot"),
    exp.Coth: renamed("bq_coth"),
    exp.Csc: renamed("bq_csc"),
    exp.Csch: renamed("bq_csch"),
    exp.DataType: _data_type,
    exp.Div: renamed("bq_div"),
    exp.Float64: renamed("bq_json_float64"),
    exp.IntDiv: renamed("bq_int_div"),
    exp.Literal: _literal,
    exp.Ln: renamed("bq_ln"),
    exp.Log: _logarithm,
    exp.Mod: _modulo,
    exp.Neg: _negative,
    exp.ParseBignumeric: renamed("bq_parse_bignumeric"),
    exp.ParseNumeric: renamed("bq_parse_numeric"),
    exp.Pow: renamed("bq_pow"),
    exp.RangeBucket: renamed("bq_range_bucket"),
    exp.SafeNegate: lambda node: call("bq_safe_negate", node.this),
    exp.Sec: renamed("bq_sec"),
    exp.Sech: renamed("bq_sech"),
    exp.Sign: renamed("bq_sign"),
    exp.Sqrt: renamed("bq_sqrt"),
    exp.TryCast: _converted,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _compared),
}
