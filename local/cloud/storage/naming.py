"""Names of buckets and objects.

Sources: https://cloud.google.com/storage/docs/buckets#naming and https://cloud.google.com/storage/docs/objects#naming
"""

import re

from local.cloud.errors import ApiError, bad_request

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_IP_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_MOST_OBJECT_BYTES = 1024


def check_bucket_name(name: object) -> None:
    """Raises 400 for a name that Cloud Storage does not take."""
    if not isinstance(name, str) or not _BUCKET.fullmatch(name):
        rule = "use lowercase letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    elif not 3 <= len(name) <= (222 if "." in name else 63) or any(len(part) > 63 for part in name.split(".")):
        rule = "use 3 to 63 characters (222 with dots, 63 between them)"
    elif _IP_ADDRESS.fullmatch(name) or ".." in name:
        rule = "it must not look like an IP address or hold '..'"
    elif name.startswith("goog") or "google" in name:
        rule = "it must not begin with 'goog' or hold 'google'"
    else:
        return
    details = [bad_request([("name", f"{name!r}: {rule}")])]
    raise ApiError(400, f"Invalid bucket name: {name!r}: {rule}", details=details, reason="invalid")


def check_object_name(name: str) -> None:
    """Raises 400 for a name that Cloud Storage does not take."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= _MOST_OBJECT_BYTES:
        rule = f"use 1 to {_MOST_OBJECT_BYTES} bytes of UTF-8"
    elif "\r" in name or "\n" in name:
        rule = "it must not hold a carriage return or a line feed"
    elif name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        rule = "it must not be '.' or '..', nor begin with '.well-known/acme-challenge/'"
    else:
        return
    shown = name if len(name) < 80 else f"{name[:80]}…"
    raise ApiError(400, f"Invalid object name {shown!r}: {rule}", reason="invalid")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and name of `gs://bucket/name`. Raises 400 for what is none."""
    scheme, _, rest = uri.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise ApiError(400, f"{uri!r} is not of the form gs://BUCKET/NAME", reason="invalid")
    return bucket, name
