"""Names and links of Compute Engine's resources.

A reference may be a full URL, `projects/P/global/networks/N` or anything that ends so; it is answered as a full URL of
the version that was called.
"""

import hashlib
import re

from local.cloud.call import Call

HOST = "https://www.googleapis.com"
_PATH = re.compile(r"/compute/[^/]+")
_PARTIAL = re.compile(r"(?:https?://[^/]+/)?(?:compute/[^/]+/)?(projects/.+)")


def path_of(call: Call) -> str:
    """`/compute/beta`, as the call wrote it."""
    found = _PATH.match(call.path)
    return found.group() if found else "/compute/v1"


def number_of(name: str) -> str:
    """The id of what nobody makes, such as a region: always the same."""
    return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))


def partial(reference: object, *, project: str) -> str:
    """`projects/P/…` of a reference; what is relative to the project is completed."""
    text = str(reference or "").strip("/")
    found = _PARTIAL.fullmatch(text)
    if found:
        return found[1]
    return f"projects/{project}/{text}" if text.startswith(("global/", "regions/", "zones/")) else text
