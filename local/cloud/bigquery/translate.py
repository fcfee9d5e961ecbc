"""A GoogleSQL statement, read: what it does, to which tables, and its text for the engine.

Owns: parsing, parameters, names of tables and columns. Does not own: expressions (dialect.py), or carrying a statement
out.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from local.cloud.bigquery.dialect import BY_NAME
from local.cloud.bigquery.options import options_of
from local.cloud.bigquery.parameters import bind
from local.cloud.bigquery.problems import invalid_query, problem, unsupported
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.substitution import Names, expand_functions, put_variables
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
    exp.Export: "EXPORT_DATA",
}
_CHANGING = (exp.Insert, exp.Schema, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
# Words that the parser does not know.
_DROP_KIND = re.compile(r"^\s*DROP\s+(EXTERNAL|SNAPSHOT)\s+TABLE\b", re.IGNORECASE)
_LOCAL = "_with_"  # begins the names of common table expressions; no table of the engine has such a name
_DML = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE")


@dataclass(frozen=True, slots=True)
class Context:
    """Whose names a query's are: the project, and the dataset of a bare table's name."""

    project: str
    dataset: DatasetRef | None = None
    user: str = ""
    names: Names = field(default_factory=Names)


@dataclass(slots=True)
class Statement:
    """`tree` is GoogleSQL's, its tables those of the engine. `kind` is the API's statementType, but for CREATE."""

    kind: str
    tree: exp.Expr
    tables: list[TableRef] = field(default_factory=list)
    target: TableRef | None = None
    options: dict[str, Any] = field(default_factory=dict)  # of EXPORT DATA, whose query is `tree`

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
    source: str = ""  # a query of the engine that stands for the table
    pseudo: tuple[str, ...] = ()  # columns of `source` that `*` does not show
    columns: tuple[str, ...] = ()  # of a table that has pseudo columns
    tables: tuple[TableRef, ...] | None = None  # what is read, where it is not the table itself


Finder = Callable[[TableRef], Found]


def read(sql: str, context: Context, find: Finder, parameters: list[dict[str, Any]] | None = None) -> Statement:
    """Raises invalidQuery for what is no GoogleSQL or is not supported, notFound for tables that are not there."""
    tree = prepared(parse(sql), context.names, parameters or [])
    statement = Statement(_kind(tree), tree)
    _check_statement(tree)
    if statement.is_dml:
        statement.target = _target(tree, context)
    if isinstance(tree, exp.Export):
        statement.options = options_of(tree.args["options"]) if tree.args.get("options") else {}
        tree = tree.this.pop()
    if statement.is_query or statement.is_dml or statement.options:
        statement.tree = _resolve(tree, context, find, statement.tables)
    return statement


def prepared(tree: exp.Expr, names: Names, parameters: list[dict[str, Any]]) -> exp.Expr:
    """With functions, variables and parameters replaced by what they stand for."""
    holder = exp.Paren(this=tree)
    expand_functions(holder, names)
    put_variables(holder, names.variables)
    bind(holder, names.given or parameters, names.system)
    _refuse_unknown_functions(holder)
    return holder.this.pop()


def view_query(text: str, context: Context) -> exp.Expr:
    return prepared(parse(text), context.names, [])


def _check_statement(tree: exp.Expr) -> None:
    """UPDATE and DELETE must say of which rows; a SELECT of one value shows its fields."""
    if isinstance(tree, (exp.Update, exp.Delete)) and not tree.args.get("where"):
        raise invalid_query(f"{tree.key.upper()} must have a WHERE clause at [1:1]")
    if isinstance(tree, exp.Select) and str(tree.args.get("kind")).upper() in ("STRUCT", "VALUE"):
        if tree.args["kind"].upper() == "VALUE" and isinstance(tree.expressions[0], exp.Struct):
            pairs = tree.expressions[0].expressions
            fields = [
                exp.alias_(each.expression, each.name) if isinstance(each, exp.PropertyEQ) else each for each in pairs
            ]
            tree.set("expressions", fields)
        tree.set("kind", None)


def parse(sql: str) -> exp.Expr:
    """The one statement of a query's text."""
    sql = _DROP_KIND.sub("DROP TABLE", sql)
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
    if node.name.upper() == "INFORMATION_SCHEMA.SCHEMATA" and not dataset:
        return TableRef(context.project, "", node.name)
    temporary = context.names.tables.get(node.name.lower())
    if temporary and dataset.lower() in ("", "_session"):
        return temporary
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
        named = (ref,) if found.tables is None else found.tables
        tables.extend(each for each in named if each not in tables)
        _hide_pseudo(node, found.pseudo)
        if found.pseudo and node is (tree.this.this if isinstance(tree.this, exp.Schema) else tree.this):
            _name_targets(tree, found)
        _refuse_unfiltered(ref, found, node)
        _replace(
            node,
            ref,
            found,
            lambda text, of: _resolve(prepared(parse(text), of.names, []), of, find, tables, depth + 1),
        )
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
    if found.source and not is_target and not _is_changed(node):
        new: exp.Expr = exp.Subquery(this=sqlglot.parse_one(found.source, read="duckdb"), alias=alias)
    elif found.view:
        query = expand(found.view, found.context or Context(ref.project))
        new = exp.Subquery(this=query, alias=alias)
    else:
        new = exp.Table(this=exp.to_identifier(found.physical, quoted=True), alias=None if is_target else alias)
        new.set("sample", node.args.get("sample"))
    for join in node.args.get("joins") or []:
        new.append("joins", join)
    node.replace(new)


def _is_changed(node: exp.Table) -> bool:
    """Whether it is the table that a statement changes."""
    return isinstance(node.parent, (exp.Update, exp.Delete, exp.Merge)) and node.arg_key == "this"


def _hide_pseudo(node: exp.Table, pseudo: tuple[str, ...]) -> None:
    select = node.find_ancestor(exp.Select)
    if not pseudo or select is None:
        return
    for each in select.expressions:
        star = each.this if isinstance(each, exp.Column) and isinstance(each.this, exp.Star) else each
        if isinstance(star, exp.Star):
            hidden = [exp.to_identifier(name, quoted=True) for name in pseudo]
            star.set("except_", [*(star.args.get("except_") or []), *hidden])


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


def _name_targets(tree: exp.Expr, found: Found) -> None:
    """The table that a statement changes is the engine's own, which has columns that GoogleSQL hides or lacks."""
    if isinstance(tree, exp.Insert) and not isinstance(tree.this, exp.Schema) and found.columns:
        columns = [exp.to_identifier(name, quoted=True) for name in found.columns]
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))
    for column in list(tree.find_all(exp.Column)) if isinstance(tree, (exp.Update, exp.Delete, exp.Merge)) else []:
        if column.name.upper() == "_PARTITIONDATE":
            column.replace(exp.cast(exp.column("_PARTITIONTIME", table=column.args.get("table")), "DATE"))


def _refuse_odd(node: exp.Table) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise unsupported(f"{node.this.sql('bigquery')} in FROM")
    if node.args.get("version") is not None:
        raise unsupported("time travel (FOR SYSTEM_TIME AS OF)")


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
    if not columns & {name.lower() for name in found.filter_columns} and not isinstance(
        node.parent, (exp.Insert, exp.Schema)
    ):
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
