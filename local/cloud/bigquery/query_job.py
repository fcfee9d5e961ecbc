"""Query jobs: SELECT, DML and DDL.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local.cloud.bigquery import ddl, permissions
from local.cloud.bigquery.described import described
from local.cloud.bigquery.dialect import in_duckdb
from local.cloud.bigquery.export import export_data
from local.cloud.bigquery.external import fill_external_schema
from local.cloud.bigquery.job import Job, Outcome
from local.cloud.bigquery.naming import finder
from local.cloud.bigquery.problems import invalid_query, of_duckdb, problem
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.routine_functions import stored_functions
from local.cloud.bigquery.schema import Field
from local.cloud.bigquery.script import is_script, is_temporary, steps_of
from local.cloud.bigquery.script_job import Means, define_function, run_script
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sizes import table_bytes
from local.cloud.bigquery.tables import Write
from local.cloud.bigquery.translate import Context, Statement, read

if TYPE_CHECKING:
    import duckdb

_TURNS = 4
_CHANGING = (
    exp.CurrentDate,
    exp.CurrentDatetime,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.Rand,
    exp.TableSample,
    exp.Uuid,
)


def run_query(bq: BigQuery, job: Job) -> Outcome:
    """Raises ApiError for a query that fails."""
    sql, context = text_of(job), context_of(job)
    context.names.stored = stored_functions(bq, job.project, job.user)
    with _definitions(bq, job, context):
        return _run_text(bq, job, sql, context)


def _run_text(bq: BigQuery, job: Job, sql: str, context: Context) -> Outcome:
    steps = steps_of(sql)
    if is_script(steps):
        if job.dry_run:
            return Outcome({"query": {"statementType": "SCRIPT", "totalBytesBilled": "0", "cacheHit": False}})
        return run_script(bq, job, steps, context, Means(run_statement, rows_of))
    for step in steps:
        if is_temporary(step, "FUNCTION"):
            define_function(context, step.text)
        else:
            sql = step.text
    return run_statement(bq, job, sql, context)


@contextmanager
def _definitions(bq: BigQuery, job: Job, context: Context) -> Iterator[None]:
    """The external tables that a query brings with it, in a dataset that is there for so long."""
    given = job.configuration["query"].get("tableDefinitions") or {}
    if not given:
        yield
        return
    hidden = DatasetRef(job.project, f"_external{secrets.token_hex(20)}")
    bq.datasets.create(hidden, {"location": job.location}, job.user)
    try:
        for name, config in given.items():
            ref = context.names.tables[name.lower()] = TableRef(hidden.project, hidden.dataset, name)
            schema = {"schema": config["schema"]} if config.get("schema") else {}
            bq.tables.create(ref, {"externalDataConfiguration": config, **schema})
            fill_external_schema(bq, ref, job.user)
        yield
    finally:
        ddl.remove_dataset(bq, hidden, contents=True)


def run_statement(bq: BigQuery, job: Job, sql: str, context: Context) -> Outcome:
    import duckdb

    for turn in range(_TURNS):
        try:
            return _run(bq, job, sql, context)
        except duckdb.CatalogException as error:
            if turn == _TURNS - 1 or "Table with name t" not in str(error):
                raise of_duckdb(error) from None
        except duckdb.TransactionException as error:
            if turn == _TURNS - 1:
                raise of_duckdb(error) from None
        except duckdb.Error as error:
            raise of_duckdb(error) from None
    raise invalid_query("the tables of the query change faster than it can read them: try again")


def rows_of(bq: BigQuery, job: Job, sql: str, context: Context) -> tuple[list[Field], list[dict[str, Any]]]:
    """What a query inside a script gives."""
    import duckdb

    statement = read(sql, context, finder(bq, job.user), job.configuration["query"].get("queryParameters"))
    if not statement.is_query:
        raise invalid_query("a query is expected here")
    permissions.may_read(bq, job.user, statement.tables)
    with bq.warehouse.reading() as cursor:
        try:
            fields, text = described(cursor, in_duckdb(statement.tree))
            return fields, cursor.sql(text).to_arrow_table().to_pylist()
        except duckdb.Error as error:
            raise of_duckdb(error) from None


def _run(bq: BigQuery, job: Job, sql: str, context: Context) -> Outcome:
    config = job.configuration["query"]
    statement = read(sql, context, finder(bq, job.user), config.get("queryParameters"))
    _check_access(bq, job, statement)
    if job.dry_run:
        return _dry_run(bq, statement)
    total = sum(table_bytes(bq.tables, ref) for ref in statement.tables)
    limit = config.get("maximumBytesBilled")
    if limit and total > int(limit):
        message = f"Query exceeded limit for bytes billed: {limit}. {total} or higher required."
        raise problem("bytesBilledLimitExceeded", message)
    if statement.is_query:
        outcome = _select(bq, job, statement)
    elif statement.is_dml:
        outcome = _change(bq, job, statement)
    elif statement.kind == "EXPORT_DATA":
        outcome = export_data(bq, job, statement)
    else:
        outcome = ddl.carry_out(bq, job, statement, context, finder(bq, job.user))
    outcome.total_bytes = 0 if outcome.statistics["query"].get("cacheHit") else total
    return outcome


def _check_access(bq: BigQuery, job: Job, statement: Statement) -> None:
    """Of queries and DML; what DDL needs depends on the statement (ddl.py)."""
    permissions.may_read(bq, job.user, (ref for ref in statement.tables if ref != statement.target))
    if statement.target:
        permissions.may_write(bq, job.user, statement.target)
    if destination := job.configuration["query"].get("destinationTable"):
        permissions.may_write(bq, job.user, TableRef.of(destination, job.project))


def text_of(job: Job) -> str:
    """A query's text. Legacy SQL is refused; the API's default is legacy, unless the text says #standardSQL."""
    config = job.configuration["query"]
    sql = config.get("query") or ""
    lead = sql.lstrip().lower()
    if lead.startswith("#legacysql") or (config.get("useLegacySql", True) and not lead.startswith("#standardsql")):
        raise problem(
            "invalid",
            "Legacy SQL is not supported by the local cloud: set useLegacySql to false",
            location="useLegacySql",
        )
    return sql


def context_of(job: Job) -> Context:
    default = job.configuration["query"].get("defaultDataset")
    dataset = DatasetRef(default.get("projectId") or job.project, default["datasetId"]) if default else None
    return Context(job.project, dataset, job.user)


def _dry_run(bq: BigQuery, statement: Statement) -> Outcome:
    statistics: dict[str, Any] = {"statementType": statement.kind, "totalBytesBilled": "0", "cacheHit": False}
    total = sum(table_bytes(bq.tables, ref) for ref in statement.tables)
    if statement.is_query:
        with bq.warehouse.reading() as cursor:
            fields, _ = described(cursor, in_duckdb(statement.tree))
        statistics["schema"] = {"fields": fields}
    statistics |= _referenced(statement) | {"totalBytesProcessed": str(total), "totalBytesProcessedAccuracy": "PRECISE"}
    return Outcome({"query": statistics}, total_bytes=total)


def _select(bq: BigQuery, job: Job, statement: Statement) -> Outcome:
    config, sql = job.configuration["query"], in_duckdb(statement.tree)
    if not config.get("destinationTable"):
        return _answered(bq, job, statement, sql)
    ref = TableRef.of(config["destinationTable"], job.project)
    with bq.warehouse.reading() as cursor:
        job.cursor = cursor
        fields, sql = described(cursor, sql)
        outcome = Outcome({"query": _select_statistics(statement, fields)}, ref.whole)
        with bq.warehouse.writing(cursor):
            bq.tables.write(write_of(config, ref, "WRITE_EMPTY"), fields, sql, cursor)
            bq.warehouse.mark_applied(job.name, outcome.body())
    return outcome


def _gives_the_same(tree: exp.Expr) -> bool:
    """Whether a query gives the same as long as its tables do."""
    return tree.find(*_CHANGING) is None


def _answered(bq: BigQuery, job: Job, statement: Statement, sql: str) -> Outcome:
    """A query whose result is kept for a day, and may be that of an equal query before it."""
    cached = _gives_the_same(statement.tree) and job.configuration["query"].get("useQueryCache", True)
    cached = cached and not bq.warehouse.in_transaction
    found, commit = bq.cache.find(job.user, sql) if cached else None, bq.warehouse.commits
    if found is not None:
        ref, fields = found
    else:
        with bq.warehouse.reading() as cursor:
            job.cursor = cursor
            fields, text = described(cursor, sql)
            ref = bq.results.keep(job.name, job.project, cursor, text, fields, owner=job.user)
        if cached:
            bq.cache.keep(job.user, sql, commit, ref)
    filled = {"destinationTable": ref.api(), "writeDisposition": "WRITE_TRUNCATE"}
    statistics = _select_statistics(statement, fields) | {"cacheHit": found is not None}
    return Outcome({"query": statistics}, ref, {"query": filled})


def _select_statistics(statement: Statement, fields: list[Field]) -> dict[str, Any]:
    return {"statementType": "SELECT", "cacheHit": False, "schema": {"fields": fields}, **_referenced(statement)}


def write_of(config: dict[str, Any], ref: TableRef, disposition: str) -> Write:
    """The part of a job's configuration that says how its rows go into a table."""
    keys = ("timePartitioning", "rangePartitioning", "clustering", "destinationEncryptionConfiguration")
    settings = {key: config[key] for key in keys if config.get(key)}
    properties = config.get("destinationTableProperties") or {}
    settings |= {
        key: properties[key] for key in ("description", "friendlyName", "labels", "expirationTime") if key in properties
    }
    return Write(
        ref,
        config.get("writeDisposition") or disposition,
        config.get("createDisposition") or "CREATE_IF_NEEDED",
        settings,
        tuple(config.get("schemaUpdateOptions") or ()),
    )


def _change(bq: BigQuery, job: Job, statement: Statement) -> Outcome:
    target = statement.target
    if target is None:
        raise invalid_query("the statement changes no table")
    if (kind := bq.tables.get(target)["resource"]["type"]) != "TABLE":
        raise invalid_query(f"{target.label} is a {kind.lower()}: its rows cannot be changed")
    sql = in_duckdb(statement.tree)
    with bq.warehouse.reading() as cursor:
        job.cursor = cursor
        with bq.warehouse.writing(cursor):
            before = bq.tables.rows(bq.tables.get(target), cursor)
            counts = _counted(statement.kind, cursor, sql, before)
            statistics = {
                "statementType": statement.kind,
                "numDmlAffectedRows": str(sum(counts.values())),
                "dmlStats": {key: str(count) for key, count in counts.items() if count},
                **_referenced(statement),
            }
            outcome = Outcome({"query": statistics})
            bq.tables.touch(target)
            bq.warehouse.mark_applied(job.name, outcome.body())
    return outcome


_COUNTS = {
    "INSERT": "insertedRowCount",
    "UPDATE": "updatedRowCount",
    "DELETE": "deletedRowCount",
    "TRUNCATE_TABLE": "deletedRowCount",
}


def _counted(kind: str, cursor: "duckdb.DuckDBPyConnection", sql: str, before: int) -> dict[str, int]:
    """Carry a statement out; how many rows it added, changed and removed."""
    if kind == "MERGE":
        done = cursor.execute(f"{sql} returning merge_action").fetchall()
        return {_COUNTS[each]: done.count((each,)) for each in ("INSERT", "DELETE", "UPDATE")}
    row = cursor.execute(sql).fetchone()
    return {_COUNTS[kind]: before if kind == "TRUNCATE_TABLE" else row[0] if row else 0}


def _referenced(statement: Statement) -> dict[str, Any]:
    return {"referencedTables": [ref.api() for ref in statement.tables]} if statement.tables else {}
