"""Fields of the type bytes: base64 of either alphabet, with padding or without, as proto3's JSON mapping has it.

gcloud sends the URL's alphabet, most libraries the standard one; what an API answers is in the standard one.
Source: https://protobuf.dev/programming-guides/json/
"""

import base64


def from_base64(text: str) -> bytes:
    """Raises ValueError for what is no base64."""
    plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def same_bytes(one: object, other: object) -> bool:
    """Whether two fields hold the same bytes, however they are written. An etag of a policy is one."""
    try:
        return from_base64(str(one)) == from_base64(str(other))
    except ValueError:
        return one == other
