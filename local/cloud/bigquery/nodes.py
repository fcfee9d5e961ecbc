"""Parts from which GoogleSQL's expressions are put together in DuckDB's words."""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

Node = exp.Expr
Rule = Callable[[Any], Node]


def call(name: Any, *arguments: Any) -> Node:
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: Node, kind: str) -> Node:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


def renamed(name: str) -> Rule:
    return lambda node: call(name, *node.iter_expressions())


def number(value: int) -> Node:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def text(value: str) -> Node:
    return exp.Literal.string(value)


def tried(node: Node) -> Node:
    """NULL where the expression fails."""
    return call("try", node)
