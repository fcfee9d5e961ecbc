"""How large a table is, as BigQuery counts it.

Source: https://cloud.google.com/bigquery/pricing#data
"""

from typing import Any

from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import Field, mode_of, quoted, standard_type
from local.cloud.bigquery.tables import Tables

_BYTES = {"BOOL": 1, "NUMERIC": 16, "BIGNUMERIC": 32, "INTERVAL": 16}
_counted: dict[tuple[str, str], int] = {}


def table_bytes(tables: Tables, ref: TableRef) -> int:
    """Logical bytes; 0 for a view. Counted again only when the table has changed."""
    record = tables.find(ref)
    return record_bytes(tables, record) if record else 0


def record_bytes(tables: Tables, record: dict[str, Any]) -> int:
    if not record["physical"]:
        return 0
    key = (f"{id(tables)}.{record['physical']}", record["resource"]["lastModifiedTime"])
    if key not in _counted:
        sums = [_sum(each, quoted(each["name"])) for each in record["resource"]["schema"]["fields"]]
        with tables.warehouse.reading() as cursor:
            total = " + ".join(f"coalesce({each}, 0)" for each in sums)
            row = cursor.execute(f"select {total} from {quoted(record['physical'])}").fetchone()  # noqa: S608
        if len(_counted) > 10_000:
            _counted.clear()
        _counted[key] = int(row[0] if row else 0)
    return _counted[key]


def _sum(field: Field, of: str) -> str:
    """SQL for the bytes of a column."""
    return f"sum({_size(field, of)})"


def _size(field: Field, of: str) -> str:
    if mode_of(field) == "REPEATED":
        inner = _size({**field, "mode": "NULLABLE"}, "each")
        return f"list_sum(list_transform({of}, lambda each: {inner}))"
    kind = standard_type(field)
    if kind == "STRUCT":
        inner = [(each, f"struct_extract({of}, {_text(each['name'])})") for each in field["fields"]]
        parts = [f"coalesce({_size(each, value)}, 0)" for each, value in inner]
        return f"({' + '.join(parts)})"
    if kind in ("STRING", "JSON", "GEOGRAPHY"):
        return f"(2 + strlen(cast({of} as varchar)))"
    if kind == "BYTES":
        return f"(2 + octet_length({of}))"
    return f"(case when {of} is null then 0 else {_BYTES.get(kind, 8)} end)"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
