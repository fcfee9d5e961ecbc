"""Who speaks by a signed URL.

Owns: the check of a query's signature, V4 or V2, and of its time. Does not own: the keys (control/account_keys.py),
signatures in an Authorization header or of HMAC keys, nor what the signer may do.
Sources: https://cloud.google.com/storage/docs/access-control/signed-urls, …/docs/authentication/canonical-requests and
…/docs/access-control/signed-urls-v2
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from local.cloud.call import Call
from local.cloud.errors import ApiError
from local.cloud.identity import Principal

_ALGORITHM = "GOOG4-RSA-SHA256"
_LONGEST_SECONDS = 7 * 86_400
_SKEW = timedelta(minutes=15)
_NOT_SIGNED_V2 = ("x-goog-encryption-key", "x-goog-encryption-key-sha256")


def signer(call: Call) -> Principal | None:
    """The account that signed the URL, None where the URL is not signed. Raises ApiError for a bad one."""
    if "X-Goog-Signature" in call.query:
        return _by_v4(call)
    return _by_v2(call) if "Signature" in call.query and "GoogleAccessId" in call.query else None


def _by_v4(call: Call) -> Principal:
    query = call.query
    email, _, scope = query.get("X-Goog-Credential", "").partition("/")
    try:
        began = datetime.strptime(query.get("X-Goog-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        seconds = int(query.get("X-Goog-Expires", ""))
        signature = bytes.fromhex(query["X-Goog-Signature"])
    except ValueError as error:
        raise _malformed(f"X-Goog-Date, X-Goog-Expires or X-Goog-Signature cannot be read: {error}") from None
    parts = scope.split("/")
    if len(parts) != 4 or parts[0] != f"{began:%Y%m%d}" or parts[2:] != ["storage", "goog4_request"]:
        raise _malformed(f"X-Goog-Credential {query.get('X-Goog-Credential')!r} is not EMAIL/DATE/LOCATION/storage/…")
    if query.get("X-Goog-Algorithm") != _ALGORITHM:
        raise _malformed(f"X-Goog-Algorithm {query.get('X-Goog-Algorithm')!r} is not {_ALGORITHM}")
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise _malformed(f"X-Goog-Expires {seconds} is not between 1 and {_LONGEST_SECONDS} seconds")
    _refuse_late(call, began + timedelta(seconds=seconds))
    if began > call.cloud.clock.now() + _SKEW:
        raise ApiError(403, f"X-Goog-Date {query['X-Goog-Date']!r} lies in the future", reason="AccessDenied")
    request = hashlib.sha256(_canonical_request(call).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, query["X-Goog-Date"], scope, request))
    return _vouched(call, email, text, signature)


def _canonical_request(call: Call) -> str:
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, values in call.query_lists.items()
        for value in values
        if name != "X-Goog-Signature"
    )
    names = call.query.get("X-Goog-SignedHeaders", "").split(";")
    if "host" not in names:
        raise _malformed("X-Goog-SignedHeaders must name host")
    for name in [*names, *(each for each in call.headers if each.startswith("x-goog-"))]:
        if name not in call.headers:
            raise _malformed(f"Header {name!r} is signed but was not sent")
        if name not in names:
            raise _malformed(f"Header {name!r} was sent but is not signed")
    headers = "".join(f"{name}:{' '.join(call.headers[name].split())}\n" for name in names)
    payload = call.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    path = quote(unquote(call.path), safe="/~")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "\n".join((call.method, path, query, headers, ";".join(names), payload))


def _by_v2(call: Call) -> Principal:
    query = call.query
    if not query.get("Expires", "").isdigit():
        raise _malformed(f"Expires {query.get('Expires')!r} is not a number of seconds since 1970")
    _refuse_late(call, datetime.fromtimestamp(min(int(query["Expires"]), 2**33), UTC))
    extensions = sorted(
        (name, " ".join(value.split()))
        for name, value in call.headers.items()
        if name.startswith("x-goog-") and name not in _NOT_SIGNED_V2
    )
    head = [call.method, call.headers.get("content-md5", ""), call.headers.get("content-type", ""), query["Expires"]]
    path = quote(unquote(call.path), safe="/~")
    text = "\n".join((*head, *(f"{name}:{value}" for name, value in extensions), path))
    try:
        signature = base64.b64decode(query["Signature"])
    except ValueError:
        raise _malformed("Signature is not base64") from None
    return _vouched(call, query["GoogleAccessId"], text, signature)


def _vouched(call: Call, email: str, text: str, signature: bytes) -> Principal:
    if any(has_signed(email, text.encode(), signature) for has_signed in call.cloud.identity.signers):
        return Principal(email)
    message = f"No key of {email!r} has made this signature of the request. The string that had to be signed: {text!r}"
    raise ApiError(403, message, reason="SignatureDoesNotMatch")


def _refuse_late(call: Call, until: datetime) -> None:
    if call.cloud.clock.now() >= until:
        message = f"The signed URL has expired, at {until:%Y-%m-%dT%H:%M:%SZ}: sign a new one"
        raise ApiError(400, message, reason="ExpiredToken")


def _malformed(message: str) -> ApiError:
    return ApiError(400, message, reason="MalformedSecurityHeader")
