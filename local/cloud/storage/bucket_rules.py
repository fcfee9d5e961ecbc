"""What a bucket's settings may be.

Owns: the rules, each from the page of its setting. Does not own: defaults (buckets.py).
Sources: https://cloud.google.com/storage/docs/ locations, storage-classes, lifecycle, soft-delete, bucket-lock,
key-terms
"""

import re
from typing import Any

from local.cloud.validation import Violations, as_int

_MULTI_REGIONS = ("US", "EU", "ASIA")
_DUAL_REGIONS = ("NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1")
_REGION = re.compile(
    r"(AFRICA|ASIA|AUSTRALIA|EUROPE|ME|NORTHAMERICA|SOUTHAMERICA|US)-"
    r"(CENTRAL|EAST|WEST|NORTH|SOUTH|NORTHEAST|NORTHWEST|SOUTHEAST|SOUTHWEST)[0-9]{1,2}"
)
STORAGE_CLASSES = (
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
)
_ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
_CONDITIONS = (
    "age",
    "createdBefore",
    "customTimeBefore",
    "daysSinceCustomTime",
    "daysSinceNoncurrentTime",
    "isLive",
    "matchesPattern",
    "matchesPrefix",
    "matchesStorageClass",
    "matchesSuffix",
    "noncurrentTimeBefore",
    "numNewerVersions",
)
_OBJECTS = (
    *("autoclass", "billing", "customPlacementConfig", "encryption", "hierarchicalNamespace", "iamConfiguration"),
    *("lifecycle", "logging", "retentionPolicy", "softDeletePolicy", "versioning", "website"),
)
_DAY = r"\d{4}-\d{2}-\d{2}"
_MOST_RULES = 100
_MOST_RETENTION_SECONDS = 3_155_760_000


def location_type(location: str) -> str:
    if location in _MULTI_REGIONS:
        return "multi-region"
    return "dual-region" if location in _DUAL_REGIONS else "region"


def refuse_bad_settings(bucket: dict[str, Any]) -> None:
    """Raises 400 with every bad setting of a bucket as it was asked for."""
    found = Violations()
    _check_shapes(found, bucket)
    found.refuse()
    location = str(bucket.get("location") or "US").upper()
    known = location in (*_MULTI_REGIONS, *_DUAL_REGIONS) or _REGION.fullmatch(location)
    found.unless(known, "location", f"{location!r} is not a location of Cloud Storage")
    found.one_of(STORAGE_CLASSES, bucket.get("storageClass") or "STANDARD", "storageClass")
    found.labels(bucket.get("labels"))
    access = bucket.get("iamConfiguration") or {}
    prevention = access.get("publicAccessPrevention")
    found.one_of(
        ("inherited", "enforced", "unspecified"), prevention or "inherited", "iamConfiguration.publicAccessPrevention"
    )
    _check_soft_delete(found, bucket.get("softDeletePolicy") or {})
    retention = (bucket.get("retentionPolicy") or {}).get("retentionPeriod")
    if retention is not None:
        found.within(1, _MOST_RETENTION_SECONDS, retention, "retentionPolicy.retentionPeriod")
    _check_lifecycle(found, (bucket.get("lifecycle") or {}).get("rule") or [])
    found.refuse()


def _check_shapes(found: Violations, bucket: dict[str, Any]) -> None:
    for key in _OBJECTS:
        value = bucket.get(key)
        found.unless(value is None or isinstance(value, dict), key, f"{value!r} is not an object")
    lifecycle = bucket.get("lifecycle")
    rules = (lifecycle.get("rule") or []) if isinstance(lifecycle, dict) else []
    if not isinstance(rules, list):
        found.add("lifecycle.rule", f"{rules!r} is not a list")
        return
    for index, rule in enumerate(rules):
        parts = [rule.get(part) for part in ("action", "condition")] if isinstance(rule, dict) else [rule]
        good = all(part is None or isinstance(part, dict) for part in parts)
        found.unless(good and isinstance(rule, dict), f"lifecycle.rule[{index}]", f"{rule!r} is no rule")


def _check_soft_delete(found: Violations, policy: dict[str, Any]) -> None:
    seconds = policy.get("retentionDurationSeconds")
    if seconds is not None and as_int(seconds) != 0:
        found.within(604_800, 7_776_000, seconds, "softDeletePolicy.retentionDurationSeconds")


def _check_lifecycle(found: Violations, rules: list[dict[str, Any]]) -> None:
    found.unless(
        len(rules) <= _MOST_RULES, "lifecycle.rule", f"{len(rules)} rules are more than the {_MOST_RULES} allowed"
    )
    for index, rule in enumerate(rules):
        where = f"lifecycle.rule[{index}]"
        action = rule.get("action") or {}
        kind = action.get("type")
        found.one_of(_ACTIONS, kind, f"{where}.action.type")
        if kind == "SetStorageClass":
            found.one_of(STORAGE_CLASSES, action.get("storageClass"), f"{where}.action.storageClass")
        condition = rule.get("condition") or {}
        found.unless(condition, f"{where}.condition", "a rule needs a condition")
        for key, value in condition.items():
            _check_condition(found, key, value, f"{where}.condition.{key}")


def _check_condition(found: Violations, key: str, value: Any, where: str) -> None:
    found.one_of(_CONDITIONS, key, where)
    if key in ("age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions"):
        found.within(0, 2_147_483_647, value, where)
    elif key in ("createdBefore", "customTimeBefore", "noncurrentTimeBefore"):
        found.matches(_DAY, value, where, "is not a date such as 2026-01-31")
    elif key in ("matchesPrefix", "matchesSuffix"):
        strings = isinstance(value, list) and all(isinstance(each, str) for each in value)
        found.unless(strings and len(value) <= 1000, where, "must be a list of at most 1000 strings")
