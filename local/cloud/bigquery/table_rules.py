"""What a table's settings may be.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table and …/docs/partitioned-tables,
clustered-tables
"""

from typing import Any

from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import check_schema, find_field, mode_of, standard_type
from local.cloud.validation import Violations, as_int

_UNITS = ("HOUR", "DAY", "MONTH", "YEAR")
_PARTITION_TYPES = ("TIMESTAMP", "DATE", "DATETIME")
_CLUSTER_TYPES = ("BIGNUMERIC", "BOOL", "DATE", "DATETIME", "GEOGRAPHY", "INT64", "NUMERIC", "STRING", "TIMESTAMP")
_MOST_CLUSTERS = 4


def check_table(resource: dict[str, Any]) -> None:
    """Raises 400 with all that BigQuery does not take of a table."""
    for key in (
        "snapshotDefinition",
        "cloneDefinition",
        "biglakeConfiguration",
    ):
        if resource.get(key):
            raise problem("notImplemented", f"The local cloud's BigQuery has no tables with {key}")
    found = Violations()
    fields = (resource.get("schema") or {}).get("fields") or []
    check_schema(found, fields)
    found.labels(resource.get("labels"))
    if resource.get("expirationTime") is not None:
        found.unless(
            as_int(resource["expirationTime"]) is not None, "expirationTime", "must be milliseconds since 1970"
        )
    if view := resource.get("view"):
        found.unless(view.get("query"), "view.query", "a view needs a query")
        found.unless(
            view.get("useLegacySql") is False, "view.useLegacySql", "legacy SQL is not supported: set it to false"
        )
        found.unless(not resource.get("timePartitioning"), "timePartitioning", "a view has no partitions")
    _check_partitioning(found, resource, fields)
    _check_clustering(found, resource, fields)
    found.refuse()


def numbers_as_strings(resource: dict[str, Any]) -> dict[str, Any]:
    """int64 travels as a string."""
    if resource.get("expirationTime") is not None:
        resource["expirationTime"] = str(as_int(resource["expirationTime"]))
    partitioning = resource.get("timePartitioning")
    if partitioning and partitioning.get("expirationMs") is not None:
        partitioning["expirationMs"] = str(as_int(partitioning["expirationMs"]))
    ranges = (resource.get("rangePartitioning") or {}).get("range") or {}
    for key in ("start", "end", "interval"):
        if ranges.get(key) is not None:
            ranges[key] = str(as_int(ranges[key]))
    return resource


def _check_partitioning(found: Violations, resource: dict[str, Any], fields: list[dict[str, Any]]) -> None:
    time, ranges = resource.get("timePartitioning"), resource.get("rangePartitioning")
    found.unless(not (time and ranges), "rangePartitioning", "a table is partitioned by time or by range, not both")
    if time:
        found.one_of(_UNITS, time.get("type"), "timePartitioning.type")
        kept = time.get("expirationMs")
        good = kept is None or (as_int(kept) or 0) > 0
        found.unless(good, "timePartitioning.expirationMs", f"{kept!r} is not a positive number of milliseconds")
        _check_partition_field(found, time.get("field"), fields, _PARTITION_TYPES, "timePartitioning.field")
    if ranges:
        _check_partition_field(found, ranges.get("field"), fields, ("INT64",), "rangePartitioning.field")
        bounds = {key: as_int((ranges.get("range") or {}).get(key)) for key in ("start", "end", "interval")}
        found.unless(
            None not in bounds.values(), "rangePartitioning.range", "start, end and interval are required integers"
        )
    if resource.get("requirePartitionFilter") and resource.get("type") == "TABLE":
        found.unless(time or ranges, "requirePartitionFilter", "only a partitioned table can demand a partition filter")


def _check_partition_field(
    found: Violations, name: str | None, fields: list[dict[str, Any]], types: tuple[str, ...], where: str
) -> None:
    if name is None or not fields:
        found.unless(name is not None or "rangePartitioning" not in where, where, "a column is required")
        return
    column = find_field(fields, name)
    if column is None:
        found.add(where, f"The field specified for partitioning cannot be found in the schema: {name!r}")
        return
    good = standard_type(column) in types and mode_of(column) != "REPEATED"
    found.unless(good, where, f"column {name!r} must be {' or '.join(types)}, not {mode_of(column)} {column['type']}")


def _check_clustering(found: Violations, resource: dict[str, Any], fields: list[dict[str, Any]]) -> None:
    columns = (resource.get("clustering") or {}).get("fields") or []
    found.unless(
        len(columns) <= _MOST_CLUSTERS, "clustering.fields", f"{len(columns)} columns are more than {_MOST_CLUSTERS}"
    )
    for name in columns if fields else []:
        column = find_field(fields, name)
        if column is None:
            found.add(
                "clustering.fields", f"The field specified for clustering cannot be found in the schema: {name!r}"
            )
        elif standard_type(column) not in _CLUSTER_TYPES or mode_of(column) == "REPEATED":
            found.add("clustering.fields", f"column {name!r} of type {column['type']} cannot cluster a table")


def inherit_expiry(resource: dict[str, Any], dataset: dict[str, Any], now: int) -> None:
    """A new table takes over its dataset's defaults."""
    kept = as_int(dataset.get("defaultTableExpirationMs"))
    partitions = as_int(dataset.get("defaultPartitionExpirationMs"))
    partitioning = resource.get("timePartitioning")
    if partitioning and partitions and not partitioning.get("expirationMs"):
        partitioning["expirationMs"] = str(partitions)
    elif kept and not partitioning and not resource.get("expirationTime"):
        resource["expirationTime"] = str(now + kept)


def refuse_repartitioned(ref: TableRef, old: dict[str, Any], new: dict[str, Any]) -> None:
    for key in ("timePartitioning", "rangePartitioning"):
        before, after = old.get(key) or {}, new.get(key) or {}
        if before and after and (before.get("field"), before.get("type")) != (after.get("field"), after.get("type")):
            raise problem("invalid", f"Cannot change partitioning/clustering spec for table {ref.label}")
