"""Functions and variables of a script, put in the place of their names.

Owns: what a script has defined, and the replacement in a statement's tree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from local.cloud.bigquery.problems import invalid_query
from local.cloud.bigquery.references import TableRef

_MOST_CALLS_DEEP = 16


@dataclass(frozen=True, slots=True)
class Function:
    """A function in SQL: its parameters, with their types where they have one, and what it gives."""

    parameters: tuple[tuple[str, exp.DataType | None], ...]
    body: exp.Expr


Stored = Callable[[str, str], Function]


@dataclass(slots=True)
class Names:
    """What a script has defined so far, by names in lower case, and the functions that datasets hold: those are found
    by `dataset` or `project.dataset` and their name.
    """

    variables: dict[str, exp.Expr] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    tables: dict[str, TableRef] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    stored: Stored | None = None
    given: list[dict[str, Any]] = field(default_factory=list)  # the parameters of EXECUTE IMMEDIATE … USING


def expand_functions(tree: exp.Expr, names: Names) -> None:
    for _ in range(_MOST_CALLS_DEEP):
        found = [(node, _meant(node, names)) for node in tree.find_all(exp.Anonymous)]
        calls = [(node, function) for node, function in found if function is not None]
        if not calls:
            return
        for node, function in reversed(calls):
            whole = node.parent if _place(node) and isinstance(node.parent, exp.Dot) else node
            whole.replace(_called(function, node))
    raise invalid_query(f"Functions call one another deeper than {_MOST_CALLS_DEEP} levels")


def _meant(node: exp.Anonymous, names: Names) -> Function | None:
    place = _place(node)
    if not place:
        return names.functions.get(node.name.lower())
    return names.stored(place, node.name.rpartition(".")[2]) if names.stored else None


def _place(node: exp.Anonymous) -> str:
    """`dataset` or `project.dataset` of a function that a dataset holds."""
    if isinstance(node.parent, exp.Dot) and node.parent.expression is node:
        return node.parent.this.sql("bigquery").replace("`", "")
    return node.name.rpartition(".")[0]


def _called(function: Function, node: exp.Anonymous) -> exp.Expr:
    if len(node.expressions) != len(function.parameters):
        raise invalid_query(f"Number of arguments does not match for function {node.name}")
    arguments = {
        name: exp.Cast(this=given.copy(), to=kind.copy()) if kind is not None else exp.Paren(this=given.copy())
        for (name, kind), given in zip(function.parameters, node.expressions, strict=True)
    }
    body = exp.Paren(this=function.body.copy())
    put_variables(body, arguments)
    return body


def put_variables(tree: exp.Expr, variables: Mapping[str, exp.Expr]) -> None:
    """A name that stands alone, or the field of a record."""
    for node in list(tree.find_all(exp.Column)) if variables else []:
        table, name = node.text("table").lower(), node.name.lower()
        if not table and name in variables and not _is_target(node):
            value = variables[name].copy()
            projected = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
            node.replace(exp.alias_(value, node.name) if projected else value)
        elif table in variables and isinstance(variables[table], exp.Struct):
            node.replace(exp.Dot(this=exp.Paren(this=variables[table].copy()), expression=node.this.copy()))


def _is_target(node: exp.Expr) -> bool:
    """The left of `UPDATE … SET name = …`, which is a column."""
    parent = node.parent
    return (
        isinstance(parent, exp.EQ)
        and parent.this is node
        and isinstance(parent.parent, exp.Update)
        and parent.arg_key == "expressions"
    )
