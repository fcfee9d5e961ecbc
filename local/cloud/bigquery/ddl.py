"""Statements that define: CREATE, DROP and ALTER of tables, views and schemas.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery import permissions, table_columns
from local.cloud.bigquery.column_definitions import field_defined
from local.cloud.bigquery.described import described
from local.cloud.bigquery.dialect import in_duckdb
from local.cloud.bigquery.external import fill_external_schema
from local.cloud.bigquery.job import Job, Outcome, ddl_outcome
from local.cloud.bigquery.naming import view_context
from local.cloud.bigquery.options import options_of
from local.cloud.bigquery.problems import duplicate, invalid_query, problem, unsupported
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.routine_ddl import create_function, drop_function
from local.cloud.bigquery.routines import RoutineRef
from local.cloud.bigquery.schema import Field, quoted
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.table_options import external_settings, renamed_options, settings_of
from local.cloud.bigquery.tables import TABLE, Write
from local.cloud.bigquery.translate import Context, Finder, Statement, resolve_query, table_of, view_query

_DROPPED = ("TABLE", "EXTERNAL", "SNAPSHOT")


def carry_out(bq: BigQuery, job: Job, statement: Statement, context: Context, find: Finder) -> Outcome:
    """In one transaction with the mark that it was done."""
    tree = statement.tree
    with bq.warehouse.writing():
        if isinstance(tree, exp.Create):
            outcome = _create(bq, tree, context, find)
        elif isinstance(tree, exp.Drop):
            outcome = _drop(bq, tree, context)
        elif isinstance(tree, exp.Alter):
            outcome = _alter(bq, tree, context)
        else:
            raise unsupported(statement.kind)
        bq.warehouse.mark_applied(job.name, outcome.body())
    return outcome


def _create(bq: BigQuery, tree: exp.Create, context: Context, find: Finder) -> Outcome:
    kind = str(tree.args.get("kind")).upper()
    if kind == "SCHEMA":
        return _create_schema(bq, tree, context)
    if kind == "FUNCTION":
        return create_function(bq, tree, context)
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"CREATE {kind}")
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    ref = table_of(schema.this if schema else tree.this, context)
    target = {"ddlTargetTable": ref.api()}
    statement = "CREATE_VIEW" if kind == "VIEW" else "CREATE_TABLE_AS_SELECT" if tree.expression else "CREATE_TABLE"
    permissions.require(bq, context.user, "tables.create", ref.parent)
    held = bq.tables.find(ref)
    if held and tree.args.get("exists"):
        return ddl_outcome(statement, "SKIP", target)
    if held and not tree.args.get("replace"):
        raise duplicate("Table", ref.label)
    if held:
        permissions.require(bq, context.user, "tables.update", ref)
        bq.tables.remove(ref)
    properties = tree.args.get("properties")
    if properties and properties.find(exp.ExternalProperty):
        return _create_external(bq, ref, tree, context.user)
    settings = settings_of(tree)
    if kind == "VIEW":
        statement = _create_view(bq, ref, tree, settings, find, context.user)
    elif like := _alike(tree):
        _create_alike(bq, ref, table_of(like, context), settings, context.user, rows=bool(tree.args.get("clone")))
    elif tree.expression is None:
        fields = (
            [field_defined(each) for each in schema.expressions if isinstance(each, exp.ColumnDef)] if schema else []
        )
        if not fields:
            raise unsupported("CREATE TABLE without columns")
        bq.tables.create(ref, {**settings, "schema": {"fields": fields}})
    else:
        _create_as(bq, ref, tree, settings=settings, context=context, find=find)
    return ddl_outcome(statement, "REPLACE" if held else "CREATE", target)


def _create_external(bq: BigQuery, ref: TableRef, tree: exp.Create, user: str) -> Outcome:
    settings = external_settings(tree.args["properties"])
    if isinstance(tree.this, exp.Schema):
        settings["schema"] = {"fields": [field_defined(each) for each in tree.this.expressions]}
    bq.tables.create(ref, settings)
    fill_external_schema(bq, ref, user)
    operation = "REPLACE" if tree.args.get("replace") else "CREATE"
    return ddl_outcome("CREATE_EXTERNAL_TABLE", operation, {"ddlTargetTable": ref.api()})


def _create_view(
    bq: BigQuery, ref: TableRef, tree: exp.Create, settings: dict[str, Any], find: Finder, user: str
) -> str:
    query, properties = tree.expression.sql("bigquery"), tree.args.get("properties")
    materialized = bool(properties and properties.find(exp.MaterializedProperty))
    view = {"materializedView": {"query": query}} if materialized else {"view": {"query": query, "useLegacySql": False}}
    bq.tables.create(ref, {**settings, **view})
    fill_view_schema(bq, ref, find, user)
    return "CREATE_MATERIALIZED_VIEW" if materialized else "CREATE_VIEW"


def _alike(tree: exp.Create) -> exp.Expr | None:
    """The table that LIKE, COPY or CLONE names."""
    if clone := tree.args.get("clone"):
        return clone.this
    properties = tree.args.get("properties")
    like = properties.find(exp.LikeProperty) if properties else None
    return like.this if like else None


def _create_alike(
    bq: BigQuery, ref: TableRef, base: TableRef, settings: dict[str, Any], user: str, *, rows: bool
) -> None:
    permissions.require(bq, user, "tables.getData" if rows else "tables.get", base)
    record = bq.tables.get(base)
    resource, fields = record["resource"], record["resource"]["schema"]["fields"]
    kept = {key: resource[key] for key in ("timePartitioning", "rangePartitioning", "clustering") if key in resource}
    bq.tables.create(ref, {**kept, **settings, "schema": {"fields": fields}})
    if rows:
        columns = ", ".join(quoted(each["name"]) for each in fields)
        with bq.warehouse.writing() as cursor:
            bq.tables.write(Write(ref), fields, f"select {columns} from {quoted(record['physical'])}", cursor)  # noqa: S608


def _create_as(
    bq: BigQuery, ref: TableRef, tree: exp.Create, *, settings: dict[str, Any], context: Context, find: Finder
) -> None:

    query, tables = resolve_query(tree.expression, context, find)
    permissions.may_read(bq, context.user, tables)
    with bq.warehouse.writing() as cursor:
        fields, sql = described(cursor, in_duckdb(query))
        declared = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
        columns = {each["name"].lower(): each for each in map(field_defined, declared)} if declared else {}
        fields = [{**each, **columns.get(each["name"].lower(), {})} for each in fields]
        bq.tables.write(Write(ref, settings=settings), fields, sql, cursor)


def fill_view_schema(bq: BigQuery, ref: TableRef, find: Finder, user: str) -> None:
    """A view has the schema of its query, which must therefore be one that runs, and that its author may run."""
    record = bq.tables.get(ref)
    view = record["resource"].get("view") or record["resource"]["materializedView"]
    context = view_context(bq, ref.project)
    query, tables = resolve_query(view_query(view["query"], context), context, find)
    permissions.may_read(bq, user, tables)
    with bq.warehouse.reading() as cursor:
        fields, _ = described(cursor, in_duckdb(query))
    held = {each["name"].lower(): each for each in record["resource"].get("schema", {}).get("fields", [])}
    merged = [{**each, **_kept(held.get(each["name"].lower()))} for each in fields]
    record["resource"]["schema"] = {"fields": merged}
    bq.warehouse.put(TABLE, ref.name, record)


def _kept(held: Field | None) -> dict[str, Any]:
    return {"description": held["description"]} if held and "description" in held else {}


def _create_schema(bq: BigQuery, tree: exp.Create, context: Context) -> Outcome:
    ref = _dataset_of(tree.this, context)
    target = {"ddlTargetDataset": ref.api()}
    permissions.require(bq, context.user, "datasets.create", f"projects/{ref.project}")
    if bq.datasets.exists(ref) and tree.args.get("exists"):
        return ddl_outcome("CREATE_SCHEMA", "SKIP", target)
    settings = settings_of(tree)
    if days := settings.pop("defaultTableExpirationDays", None):
        settings["defaultTableExpirationMs"] = str(int(float(days) * 86_400_000))
    bq.datasets.create(ref, settings, context.user)
    return ddl_outcome("CREATE_SCHEMA", "CREATE", target)


def _drop(bq: BigQuery, tree: exp.Drop, context: Context) -> Outcome:
    kind = str(tree.args.get("kind")).upper()
    node = tree.args["tables"][0] if tree.args.get("tables") else tree.this
    if kind == "SCHEMA":
        return _drop_schema(bq, tree, _dataset_of(node, context), context.user)
    if kind == "FUNCTION":
        return drop_function(bq, tree, context)
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"DROP {kind}")
    ref = table_of(node, context)
    target, statement = {"ddlTargetTable": ref.api()}, f"DROP_{kind}"
    permissions.require(bq, context.user, "tables.delete", ref)
    record = bq.tables.find(ref)
    if record is None and tree.args.get("exists"):
        return ddl_outcome(statement, "SKIP", target)
    if tree.args.get("materialized"):
        kind = "MATERIALIZED_VIEW"
    if (record or bq.tables.get(ref))["resource"]["type"] not in (_DROPPED if kind == "TABLE" else (kind,)):
        raise invalid_query(f"{ref.label} is not a {kind.lower()}")
    bq.tables.remove(ref)
    bq.cloud.policies.delete(ref.name)
    return ddl_outcome(statement, "DROP", target)


def _drop_schema(bq: BigQuery, tree: exp.Drop, ref: DatasetRef, user: str) -> Outcome:
    permissions.require(bq, user, "datasets.delete", ref)
    target = {"ddlTargetDataset": ref.api()}
    if not bq.datasets.exists(ref) and tree.args.get("exists"):
        return ddl_outcome("DROP_SCHEMA", "SKIP", target)
    bq.datasets.get(ref)
    remove_dataset(bq, ref, contents=bool(tree.args.get("cascade")))
    bq.cloud.policies.delete(ref.name)
    return ddl_outcome("DROP_SCHEMA", "DROP", target)


def remove_dataset(bq: BigQuery, ref: DatasetRef, *, contents: bool) -> None:
    """With its tables, if they may go too."""
    with bq.warehouse.writing():
        bq.datasets.get(ref)
        tables, routines = bq.tables.of_dataset(ref), bq.routines.of_dataset(ref)
        if (tables or routines) and not contents:
            raise problem("resourceInUse", f"Dataset {ref.label} is still in use")
        for _, routine in routines:
            bq.routines.remove(RoutineRef(ref.project, ref.dataset, routine["routineReference"]["routineId"]))
        for name, _ in tables:
            bq.tables.remove(TableRef(ref.project, ref.dataset, name.rsplit("/", 1)[-1]))
        bq.datasets.remove(ref)


def _alter(bq: BigQuery, tree: exp.Alter, context: Context) -> Outcome:
    if str(tree.args.get("kind")).upper() != "TABLE":
        raise unsupported(f"ALTER {tree.args.get('kind')}")
    ref = table_of(tree.this, context)
    permissions.require(bq, context.user, "tables.update", ref)
    bq.tables.get(ref)
    with bq.warehouse.writing() as cursor:
        for action in tree.args.get("actions") or []:
            if isinstance(action, exp.ColumnDef):
                _add_column(bq, ref, action, cursor)
            elif isinstance(action, exp.AlterSet):
                settings = _options_of(action.expressions)
                bq.tables.change(ref, settings, whole=False)
            elif isinstance(action, exp.AlterColumn) and action.args.get("drop"):
                _relax_column(bq, ref, action.name)
            elif isinstance(action, exp.Drop) and str(action.args.get("kind")).upper() == "COLUMN":
                _drop_column(bq, ref, action, cursor)
            elif isinstance(action, exp.RenameColumn):
                table_columns.rename_column(bq.tables, ref, action.this.name, action.args["to"].name, cursor)
            elif isinstance(action, exp.AlterRename):
                ref = _rename(bq, ref, action.this.name, context.user)
            else:
                raise unsupported(f"ALTER TABLE … {action.sql('bigquery')}")
        bq.tables.touch(ref)
    return ddl_outcome("ALTER_TABLE", "ALTER", {"ddlTargetTable": ref.api()})


def _rename(bq: BigQuery, ref: TableRef, name: str, user: str) -> TableRef:
    permissions.require(bq, user, "tables.create", ref.parent)
    permissions.require(bq, user, "tables.delete", ref)
    new = TableRef(ref.project, ref.dataset, name)
    bq.tables.rename(ref, new)
    return new


def _relax_column(bq: BigQuery, ref: TableRef, name: str) -> None:
    """ALTER COLUMN … DROP NOT NULL."""
    held = bq.results.schema(ref)
    if not any(each["name"].lower() == name.lower() for each in held):
        raise invalid_query(f"Column not found: {name}")
    relaxed = [{**each, "mode": "NULLABLE"} if each["name"].lower() == name.lower() else each for each in held]
    bq.tables.change(ref, {"schema": {"fields": relaxed}}, whole=False)


def _options_of(nodes: list[exp.Expr]) -> dict[str, Any]:
    """Of ALTER … SET OPTIONS, as a change of the resource; NULL takes a setting away."""
    settings: dict[str, Any] = {}
    for each in nodes:
        if isinstance(each, exp.Properties):
            settings |= renamed_options(options_of(each), settings)
    return settings


def _add_column(bq: BigQuery, ref: TableRef, action: exp.ColumnDef, cursor: Any) -> None:
    field = field_defined(action)
    held = bq.results.schema(ref)
    if any(each["name"].lower() == field["name"].lower() for each in held):
        if action.args.get("exists"):
            return
        raise invalid_query(f"Column already exists: {field['name']}")
    table_columns.add_columns(bq.tables, ref, [field], cursor)


def _drop_column(bq: BigQuery, ref: TableRef, action: exp.Drop, cursor: Any) -> None:
    node = action.args["tables"][0] if action.args.get("tables") else action.this
    name = node.name
    there = any(each["name"].lower() == name.lower() for each in bq.results.schema(ref))
    if there or not action.args.get("exists"):
        table_columns.drop_column(bq.tables, ref, name, cursor)


def _dataset_of(node: Any, context: Context) -> DatasetRef:
    dataset = node.text("db") or node.name
    return DatasetRef(node.text("catalog") or context.project, dataset)
