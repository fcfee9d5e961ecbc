"""Buckets and objects as the API shows them.

Sources: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource and …/objects#resource
"""

import base64
from typing import Any
from urllib.parse import quote

from local.cloud.storage.records import Record
from local.cloud.storage.retention import shown

_API = "https://www.googleapis.com/storage/v1"
WRITABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "eventBasedHold",
    "metadata",
    "retention",
    "storageClass",
    "temporaryHold",
)


def bucket_resource(bucket: dict[str, Any]) -> dict[str, Any]:
    """The name and links are Google's own, so that a resource does not change with the server's port."""
    etag = base64.b64encode(_varints(0, int(bucket["metageneration"]))).decode()
    return {**bucket, "selfLink": f"{_API}/b/{bucket['name']}", "etag": etag}


def object_resource(record: Record, url_base: str, *, retention_seconds: int = 0) -> dict[str, Any]:
    """`mediaLink` leads to this server, since clients follow it."""
    path = f"b/{record.bucket}/o/{quote(record.name, safe='')}"
    generation = record.generation
    return {
        "kind": "storage#object",
        "id": f"{record.bucket}/{record.name}/{generation}",
        "selfLink": f"{_API}/{path}",
        "mediaLink": f"{url_base}/download/storage/v1/{path}?generation={generation}&alt=media",
        "name": record.name,
        "bucket": record.bucket,
        "generation": str(generation),
        **shown(record.meta, retention_seconds),
        "metageneration": str(record.metageneration),
        "size": str(record.size),
        "etag": object_etag(record),
    }


def object_etag(record: Record) -> str:
    return base64.b64encode(_varints(record.generation, record.metageneration)).decode()


def content_etag(record: Record) -> str:
    """As the XML API has it: the MD5 of the content, where it has one."""
    md5 = record.meta.get("md5Hash")
    return base64.b64decode(md5).hex() if md5 else f"-{object_etag(record)}"


def writable(body: dict[str, Any]) -> dict[str, Any]:
    """What a request may set of an object."""
    return {key: body[key] for key in WRITABLE if body.get(key) is not None}


def hash_header(record: Record) -> str:
    """`x-goog-hash`, by which clients verify what they read."""
    parts = [f"crc32c={record.meta['crc32c']}"]
    if md5 := record.meta.get("md5Hash"):
        parts.append(f"md5={md5}")
    return ",".join(parts)


def _varints(generation: int, metageneration: int) -> bytes:
    """Generation (field 1) and metageneration as a protobuf's varints, of which the service's etags are made."""
    fields = [(1, generation), (2, metageneration)] if generation else [(1, metageneration)]
    out = bytearray()
    for number, whole in fields:
        out.append(number << 3)
        value = whole
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)
