"""OPTIONS(…) of a statement, as values of Python."""

from typing import Any

from sqlglot import exp


def options_of(properties: exp.Properties) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for each in properties.expressions:
        if isinstance(each, exp.LocationProperty):
            options["location"] = each.name
        elif isinstance(each, exp.FileFormatProperty):
            options["format"] = each.name
        elif type(each) is exp.Property:
            options[each.name.lower()] = constant(each.args["value"])
    return options


def constant(node: exp.Expr) -> Any:
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Cast):
        return constant(node.this)
    if isinstance(node, exp.Array) and all(isinstance(each, exp.Literal) for each in node.expressions):
        return [each.name for each in node.expressions] if node.expressions else {}
    if isinstance(node, exp.Array):
        pairs = [[part.name for part in each.find_all(exp.Literal)] for each in node.expressions]
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return node.name
