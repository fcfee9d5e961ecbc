"""The rows of a read session: the fields that it selects, of the rows that its restriction leaves.

Source: https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#tablereadoptions
"""

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local.cloud.bigquery.arrow import arrow_schema
from local.cloud.bigquery.described import described
from local.cloud.bigquery.dialect import in_duckdb
from local.cloud.bigquery.naming import finder
from local.cloud.bigquery.problems import of_duckdb
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import find_field
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.translate import Context, parse, read
from local.cloud.errors import invalid_argument

if TYPE_CHECKING:
    import pyarrow as pa


def _restriction(text: str) -> str:
    """As a WHERE clause. It is one condition, and reads nothing but the row."""
    tree = parse(f"SELECT ({text}) AS v")
    single = isinstance(tree, exp.Select) and not tree.args.get("from_") and len(tree.expressions) == 1
    if not single or tree.expressions[0].find(exp.Query):
        raise invalid_argument([("readSession.readOptions.rowRestriction", f"{text!r} is not a condition on columns")])
    return f" WHERE {tree.expressions[0].this.sql('bigquery')}"


def selected(bq: BigQuery, ref: TableRef, options: dict[str, Any], user: str) -> "pa.Table":
    """Raises INVALID_ARGUMENT for a field that is not there or a restriction that is no condition."""
    import duckdb

    fields = bq.results.schema(ref)
    wanted = [str(each).split(".")[0] for each in options.get("selectedFields") or []]
    missing = [name for name in wanted if find_field(fields, name) is None]
    if missing:
        raise invalid_argument([("readSession.readOptions.selectedFields", f"no such field: {missing[0]!r}")])
    chosen = [each for each in fields if not wanted or each["name"].lower() in [name.lower() for name in wanted]]
    names = [each["name"] for each in chosen]
    if ref.anonymous:
        with bq.results.batches(ref) as reader:
            return reader.read_all().select(names).cast(arrow_schema(chosen))
    columns = ", ".join(f"`{name}`" for name in names)
    where = _restriction(str(options["rowRestriction"])) if options.get("rowRestriction") else ""
    sql = f"SELECT {columns} FROM `{ref.project}.{ref.dataset}.{ref.table}`{where}"  # noqa: S608
    statement = read(sql, Context(ref.project, user=user), finder(bq, user))
    with bq.warehouse.reading() as cursor:
        try:
            _, text = described(cursor, in_duckdb(statement.tree))
            return cursor.sql(text).to_arrow_table().cast(arrow_schema(chosen))
        except duckdb.Error as error:
            raise of_duckdb(error) from None
