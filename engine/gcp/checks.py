"""Rules that the provider applies to a single value before it plans; each returns what is wrong, in the provider's
words, or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from engine.values import Value

_ACCOUNT = r"^projects/(?:[-a-z0-9.]+:)?(?:[0-9]+|[a-z0-9][-a-z0-9]*|-)/serviceAccounts/[^/@]+@[-a-z0-9.]+$"
_MEMBER = re.compile(
    r"^(allUsers|allAuthenticatedUsers|projectOwners|projectReaders|projectWriters)$"
    r"|^(user|serviceAccount|group|domain|principal|principalSet|principalHierarchy|iamMember|projectOwner|projectEditor|projectViewer):.+$"
    r"|^deleted:(user|serviceAccount|group):.+$"
)


def _length(low: int, high: int) -> Callable[[str, Value], str]:
    def rule(tf: str, value: Value) -> str:
        if low <= len(value) <= high:
            return ""
        return f"expected length of {tf} to be in the range ({low} - {high}), got {value}"

    return rule


def _pattern(pattern: str) -> Callable[[str, Value], str]:
    def rule(tf: str, value: Value) -> str:
        if re.search(pattern, value):
            return ""
        shown = pattern.replace("\\", "\\\\")
        return f'"{tf}" ("{value}") doesn\'t match regexp "{shown}"'

    return rule


def _choice(*choices: str) -> Callable[[str, Value], str]:
    def rule(tf: str, value: Value) -> str:
        if value in choices:
            return ""
        quoted = " ".join(f'"{choice}"' for choice in choices)
        return f"expected {tf} to be one of [{quoted}], got {value}"

    return rule


def _account_id(tf: str, value: Value) -> str:
    last = tf.rsplit(".", 1)[-1]
    if not 6 <= len(value) <= 30:
        return f'"{last}" ("{value}") must be between 6 and 30 characters long'
    return _pattern(r"^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$")(last, value)


def _dataset_id(tf: str, value: Value) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_]+", value):
        return f'"{tf}" must contain only letters (a-z, A-Z), numbers (0-9), or underscores (_)'
    return f'"{tf}" cannot be greater than 1,024 characters' if len(value) > 1024 else ""


def _hour(tf: str, value: Value) -> str:
    return f'"{tf}" cannot be shorter than 3600000 milliseconds (one hour)' if value < 3600000 else ""


def _member(tf: str, value: Value) -> str:
    if _MEMBER.match(value):
        return ""
    return f'invalid value "{value}" for {tf} (IAM members must have one of the values outlined here: https://cloud.google.com/billing/docs/reference/rest/v1/Policy#Binding)'


def _service(tf: str, value: Value) -> str:
    if value == "bigquery-json.googleapis.com":
        return f"expected {tf} to not match any of [{value}], got {value}"
    return "" if "." in value else f"expected {value} to be a domain like serviceusage.googleapis.com"


def _bucket_labels(_: str, value: Value) -> str:
    for key in value:
        if not re.fullmatch(r"[a-z0-9_-]{1,63}", key):
            return f'"{key}" is an invalid label key. See https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels'
    return ""


def _json(tf: str, value: Value) -> str:
    try:
        json.loads(value)
    except ValueError as error:
        return f'"{tf}" contains an invalid JSON: {error}'
    return ""


def _rotation(_: str, value: Value) -> str:
    seconds = re.fullmatch(r"(\d+)(\.\d+)?s", value)
    if seconds is None:
        return f'"{value}" is no duration in seconds, as in 7776000s' if value else ""
    return "" if int(seconds[1]) >= 86400 else "Rotation period must be greater than one day"


def _federation_id(tf: str, value: Value) -> str:
    if value.startswith("gcp-"):
        return f'"{tf}" ("{value}") can not start with "gcp-"'
    if re.fullmatch(r"[a-z0-9-]{4,32}", value):
        return ""
    return f'"{tf}" ("{value}") must be 4 to 32 characters of lower case letters, digits and dashes'


def _table_schema(tf: str, value: Value) -> str:
    if reason := _json(tf, value):
        return reason
    parsed = json.loads(value)
    if not isinstance(parsed, list):
        kind = {dict: "object", str: "string", bool: "bool"}.get(type(parsed), "number")
        return f'"{tf}" is not a JSON array: json: cannot unmarshal {kind} into Go value of type []interface {{}}'
    if any(not isinstance(column, dict) for column in parsed):
        return f'"{tf}" is not a valid schema: each column must be a JSON object'
    return ""


_ALIGNERS = """ALIGN_NONE ALIGN_DELTA ALIGN_RATE ALIGN_INTERPOLATE ALIGN_NEXT_OLDER ALIGN_MIN ALIGN_MAX ALIGN_MEAN
ALIGN_COUNT ALIGN_SUM ALIGN_STDDEV ALIGN_COUNT_TRUE ALIGN_COUNT_FALSE ALIGN_FRACTION_TRUE ALIGN_PERCENTILE_99
ALIGN_PERCENTILE_95 ALIGN_PERCENTILE_50 ALIGN_PERCENTILE_05 ALIGN_PERCENT_CHANGE"""
_REDUCERS = """REDUCE_NONE REDUCE_MEAN REDUCE_MIN REDUCE_MAX REDUCE_SUM REDUCE_STDDEV REDUCE_COUNT REDUCE_COUNT_TRUE
REDUCE_COUNT_FALSE REDUCE_FRACTION_TRUE REDUCE_PERCENTILE_99 REDUCE_PERCENTILE_95 REDUCE_PERCENTILE_50
REDUCE_PERCENTILE_05"""
_INTERVALS = "5_SEC 30_SEC 1_MIN 5_MIN 10_MIN 15_MIN"
_NAT_RANGES = "ALL_SUBNETWORKS_ALL_IP_RANGES ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES LIST_OF_SUBNETWORKS"
_SUBNET_MASKS = """ARP_ALL_RANGES ARP_PRIMARY_RANGE ARP_BROADCAST_PRIMARY_RANGE
ARP_BROADCAST_PRIMARY_RANGE_WITH_LEARNING"""
_MISSING_DATA = "EVALUATION_MISSING_DATA_INACTIVE EVALUATION_MISSING_DATA_ACTIVE EVALUATION_MISSING_DATA_NO_OP"

# The rest of such a rule's name is the values to choose from.
CHOICE = "in:"
RULES: dict[str, Callable[[str, Value], str]] = {
    "account-id": _account_id,
    "account-name": _pattern(_ACCOUNT),
    "aligner": _choice(*_ALIGNERS.split()),
    "bucket-labels": _bucket_labels,
    "calendar-period": _choice("MONTH", "QUARTER", "YEAR", "CALENDAR_PERIOD_UNSPECIFIED"),
    "comparison": _choice(*(f"COMPARISON_{sign}" for sign in ["GT", "GE", "LT", "LE", "EQ", "NE"])),
    "credits": _choice("INCLUDE_ALL_CREDITS", "EXCLUDE_ALL_CREDITS", "INCLUDE_SPECIFIED_CREDITS"),
    "dataset-id": _dataset_id,
    "federation-id": _federation_id,
    "firewall-order": _choice("BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL"),
    "flow-metadata": _choice("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", "CUSTOM_METADATA"),
    "gce-name": _pattern(r"^(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)$"),
    "hour": _hour,
    "interval": _choice(*(f"INTERVAL_{interval}" for interval in _INTERVALS.split())),
    "json": _json,
    "member": _member,
    "missing-data": _choice(*_MISSING_DATA.split()),
    "nat-ranges": _choice(*_NAT_RANGES.split()),
    "partition-type": _choice("DAY", "HOUR", "MONTH", "YEAR"),
    "cleanup-action": _choice("DELETE", "KEEP"),
    "reducer": _choice(*_REDUCERS.split()),
    "repository-mode": _choice("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"),
    "restriction": _choice("NotRestricted", "FullyRestricted"),
    "role-id": _pattern(r"^[a-zA-Z0-9_\.]{3,64}$"),
    "rotation": _rotation,
    "role-stage": _choice("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"),
    "scanning": _choice("INHERITED", "DISABLED"),
    "service": _service,
    "short-text": _length(0, 256),
    "subnet-mask": _choice(*_SUBNET_MASKS.split()),
    "tag-state": _choice("TAGGED", "UNTAGGED", "ANY"),
    "table-schema": _table_schema,
    "with-state": _choice("LIVE", "ARCHIVED", "ANY", ""),
}


def problem(rule: str, tf: str, value: Value) -> str:
    """What the rule has against the value; empty if nothing. `tf` is the provider's path of the property."""
    if rule.startswith(CHOICE):
        return _choice(*rule.removeprefix(CHOICE).split(","))(tf, value)
    return RULES[rule](tf, value)


def known(rule: str) -> bool:
    """Whether there is such a rule."""
    return rule in RULES or rule.startswith(CHOICE)
