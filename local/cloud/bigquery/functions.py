"""GoogleSQL's functions that DuckDB lacks or does otherwise, as macros.

Owns: their definitions; names begin with `bq_` so that they are told from DuckDB's own. dialect.py writes queries that
call them. Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
"""

from typing import TYPE_CHECKING

from local.cloud.bigquery.farmhash import fingerprint

if TYPE_CHECKING:
    import duckdb

_MACROS = (
    # Numbers
    "bq_div(a, b) as case when b = 0 then error('division by zero: ' || a || ' / ' || b) else a / b end",
    "bq_int_div(a, b) as case when b = 0 then error('division by zero: ' || a || ' / ' || b) else a // b end",
    "bq_mod(a, b) as case when b = 0 then error('division by zero: MOD(' || a || ', ' || b || ')') else a % b end",
    "bq_ieee_divide(a, b) as cast(a as double) / cast(b as double)",
    "bq_range_bucket(x, bounds) as len(list_filter(bounds, lambda each: each <= x))",
    "bq_int64(x double) as cast(round(x) as bigint), (x decimal(38, 9)) as cast(x as bigint), "
    "(x varchar) as cast(x as bigint), (x boolean) as cast(x as bigint), (x bigint) as x, "
    "(x hugeint) as cast(x as bigint)",
    # Arrays
    "bq_offset(items, i) as case when i < 0 or i >= len(items) "
    "then error('Array index ' || i || ' is out of bounds') else items[i + 1] end",
    "bq_ordinal(items, i) as case when i < 1 or i > len(items) "
    "then error('Array index ' || i || ' is out of bounds') else items[i] end",
    # Strings and bytes
    "bq_byte_length(x varchar) as strlen(x), (x blob) as octet_length(x)",
    "bq_instr(text, part) as strpos(text, part), "
    "(text, part, start) as case when strpos(text[start:], part) = 0 then 0 "
    "else strpos(text[start:], part) + start - 1 end, "
    "(text, part, start, n) as case when len(string_split(text[start:], part)) <= n then 0 "
    "else start + len(array_to_string(string_split(text[start:], part)[:n], part)) end",
    "bq_to_code_points(text) as list_transform(string_split(text, ''), lambda each: cast(unicode(each) as bigint))",
    "bq_code_points_to_string(points) as "
    "array_to_string(list_transform(points, lambda each: chr(cast(each as integer))), '')",
    "bq_byte_string(x blob) as try(decode(x)), (x varchar) as x",
    "bq_parse_numeric(text) as cast(replace(replace(trim(text), ',', ''), '$', '') as decimal(38, 9))",
    "bq_farm_fingerprint(x varchar) as bq_fingerprint(encode(x)), (x blob) as bq_fingerprint(x)",
    # Dates and times
    "bq_week(x, first) as cast(floor((dayofyear(x) + 6 - ((dayofweek(x) - first + 7) % 7)) / 7) as bigint)",
    "bq_timestamp_diff(later, earlier, part) as "
    "date_sub(part, cast(earlier as timestamptz), cast(later as timestamptz))",
    "bq_as(alike date, x) as cast(x as date), "
    "(alike timestamp, x) as cast(x as timestamp), "
    "(alike timestamptz, x) as cast(x as timestamptz)",
)


def define_functions(connection: "duckdb.DuckDBPyConnection") -> None:
    """Put every macro into the database, over those of an older release."""
    connection.create_function("bq_fingerprint", _fingerprints, ["BLOB"], "BIGINT", type="arrow")  # type: ignore[arg-type]
    for macro in _MACROS:
        connection.execute(f"create or replace macro {macro}")


def _fingerprints(column):  # not annotated: the engine would evaluate the annotations
    import pyarrow as pa

    return pa.array([None if value is None else fingerprint(value) for value in column.to_pylist()], pa.int64())
