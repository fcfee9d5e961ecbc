"""The columns of a query's result, in BigQuery's types."""

from typing import TYPE_CHECKING

from local.cloud.bigquery.problems import invalid_query
from local.cloud.bigquery.schema import Field, duckdb_type, field_of, quoted

if TYPE_CHECKING:
    import duckdb


def described(cursor: "duckdb.DuckDBPyConnection", sql: str) -> tuple[list[Field], str]:
    """The columns of a query's result, and the query with its columns in BigQuery's types."""
    relation = cursor.sql(sql)
    try:
        fields = [field_of(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)]
    except ValueError as error:
        raise invalid_query(str(error)) from None
    lowered = [each["name"].lower() for each in fields]
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    if twice:
        raise invalid_query(
            f"Duplicate column names in the result are not supported. Found duplicate(s): {', '.join(twice)}"
        )
    if all(str(kind) == duckdb_type(each) for each, kind in zip(fields, relation.types, strict=True)):
        return fields, sql
    columns = ", ".join(
        f"cast({quoted(each['name'])} as {duckdb_type(each)}) as {quoted(each['name'])}" for each in fields
    )
    return fields, f"select {columns} from ({sql})"  # noqa: S608
