"""What keeps an object from being deleted or overwritten: holds, its own retention and its bucket's policy.

Owns: until when, and the refusals. Does not own: the fields themselves (buckets.py, object_api.py).
Sources: https://cloud.google.com/storage/docs/bucket-lock, …/object-holds and …/object-lock
"""

from datetime import datetime, timedelta
from typing import Any

from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError
from local.cloud.validation import as_int

RELEASED = "eventBasedHoldReleaseTime"  # since when the bucket's period counts; no field of the API


def policy_seconds(bucket: dict[str, Any] | None) -> int:
    return as_int(((bucket or {}).get("retentionPolicy") or {}).get("retentionPeriod")) or 0


def retained_until(meta: dict[str, Any], seconds: int) -> datetime | None:
    """The end of an object's retention, its bucket's period being `seconds`; None where it has none or no end yet."""
    ends = []
    if seconds and not meta.get("eventBasedHold"):
        ends.append(parse_rfc3339(meta.get(RELEASED) or meta["timeCreated"]) + timedelta(seconds=seconds))
    if until := (meta.get("retention") or {}).get("retainUntilTime"):
        ends.append(parse_rfc3339(until))
    return max(ends, default=None)


def shown(meta: dict[str, Any], seconds: int) -> dict[str, Any]:
    """An object's fields, with the time at which its retention ends."""
    fields = {key: value for key, value in meta.items() if key != RELEASED}
    until = retained_until(meta, seconds)
    return fields | ({"retentionExpirationTime": rfc3339(until)} if until else {})


def refuse_if_held(bucket: dict[str, Any], meta: dict[str, Any], name: str, now: datetime) -> None:
    """Raises 403 for an object that may be neither deleted nor overwritten."""
    what = f"Object '{bucket['name']}/{name}'"
    if meta.get("temporaryHold") or meta.get("eventBasedHold"):
        raise ApiError(403, f"{what} is under active hold and cannot be deleted or overwritten.")
    until = retained_until(meta, policy_seconds(bucket))
    if until and now < until:
        rule = "is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until"
        raise ApiError(403, f"{what} {rule} {rfc3339(until)}", reason="retentionPolicyNotMet")


def refuse_weaker_policy(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raises 403 where a locked policy would be removed or shortened; a locked one stays locked."""
    if not (old.get("retentionPolicy") or {}).get("isLocked"):
        return
    if policy_seconds(new) < policy_seconds(old):
        message = f"Cannot reduce retention duration of a locked Retention Policy for bucket '{old['name']}'."
        raise ApiError(403, message, reason="forbidden")
    new["retentionPolicy"] = new["retentionPolicy"] | {"isLocked": True}
