"""JSON functions of GoogleSQL in DuckDB's words: the rules of dialect.py for them."""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery.nodes import Node, Rule, call, cast, text, tried

_ELEMENTS = {"INT64": "integer", "FLOAT64": "number", "BOOL": "boolean", "STRING": "string"}


def _json(node: Node) -> Node:
    return cast(node, "JSON")


def _parsed(node: Any) -> Node:
    mode = node.expression.expression if isinstance(node.expression, exp.Kwarg) else text("exact")
    return _json(call("bq_json_parse", node.this, mode))


def _formatted(node: Any) -> Node:
    """TO_JSON and TO_JSON_STRING."""
    option = node.args.get("options")
    if node.args.get("to_json"):
        wide = option.expression if isinstance(option, exp.Kwarg) else exp.false()
        written = call("bq_json_string", call("typeof", node.this), _plain(node.this.copy()), wide)
        return _json(call("bq_json_parse", written, text("round")))
    written = call("bq_to_json_string", node.this)
    return call("bq_json_pretty", written) if isinstance(option, exp.Boolean) and option.this else written


def _plain(node: Node) -> Node:
    return cast(call("to_json", node), "VARCHAR")


def _object(node: Any) -> Node:
    pairs = node.expressions
    if len(pairs) == 1:
        return _json(call("bq_json_pair", pairs[0].this, pairs[0].expression))
    keys, values = [each.this for each in pairs], [_value(each.expression) for each in pairs]
    return _json(call("bq_json_members", _texts(keys), _texts(values)))


def _value(node: Node) -> Node:
    return call("bq_to_json_string", node)


def _texts(nodes: list[Node]) -> Node:
    return cast(exp.Array(expressions=nodes), "VARCHAR[]")


def _edited(name: str) -> Rule:
    """`(json, path, value, path, value, …, option => BOOL)`."""

    def rule(node: Any) -> Node:
        options = [each for each in node.expressions if isinstance(each, exp.Kwarg)]
        given = [each for each in node.expressions if not isinstance(each, exp.Kwarg)]
        flag = options[0].expression if options else exp.true()
        return _json(call(name, node.this, _texts(given[::2]), _texts([_value(each) for each in given[1::2]]), flag))

    return rule


def _stripped(node: Any) -> Node:
    arrays, empty = (node.args.get(key) for key in ("include_arrays", "remove_empty"))
    flags = [arrays.expression if arrays else exp.true(), empty.expression if empty else exp.false()]
    return _json(call("bq_json_strip", node.this, node.expression or text("$"), *flags))


def _strings(node: Any) -> Node:
    path = node.args.get("expression")
    written = path.sql("duckdb").strip("'") if path is not None else "$"
    return call("bq_json_strings", cast(node.this, "VARCHAR"), text(written))


def elements_rule(name: str) -> Rule | None:
    """Of INT64_ARRAY, LAX_STRING_ARRAY and their like."""
    kind = name.removeprefix("LAX_").removesuffix("_ARRAY")
    if kind not in _ELEMENTS or not name.endswith("_ARRAY"):
        return None
    lax = name.startswith("LAX_")

    def rule(node: Any) -> Node:
        of = cast(node.expressions[0], "VARCHAR")
        items = call("bq_json_lax_elements", of) if lax else call("bq_json_elements", of, text(_ELEMENTS[kind]))
        convert = f"bq_lax_{kind.lower()}" if lax or kind == "STRING" else f"bq_json_{kind.lower()}"
        each = exp.to_identifier("each")
        made = exp.Lambda(this=call(convert, cast(exp.column("each"), "JSON")), expressions=[each])
        return call("list_transform", items, made)

    return rule


RULES: dict[type[Node], Rule] = {
    exp.JSONExtract: tried,
    exp.JSONExtractScalar: tried,
    exp.JSONArrayAppend: _edited("bq_json_append"),
    exp.JSONArrayInsert: _edited("bq_json_insert"),
    exp.JSONFormat: _formatted,
    exp.JSONObject: _object,
    exp.JSONRemove: lambda node: _json(call("bq_json_remove", node.this, _texts(node.expressions))),
    exp.JSONSet: _edited("bq_json_set"),
    exp.JSONStripNulls: _stripped,
    exp.JSONValueArray: _strings,
    exp.ParseJSON: _parsed,
}
