"""Objects that a program puts into a bucket."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import base64
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.errors import OperationError
from engine.gcp.resource import Call, RestType
from engine.values import UNKNOWN, Asset, Properties, Unknown

_OF_CONTENT = ("md5hash", "crc32c", "generation")
_LARGEST_BYTES = 100 * 1024 * 1024
_SNIFFED = [
    (b"<?xml", "text/xml; charset=utf-8"),
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
]
_BINARY = set(range(0x00, 0x09)) | {0x0B} | set(range(0x0E, 0x1B)) | set(range(0x1C, 0x20))


class BucketObject(RestType):
    """An object with its content; new content is uploaded over the old, other changes replace it."""

    type_name = "gcp:storage/bucketObject:BucketObject"
    noun = "BucketObject"
    service = "STORAGE"
    services = {"STORAGE"}
    identity = "{bucket}-{name}"
    waits = frozenset()
    default_seconds = {"create": 240, "update": 240, "delete": 240}
    table = """
    bucket str required replace
    cacheControl str replace
    content str kept secret one_of=content api=-
    contentDisposition str replace
    contentEncoding str replace
    contentLanguage str replace
    contentType str kept replace not_with=forceEmptyContentType
    contexts raw
    crc32c str out
    customerEncryption raw secret not_with=kmsKeyName
    deletionPolicy str kept api=-
    detectMd5hash str default="different~hash" api=md5Hash
    eventBasedHold bool not_with=retention
    forceEmptyContentType bool replace api=-
    generation int out
    kmsKeyName str kept replace
    md5hash str out api=md5Hash
    md5hexhash str out api=-
    mediaLink str out
    metadata map replace
    name str required replace auto
    outputName str out api=name
    retention raw
    selfLink str out
    source str replace one_of=content api=-
    sourceMd5hash str api=- tf=source_md5hash
    storageClass str kept replace
    temporaryHold bool
    """

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        if inputs.get("content") is None:
            plan["content"] = None
        if prior is None:
            return
        if _content_unknown(inputs) or local_md5(inputs) != prior.get("md5hash"):
            plan.update(dict.fromkeys(_OF_CONTENT, UNKNOWN))
        plan["detectMd5hash"] = prior.get("detectMd5hash")

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        self._upload(call, plan)
        return self.read_back(call, f"{plan['bucket']}-{plan['name']}", plan)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if any(isinstance(plan.get(key), Unknown) for key in _OF_CONTENT):
            self._upload(call, plan)
        elif self.mask(prior, plan):
            members = {
                "eventBasedHold": bool(plan.get("eventBasedHold")),
                "temporaryHold": bool(plan.get("temporaryHold")),
            }
            call.api.call(self.service, "PATCH", self.path(identity, prior), body=members)
        return self.read_back(call, identity, plan)[1]

    def _upload(self, call: Call, plan: Properties) -> None:
        content = content_of(plan)
        if len(content) > _LARGEST_BYTES:
            raise OperationError(
                f"object {plan['name']!r} has {len(content)} bytes, more than the {_LARGEST_BYTES} that this engine "
                "uploads: upload it with gcloud storage cp"
            )
        media_type = "" if plan.get("forceEmptyContentType") else _known(plan.get("contentType")) or sniff(content)
        answer = call.api.call(
            self.service,
            "POST",
            f"b/{plan['bucket']}/o",
            query={"name": plan["name"], "uploadType": "multipart"},
            upload=multipart(self.metadata(plan), media_type, content),
        )
        if answer.get("md5Hash") not in (None, md5(content)):
            raise OperationError(
                f"object {plan['name']!r} arrived damaged: the server has md5 {answer['md5Hash']}, the content "
                f"{md5(content)}. Run up again"
            )

    def metadata(self, plan: Properties) -> dict[str, Any]:
        """The object's description in an upload."""
        own = {"md5Hash", "crc32c", "generation", "mediaLink", "selfLink", "name"}
        return {key: value for key, value in self.body(plan).items() if key not in own}

    def path(self, identity: str, known: Properties) -> str:
        return f"b/{known['bucket']}/o/{quote(known['name'], safe='')}"

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["md5hexhash"] = base64.b64decode(answer.get("md5Hash", "")).hex()
        outputs["sourceMd5hash"] = known.get("sourceMd5hash") or ""


def _known(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _content_unknown(inputs: Properties) -> bool:
    return isinstance(inputs.get("content"), Unknown) or isinstance(inputs.get("source"), Unknown)


def content_of(properties: Properties) -> bytes:
    """The bytes that the program gives, as text or as an asset."""
    if properties.get("content") is not None:
        return str(properties["content"]).encode()
    source = properties.get("source")
    if isinstance(source, str):
        return Path(source).read_bytes()
    if isinstance(source, Asset) and not source.archive:
        if "text" in source.fields:
            return str(source.fields["text"]).encode()
        if "path" in source.fields:
            return Path(source.fields["path"]).read_bytes()
    raise OperationError(
        f"object {properties.get('name')!r}: source is no file and no text: give a FileAsset, a StringAsset or content"
    )


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def local_md5(inputs: Properties) -> str | None:
    try:
        return md5(content_of(inputs))
    except (OSError, OperationError):
        return None


def sniff(content: bytes) -> str:
    """The media type that Google's Go client finds in the first bytes."""
    head = content[:512]
    for prefix, media_type in _SNIFFED:
        if head.startswith(prefix):
            return media_type
    if head.lstrip(b"\t\n\x0c\r ")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html; charset=utf-8"
    return "application/octet-stream" if any(byte in _BINARY for byte in head) else "text/plain; charset=utf-8"


def multipart(metadata: dict[str, Any], media_type: str, content: bytes) -> tuple[bytes, str]:
    """A multipart/related body and its content type."""
    boundary = uuid.uuid4().hex
    media_header = f"Content-Type: {media_type}\r\n" if media_type else ""
    description = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(metadata)}\r\n"
    head = f"{description}--{boundary}\r\n{media_header}\r\n".encode()
    return head + content + f"\r\n--{boundary}--".encode(), f"multipart/related; boundary={boundary}"
