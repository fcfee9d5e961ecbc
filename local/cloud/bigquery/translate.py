"""A GoogleSQL statement, read: what it does, to which tables, and its text for the engine.

Owns: parsing, parameters, names of tables and columns. Does not own: expressions (dialect.py), or carrying a statement
out.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from local.cloud.bigquery.dialect import BY_NAME
from local.cloud.bigquery.parameters import bind
from local.cloud.bigquery.problems import invalid_query, problem, unsupported
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.errors import ApiError

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_MOST_VIEWS_DEEP = 16
_KINDS: dict[type[exp.Expr], str] = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.TruncateTable: "TRUNCATE_TABLE",
    exp.Create: "CREATE",
    exp.Drop: "DROP",
    exp.Alter: "ALTER_TABLE",
}
_CHANGING = (exp.Insert, exp.Schema, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
_LOCAL = "_with_"  # begins the names of common table expressions; no table of the engine has such a name
_DML = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE")


@dataclass(frozen=True, slots=True)
class Context:
    """Whose names a query's are: the project, and the dataset of a bare table's name."""

    project: str
    dataset: DatasetRef | None = None
    user: str = ""


@dataclass(slots=True)
class Statement:
    """`tree` is GoogleSQL's, its tables those of the engine. `kind` is the API's statementType, but for CREATE."""

    kind: str
    tree: exp.Expr
    tables: list[TableRef] = field(default_factory=list)
    target: TableRef | None = None

    @property
    def is_query(self) -> bool:
        return self.kind == "SELECT"

    @property
    def is_dml(self) -> bool:
        return self.kind in _DML


@dataclass(frozen=True, slots=True)
class Found:
    """What a table's name stands for: a table of the engine, or a view's query and whose names that has."""

    physical: str = ""
    view: str = ""
    context: Context | None = None
    filter_columns: tuple[str, ...] = ()  # the query must filter on one of them


Finder = Callable[[TableRef], Found]


def read(sql: str, context: Context, find: Finder, parameters: list[dict[str, Any]] | None = None) -> Statement:
    """Raises invalidQuery for what is no GoogleSQL or is not supported, notFound for tables that are not there."""
    tree = parse(sql)
    bind(tree, parameters or [])
    _refuse_unknown_functions(tree)
    statement = Statement(_kind(tree), tree)
    if statement.is_dml:
        statement.target = _target(tree, context)
    if statement.is_query or statement.is_dml:
        statement.tree = _resolve(tree, context, find, statement.tables)
    return statement


def parse(sql: str) -> exp.Expr:
    """The one statement of a query's text."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        where = f' at [{first.get("line", 1)}:{first.get("col", 1)}]: unexpected "{first.get("highlight", "")}"'
        raise invalid_query(f"Syntax error{where}") from None
    except TokenError as error:
        raise invalid_query(f"Syntax error: {error}") from None
    if not trees:
        raise invalid_query("Syntax error: Unexpected end of statement at [1:1]")
    if len(trees) > 1:
        raise unsupported(f"a script of {len(trees)} statements: send them one by one")
    return trees[0]


def resolve_query(tree: exp.Expr, context: Context, find: Finder) -> tuple[exp.Expr, list[TableRef]]:
    """A SELECT inside another statement, and the tables that it reads."""
    tables: list[TableRef] = []
    return _resolve(tree, context, find, tables), tables


def table_of(node: exp.Expr | None, context: Context) -> TableRef:
    """The table that a node of the tree names."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        shown = node.sql("bigquery") if node is not None else ""
        raise unsupported(f"{shown} where a table's name is expected")
    dataset, project = node.text("db"), node.text("catalog")
    if not dataset and context.dataset:
        return TableRef(context.dataset.project, context.dataset.dataset, node.name)
    if not dataset:
        raise problem("invalid", f'Table "{node.name}" must be qualified with a dataset (e.g. dataset.table).')
    return TableRef(project or context.project, dataset, node.name)


def datasets_named(sql: str, project: str) -> Iterator[DatasetRef]:
    """The datasets whose tables a statement names, in order; none of what does not parse."""
    try:
        tree = parse(sql)
    except ApiError:
        return
    for table in tree.find_all(exp.Table, bfs=False):
        if table.text("db"):
            yield DatasetRef(table.text("catalog") or project, table.text("db"))


def _kind(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Query):
        return "SELECT"
    kind = _KINDS.get(type(tree))
    if kind is None:
        words = tree.sql("bigquery").split(None, 2)[:2]
        raise unsupported(f"the statement {' '.join(words).upper()}")
    return kind


def _target(tree: exp.Expr, context: Context) -> TableRef:
    node = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else tree.this
    return table_of(node.this if isinstance(node, exp.Schema) else node, context)


def _resolve(tree: exp.Expr, context: Context, find: Finder, tables: list[TableRef], depth: int = 0) -> exp.Expr:
    """Replace the names of tables by what they stand for, views by their queries."""
    if depth > _MOST_VIEWS_DEEP:
        raise invalid_query(f"Views nest deeper than {_MOST_VIEWS_DEEP} levels")
    _name_columns(tree)
    _session_user(tree, context)
    tables_named = list(tree.find_all(exp.Table))
    local = _set_apart(tree)
    for node in tables_named:
        if isinstance(node.this, exp.Identifier) and _may_be_local(node) and node.name.lower() in local:
            _name_local(node)
            continue
        if _is_path(node):
            continue
        _refuse_odd(node)
        ref = table_of(node, context)
        found = find(ref)
        if ref not in tables:
            tables.append(ref)
        _refuse_unfiltered(ref, found, node)
        _replace(node, ref, found, lambda text, of: _resolve(parse(text), of, find, tables, depth + 1))
    return tree


def _set_apart(tree: exp.Expr) -> set[str]:
    """Rename the common table expressions, so that none is taken for a table of the engine, nor one for them; the
    names that they had.
    """
    names = set()
    for cte in tree.find_all(exp.CTE):
        names.add(cte.alias.lower())
        cte.args["alias"].set("this", exp.to_identifier(_LOCAL + cte.alias.lower(), quoted=True))
    return names


def _may_be_local(node: exp.Table) -> bool:
    """Whether a bare name may be that of a common table expression; what a statement changes is none."""
    return not node.text("db") and not (node.arg_key == "this" and isinstance(node.parent, _CHANGING))


def _name_local(node: exp.Table) -> None:
    if node.args.get("alias") is None:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
    node.set("this", exp.to_identifier(_LOCAL + node.name.lower(), quoted=True))


def _replace(node: exp.Table, ref: TableRef, found: Found, expand: Callable[[str, Context], exp.Expr]) -> None:
    alias = node.args.get("alias")
    is_target = isinstance(node.parent, (exp.Insert, exp.Schema, exp.TruncateTable))
    if alias is None and not is_target:
        alias = exp.TableAlias(this=exp.to_identifier(ref.table, quoted=True))
    if found.view:
        query = expand(found.view, found.context or Context(ref.project))
        new: exp.Expr = exp.Subquery(this=query, alias=alias)
    else:
        new = exp.Table(this=exp.to_identifier(found.physical, quoted=True), alias=None if is_target else alias)
        new.set("sample", node.args.get("sample"))
    for join in node.args.get("joins") or []:
        new.append("joins", join)
    node.replace(new)


def _is_path(node: exp.Table) -> bool:
    """`FROM t, t.items` unnests a column: turn it into what it means."""
    select = node.find_ancestor(exp.Select)
    if select is None or not node.text("db") or node.text("catalog") or not isinstance(node.this, exp.Identifier):
        return False
    sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
    aliases = {
        source.this.alias_or_name.lower() for source in sources if source is not None and source.this is not node
    }
    if node.text("db").lower() not in aliases:
        return False
    column = exp.column(node.name, table=node.text("db"))
    name = exp.TableAlias(columns=[exp.to_identifier(node.alias or node.name)])
    node.replace(exp.Unnest(expressions=[column], alias=name))
    return True


def _refuse_odd(node: exp.Table) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise unsupported(f"{node.this.sql('bigquery')} in FROM")
    if node.args.get("version") is not None:
        raise unsupported("time travel (FOR SYSTEM_TIME AS OF)")
    if node.name.endswith("*"):
        raise unsupported(f"wildcard tables ({node.name})")
    if "INFORMATION_SCHEMA" in f"{node.text('db')}.{node.name}".upper():
        raise unsupported("INFORMATION_SCHEMA")


def _refuse_unfiltered(ref: TableRef, found: Found, node: exp.Table) -> None:
    """A table may demand that queries filter on its partitions."""
    if not found.filter_columns:
        return
    statement = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Merge)
    wheres = [statement.args.get("where"), statement.args.get("on")] if statement else []
    joins = (statement.args.get("joins") or []) if statement else []
    conditions = [*wheres, *(join.args.get("on") for join in joins)]
    found_in = [column for each in conditions if each is not None for column in each.find_all(exp.Column)]
    columns = {column.name.lower() for column in found_in}
    if not columns & {name.lower() for name in found.filter_columns} and not isinstance(node.parent, exp.Insert):
        named = f"'{found.filter_columns[0]}'"
        table = f"'{ref.project}.{ref.dataset}.{ref.table}'"
        rule = f"without a filter over column(s) {named} that can be used for partition elimination"
        raise invalid_query(f"Cannot query over table {table} {rule}")


def _refuse_unknown_functions(tree: exp.Expr) -> None:
    for node in tree.find_all(exp.Anonymous):
        if node.name.upper() not in BY_NAME:
            raise invalid_query(f"Function not found: {node.name}, or the local cloud does not support it")


def _session_user(tree: exp.Expr, context: Context) -> None:
    for node in list(tree.find_all(exp.SessionUser, exp.CurrentUser)):
        node.replace(exp.Literal.string(context.user))


def _name_columns(tree: exp.Expr) -> None:
    """Columns without a name are f0_, f1_, … in each SELECT."""
    for select in list(tree.find_all(exp.Select)):
        if select.args.get("kind") or isinstance(select.parent, (exp.Exists, exp.In, exp.Array)):
            continue
        number = 0
        for each in list(select.expressions):
            if isinstance(each, (exp.Alias, exp.Column, exp.Dot)) or each.is_star:
                continue
            name = f"f{number}_"
            number += 1
            each.replace(exp.alias_(each.copy(), name))
