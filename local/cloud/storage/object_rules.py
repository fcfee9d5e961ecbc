"""What an object's fields may be.

Owns: the rules. Source: https://cloud.google.com/storage/docs/json_api/v1/objects#resource and …/docs/metadata
"""

from typing import Any

from local.cloud.clock import parse_rfc3339
from local.cloud.errors import ApiError
from local.cloud.storage.bucket_rules import STORAGE_CLASSES
from local.cloud.validation import Violations

_TEXTS = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType")
_HOLDS = ("eventBasedHold", "temporaryHold")
_MOST_METADATA_BYTES = 8192


def refuse_bad_fields(body: dict[str, Any]) -> None:
    """Raises 400 with every field of an object that is no value of its type."""
    found = Violations()
    given = {key: value for key, value in body.items() if value is not None}
    for key in _TEXTS:
        found.unless(isinstance(given.get(key, ""), str), key, f"{given.get(key)!r} is not a string")
    for key in _HOLDS:
        found.unless(isinstance(given.get(key, False), bool), key, f"{given.get(key)!r} is not a boolean")
    found.one_of(STORAGE_CLASSES, given.get("storageClass", "STANDARD"), "storageClass")
    metadata = given.get("metadata", {})
    texts = isinstance(metadata, dict) and all(isinstance(each, str | None) for each in metadata.values())
    found.unless(texts, "metadata", f"{metadata!r} is not an object of strings")
    if texts:
        size = sum(len(key.encode()) + len((value or "").encode()) for key, value in metadata.items())
        rule = f"{size} bytes are more than the {_MOST_METADATA_BYTES} of custom metadata"
        found.unless(size <= _MOST_METADATA_BYTES, "metadata", rule)
    retention = given.get("retention", {})
    found.unless(isinstance(retention, dict), "retention", f"{retention!r} is not an object")
    if isinstance(retention, dict) and retention:
        found.one_of(("Unlocked", "Locked"), retention.get("mode"), "retention.mode")
        found.unless(_is_time(retention.get("retainUntilTime")), "retention.retainUntilTime", "is no RFC 3339 time")
    if "customTime" in given:
        rule = f"{given['customTime']!r} is no RFC 3339 time"
        found.unless(_is_time(given["customTime"]), "customTime", rule)
    found.refuse()


def refuse_bad_change(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raises 400 for a custom time that is taken away or set back."""
    refuse_bad_fields(new)
    if "customTime" not in old:
        return
    if "customTime" not in new or parse_rfc3339(new["customTime"]) < parse_rfc3339(old["customTime"]):
        message = f"Custom time {old['customTime']!r} cannot be removed or set to an earlier time"
        raise ApiError(400, message, reason="invalid", location="customTime")


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(parse_rfc3339(value))
    except ValueError:
        return False
