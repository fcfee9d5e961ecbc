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


def _table_schema(tf: str, value: Value) -> str:
    try:
        parsed = json.loads(value)
    except ValueError as error:
        return f'"{tf}" contains an invalid JSON: {error}'
    if not isinstance(parsed, list):
        kind = {dict: "object", str: "string", bool: "bool"}.get(type(parsed), "number")
        return f'"{tf}" is not a JSON array: json: cannot unmarshal {kind} into Go value of type []interface {{}}'
    if any(not isinstance(column, dict) for column in parsed):
        return f'"{tf}" is not a valid schema: each column must be a JSON object'
    return ""


RULES: dict[str, Callable[[str, Value], str]] = {
    "account-id": _account_id,
    "account-name": _pattern(_ACCOUNT),
    "bucket-labels": _bucket_labels,
    "dataset-id": _dataset_id,
    "hour": _hour,
    "member": _member,
    "partition-type": _choice("DAY", "HOUR", "MONTH", "YEAR"),
    "cleanup-action": _choice("DELETE", "KEEP"),
    "repository-mode": _choice("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"),
    "restriction": _choice("NotRestricted", "FullyRestricted"),
    "role-id": _pattern(r"^[a-zA-Z0-9_\.]{3,64}$"),
    "role-stage": _choice("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"),
    "scanning": _choice("INHERITED", "DISABLED"),
    "service": _service,
    "short-text": _length(0, 256),
    "tag-state": _choice("TAGGED", "UNTAGGED", "ANY"),
    "table-schema": _table_schema,
    "with-state": _choice("LIVE", "ARCHIVED", "ANY", ""),
}


def problem(rule: str, tf: str, value: Value) -> str:
    """What the rule has against the value; empty if nothing. `tf` is the provider's path of the property."""
    return RULES[rule](tf, value)
