"""PARTITION BY, CLUSTER BY and OPTIONS of a statement, as the API's fields.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#table_option_list
"""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery.options import options_of
from local.cloud.bigquery.problems import invalid_query, unsupported
from local.cloud.bigquery.values import timestamp
from local.cloud.clock import micros


def settings_of(tree: exp.Create) -> dict[str, Any]:
    """PARTITION BY, CLUSTER BY and OPTIONS as the API's fields."""
    settings: dict[str, Any] = {}
    properties = tree.args.get("properties")
    for each in properties.expressions if properties else []:
        if isinstance(each, exp.PartitionedByProperty):
            if isinstance(each.this, exp.RangeBucket):
                settings["rangePartitioning"] = _range_partitioning(each.this)
            else:
                settings["timePartitioning"] = _partitioning(each.this)
        elif isinstance(each, exp.ClusterProperty):
            settings["clustering"] = {"fields": [column.name for column in each.expressions]}
    return settings | renamed_options(options_of(properties) if properties else {}, settings)


def renamed_options(options: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """OPTIONS in the API's words."""
    if days := options.pop("partition_expiration_days", None):
        settings.setdefault("timePartitioning", {})["expirationMs"] = str(int(float(days) * 86_400_000))
    names = {"description": "description", "friendly_name": "friendlyName", "labels": "labels", "location": "location"}
    if "expiration_timestamp" in options:
        moment = options.pop("expiration_timestamp")
        settings["expirationTime"] = None if moment is None else str(micros(timestamp(moment)) // 1000)
    names |= {
        "require_partition_filter": "requirePartitionFilter",
        "default_table_expiration_days": "defaultTableExpirationDays",
    }
    unknown = sorted(options.keys() - names.keys())
    if unknown:
        raise unsupported(f"OPTIONS({', '.join(unknown)})")
    return settings | {names[key]: value for key, value in options.items()}


def _range_partitioning(node: exp.RangeBucket) -> dict[str, Any]:
    """RANGE_BUCKET(column, GENERATE_ARRAY(start, end, interval))."""
    bounds = node.expression
    if not isinstance(bounds, exp.GenerateSeries):
        raise invalid_query("PARTITION BY RANGE_BUCKET needs GENERATE_ARRAY(start, end, interval)")
    keys = {"start": "start", "end": "end", "interval": "step"}
    numbers = {key: bounds.args[of].sql() if bounds.args.get(of) else "1" for key, of in keys.items()}
    return {"field": node.this.name, "range": numbers}


def _partitioning(node: exp.Expr) -> dict[str, Any]:
    """DATE(ts), ts, TIMESTAMP_TRUNC(ts, HOUR): the column and the unit."""
    if isinstance(node, exp.Identifier):
        node = exp.column(node)
    column = node.find(exp.Column)
    if column is None:
        raise unsupported(f"PARTITION BY {node.sql('bigquery')}")
    unit = node.args.get("unit")
    kind = unit.name.upper() if isinstance(unit, exp.Expr) else "DAY"
    if column.name.upper() in ("_PARTITIONDATE", "_PARTITIONTIME"):
        return {"type": kind}
    return {"type": kind, "field": column.name}


_EXTERNAL = {
    "format": "sourceFormat",
    "uris": "sourceUris",
    "max_bad_records": "maxBadRecords",
    "ignore_unknown_values": "ignoreUnknownValues",
    "compression": "compression",
}
_CSV = {
    "skip_leading_rows": "skipLeadingRows",
    "field_delimiter": "fieldDelimiter",
    "quote": "quote",
    "allow_jagged_rows": "allowJaggedRows",
    "allow_quoted_newlines": "allowQuotedNewlines",
    "encoding": "encoding",
    "null_marker": "nullMarker",
}
_FORMATS = {"JSON": "NEWLINE_DELIMITED_JSON", "JSONL": "NEWLINE_DELIMITED_JSON"}


def external_settings(properties: exp.Properties) -> dict[str, Any]:
    """OPTIONS of CREATE EXTERNAL TABLE."""
    options = options_of(properties)
    if not {"format", "uris"} <= options.keys():
        raise invalid_query("CREATE EXTERNAL TABLE needs the options format and uris")
    config = {name: options.pop(key) for key, name in _EXTERNAL.items() if key in options}
    config["sourceFormat"] = _FORMATS.get(config["sourceFormat"].upper(), config["sourceFormat"].upper())
    config["csvOptions"] = {name: options.pop(key) for key, name in _CSV.items() if key in options}
    return {"externalDataConfiguration": {**config, "autodetect": True}, **renamed_options(options, {})}
