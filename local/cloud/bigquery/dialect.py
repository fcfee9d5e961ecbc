"""GoogleSQL expressions in DuckDB's words.

Owns: what sqlglot's own translation leaves undone or does otherwise than BigQuery, found by running the reference's
examples. Does not own: names of tables, parameters and statements (translate.py).
"""

from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, UnsupportedError

from local.cloud.bigquery import json_rules, moments, number_rules
from local.cloud.bigquery.nodes import Node, Rule, call, cast, number, renamed, text, tried
from local.cloud.bigquery.problems import unsupported


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
    return call("list_slice", node, exp.Literal.number(1), amount)


def _string_agg(node: Any) -> Node:
    """As with ARRAY_AGG: the LIMIT is taken of the list."""
    if not isinstance(node.this, exp.Limit):
        return node
    separator = node.args.get("separator") or text(",")
    items = call("list_slice", exp.ArrayAgg(this=node.this.this), number(1), node.this.expression)
    return call("array_to_string", items, separator)


def _nulls(node: Any) -> Node:
    amount = node.this.meta.get("limit") if isinstance(node.this, exp.ArrayAgg) else None
    return call("list_slice", node, exp.Literal.number(1), amount) if amount is not None else node


def _bracket(node: Any) -> Node:
    """`[OFFSET(i)]` counts from 0 and `[ORDINAL(i)]` from 1; both refuse what is out of bounds."""
    offset = node.args.get("offset")
    if node.args.get("safe") or len(node.expressions) != 1 or node.expressions[0].is_string:
        return node
    if offset is None:
        return call("bq_item", node.this, node.expressions[0])
    return call("bq_offset" if offset == 0 else "bq_ordinal", node.this, node.expressions[0])


def _array(node: Any) -> Node:
    """`[STRUCT(1 AS a), (2)]`: what follows has the names of the first."""
    for each in node.expressions[1:]:
        _name_fields(node.expressions[0], each)
    return node


def _name_fields(first: Node, other: Node) -> None:
    if not isinstance(first, exp.Struct) or not isinstance(other, (exp.Tuple, exp.Struct)):
        return
    names = [each.this for each in first.expressions if isinstance(each, exp.PropertyEQ)]
    if len(other.expressions) == len(names):
        values = [one.expression if isinstance(one, exp.PropertyEQ) else one for one in other.expressions]
        pairs = zip(names, values, strict=True)
        other.replace(exp.Struct(expressions=[exp.PropertyEQ(this=n.copy(), expression=v) for n, v in pairs]))


def _united(node: Any) -> Node:
    """`SELECT STRUCT(1 AS a) UNION ALL SELECT STRUCT(2)`: records have the names of the first query's."""
    first, second = node.this, node.expression
    while isinstance(first, exp.SetOperation):
        first = first.this
    if isinstance(first, exp.Select) and isinstance(second, exp.Select):
        for one, other in zip(first.expressions, second.expressions, strict=False):
            _name_fields(one.unalias(), other.unalias())
    return node


def _unnested_records(node: Any) -> Node:
    """Records of a literal array become rows of their fields."""
    items = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(items, exp.Array) or not items.expressions or not isinstance(items.expressions[0], exp.Struct):
        return node
    if not isinstance(node.parent, (exp.From, exp.Join)):
        return node
    alias = node.args.get("alias")
    name = alias.columns[0] if alias and alias.columns else alias.this if alias else exp.to_identifier("_records")
    deep = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=number(2))
    select = exp.Select(expressions=[call("unnest", items, deep)])
    return exp.Subquery(this=select, alias=exp.TableAlias(this=name))


def _insert(node: Any) -> Node:
    """INSERT ROW of a MERGE."""
    if isinstance(node.this, exp.Var) and node.this.name.upper() == "ROW":
        node.set("this", exp.Var(this="*"))
    return node


# Text


def _like(node: Any) -> Node:
    """A backslash takes the meaning from what follows it."""
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and "\\" not in pattern.name:
        return node
    if isinstance(node.parent, exp.Escape) or not isinstance(pattern, (exp.Literal, exp.RawString, exp.Column)):
        return node
    return exp.Escape(this=node, expression=text("\\"))


def _format(node: Any) -> Node:
    kinds = [call("typeof", each.copy()) for each in node.expressions]
    values = [cast(call("to_json", each), "VARCHAR") for each in node.expressions]
    lists = [cast(exp.Array(expressions=each), "VARCHAR[]") for each in (kinds, values)]
    return call("bq_formatted", node.this, *lists)


def _normalize(node: Any) -> Node:
    form = node.args.get("form")
    fold = exp.true() if node.args.get("is_casefold") else exp.false()
    return call("bq_normalize", node.this, text(form.name.upper() if form else "NFC"), fold)


def _net(node: Any) -> Node:
    """NET.HOST and the functions of addresses."""
    if isinstance(node.this, exp.Host):
        return call("bq_host", node.this.this)
    name = str(node.this.this).lower()
    if name.removeprefix("bq_") in ("ip_from_string", "safe_ip_from_string"):
        return call("bq_address", *node.this.expressions, exp.true() if "safe" in name else exp.false())
    return call(f"bq_{name.removeprefix('bq_')}", *node.this.expressions)


# Rows


def _unnest(node: Any) -> Node:
    """BigQuery's offsets begin at 0, DuckDB's ordinality at 1."""
    offset = node.args.get("offset")
    if not isinstance(offset, Node):
        return _unnested_records(node)
    name = offset.name or "offset"
    alias = node.args.get("alias")
    item = alias.columns[0].name if alias and alias.columns else "_item"
    items = node.expressions[0]
    positions = call("range", call("len", items.copy()))
    columns = [
        exp.alias_(call("unnest", items), item, quoted=True),
        exp.alias_(call("unnest", positions), name, quoted=True),
    ]
    table = exp.TableAlias(this=exp.to_identifier(f"_with_{name}", quoted=True))
    return exp.Subquery(this=exp.Select(expressions=columns), alias=table)


_RULES: dict[type[Node], Rule] = {
    **json_rules.RULES,
    **moments.RULES,
    **number_rules.RULES,
    exp.Array: _array,
    exp.ApproxTopK: renamed("bq_top_count"),
    exp.ApproxTopSum: renamed("bq_top_sum"),
    exp.ArrayAgg: _array_agg,
    exp.ArrayFirst: renamed("bq_array_first"),
    exp.ArrayLast: renamed("bq_array_last"),
    exp.ArraySlice: renamed("bq_array_slice"),
    exp.Bracket: _bracket,
    exp.ByteLength: renamed("bq_byte_length"),
    exp.CodePointsToBytes: renamed("bq_bytes_of"),
    exp.CodePointsToString: renamed("bq_code_points_to_string"),
    exp.FarmFingerprint: renamed("bq_farm_fingerprint"),
    exp.Format: _format,
    exp.FromBase32: renamed("bq_from_base32"),
    exp.GenerateSeries: renamed("bq_generate_array"),
    exp.GroupConcat: _string_agg,
    exp.IgnoreNulls: _nulls,
    exp.Int64: renamed("bq_json_int64"),
    exp.Insert: _insert,
    exp.JSONBool: renamed("bq_json_bool"),
    exp.JSONType: renamed("bq_json_type"),
    exp.LaxBool: renamed("bq_lax_bool"),
    exp.LaxFloat64: renamed("bq_lax_float64"),
    exp.LaxInt64: renamed("bq_lax_int64"),
    exp.LaxString: renamed("bq_lax_string"),
    exp.Left: renamed("bq_left"),
    exp.Like: _like,
    exp.NetFunc: _net,
    exp.Normalize: _normalize,
    exp.RespectNulls: _nulls,
    exp.Reverse: renamed("bq_reverse"),
    exp.Right: renamed("bq_right"),
    exp.SHA2Digest: lambda node: call("bq_sha512_of", node.this) if node.text("length") == "512" else node,
    exp.SafeAdd: lambda node: tried(exp.Add(this=node.this, expression=node.expression)),
    exp.SafeConvertBytesToString: renamed("bq_byte_string"),
    exp.SafeFunc: lambda node: tried(node.this),
    exp.SafeMultiply: lambda node: tried(exp.Mul(this=node.this, expression=node.expression)),
    exp.SafeSubtract: lambda node: tried(exp.Sub(this=node.this, expression=node.expression)),
    exp.Soundex: renamed("bq_soundex"),
    exp.StrPosition: renamed("bq_instr"),
    exp.Substring: renamed("bq_substr"),
    exp.Union: _united,
    exp.ToBase32: renamed("bq_to_base32"),
    exp.ToCodePoints: renamed("bq_to_code_points"),
    exp.Unicode: renamed("bq_unicode"),
    exp.Unnest: _unnest,
}

BY_NAME = {"ERROR": "error", "IEEE_DIVIDE": "bq_ieee_divide"}
"""Functions that sqlglot does not know as BigQuery's, and what they are called in the database."""
BY_NAME |= {
    f"IP{name}": f"bq_ip{name.lower()}"
    for name in ("_TO_STRING", "_NET_MASK", "_TRUNC", "V4_FROM_INT64", "V4_TO_INT64")
}
BY_NAME |= {name: name.lower() for name in ("IP_FROM_STRING", "SAFE_IP_FROM_STRING")}
BY_NAME |= {f"{lax}{kind}_ARRAY": "" for lax in ("", "LAX_") for kind in ("INT64", "FLOAT64", "BOOL", "STRING")}


def _named(node: Any) -> Node:
    name = str(node.name)
    elements = json_rules.elements_rule(name.upper())
    return elements(node) if elements else call(BY_NAME.get(name.upper(), name), *node.expressions)


_RULES[exp.Anonymous] = _named
