"""What Cloud KMS accepts as a key or a version.

Source: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
"""

from typing import Any

from local.cloud.durations import seconds
from local.cloud.validation import Violations

_DAY = 86_400
_PURPOSES = (
    *("ENCRYPT_DECRYPT", "ASYMMETRIC_SIGN", "ASYMMETRIC_DECRYPT", "RAW_ENCRYPT_DECRYPT", "MAC"),
    "KEY_ENCAPSULATION",
)
_LEVELS = ("SOFTWARE", "HSM", "EXTERNAL", "EXTERNAL_VPC", "HSM_SINGLE_TENANT")
_PREFIXES = {
    "ENCRYPT_DECRYPT": ("GOOGLE_SYMMETRIC_ENCRYPTION", "EXTERNAL_SYMMETRIC_ENCRYPTION"),
    "ASYMMETRIC_SIGN": ("RSA_SIGN", "EC_SIGN", "PQ_SIGN"),
    "ASYMMETRIC_DECRYPT": ("RSA_DECRYPT",),
    "RAW_ENCRYPT_DECRYPT": ("AES_",),
    "MAC": ("HMAC_",),
    "KEY_ENCAPSULATION": ("ML_KEM", "KEM_"),
}


def check_key(found: Violations, body: dict[str, Any]) -> None:
    purpose = body.get("purpose")
    found.one_of(_PURPOSES, purpose, "purpose")
    found.labels(body.get("labels"))
    template = body.get("versionTemplate") or {}
    found.one_of(_LEVELS, template.get("protectionLevel") or "SOFTWARE", "versionTemplate.protectionLevel")
    algorithm = template.get("algorithm") or ("GOOGLE_SYMMETRIC_ENCRYPTION" if purpose == _PURPOSES[0] else "")
    prefixes = _PREFIXES.get(str(purpose), ("",))
    rule = f"{algorithm!r} is not an algorithm for {purpose}: it begins with {' or '.join(prefixes)}"
    found.unless(str(algorithm).startswith(prefixes), "versionTemplate.algorithm", rule)
    _check_rotation(found, body, purpose)
    if body.get("destroyScheduledDuration") is not None:
        wait = seconds(body["destroyScheduledDuration"])
        rule = f"{body['destroyScheduledDuration']!r} is not a duration from 1 to 120 days, as in '2592000s'"
        found.unless(wait is not None and _DAY <= wait <= 120 * _DAY, "destroyScheduledDuration", rule)


def check_version(found: Violations, body: dict[str, Any]) -> None:
    found.one_of(("ENABLED", "DISABLED"), body.get("state"), "state")


def _check_rotation(found: Violations, body: dict[str, Any], purpose: Any) -> None:
    period = body.get("rotationPeriod")
    if period is None:
        return
    length = seconds(period)
    rule = f"{period!r} is not a duration from 1 day to 100 years, as in '7776000s'"
    found.unless(length is not None and _DAY <= length <= 36_525 * _DAY, "rotationPeriod", rule)
    found.unless(body.get("nextRotationTime"), "nextRotationTime", "is required with a rotationPeriod")
    found.unless(purpose == "ENCRYPT_DECRYPT", "rotationPeriod", f"keys of purpose {purpose} are not rotated")
