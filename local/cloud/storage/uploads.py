"""Calls that bring objects in: media, multipart and resumable uploads.

Owns: what an upload makes. An interrupted resumable upload goes on after a restart: what has arrived is the file that
gathers it. Sources: https://cloud.google.com/storage/docs/uploading-objects and
https://cloud.google.com/storage/docs/resumable-uploads
"""

import os
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from local.cloud.call import Call, Response
from local.cloud.clock import Clock
from local.cloud.errors import ApiError
from local.cloud.iam.enforcement import object_name
from local.cloud.identity import Principal
from local.cloud.related import Related
from local.cloud.resumable import incomplete, json_object, receive
from local.cloud.storage.content import Digests, digests_of
from local.cloud.storage.finding import DEFAULT_TYPE
from local.cloud.storage.naming import check_object_name
from local.cloud.storage.object_rules import refuse_bad_fields
from local.cloud.storage.objects import Objects
from local.cloud.storage.preconditions import Preconditions
from local.cloud.storage.records import Record
from local.cloud.storage.resource import writable

_GOOG_HASH = re.compile(r"(crc32c|md5)=([A-Za-z0-9+/=]+)")


class UploadApi:
    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._records = objects.records
        self._clock = clock
        self._locks: dict[str, threading.Lock] = {}

    def insert(self, call: Call) -> dict[str, Any] | Response:
        """POST: what is uploaded depends on `uploadType`; with an `upload_id` it goes on with a resumable one."""
        kind = call.query.get("uploadType") or call.headers.get("x-goog-upload-protocol", "")
        if call.query.get("upload_id"):
            return self.resume(call)
        self._objects.buckets.get(call.params["bucket"])
        if kind == "media":
            return self._media(call)
        if kind == "multipart":
            return self._multipart(call)
        if kind == "resumable":
            return self._start(call)
        raise ApiError(400, f"uploadType {kind!r} is not one of media, multipart, resumable", location="uploadType")

    def insert_metadata(self, call: Call) -> dict[str, Any]:
        """POST without an upload: an empty object."""
        return self._objects.shown(self.publish(call, call.object(), iter(()), ""), call.url_base)

    def _media(self, call: Call) -> dict[str, Any]:
        record = self.publish(call, {}, call.stream, call.headers.get("content-type", ""))
        return self._objects.shown(record, call.url_base)

    def _multipart(self, call: Call) -> dict[str, Any]:
        related = Related(call.headers.get("content-type", ""), call.stream)
        record = self.publish(call, json_object(related.metadata), related.media(), related.media_type)
        return self._objects.shown(record, call.url_base)

    def publish(self, call: Call, body: dict[str, Any], chunks: Iterator[bytes], media_type: str) -> Record:
        """A new object of `chunks`; `body` holds its name and fields as the API has them."""
        name = self._destination(call, body)
        conditions = Preconditions.of(call.query)
        if conditions != Preconditions():
            conditions.check(self._objects.notice(call.params["bucket"], name))
        with self._objects.files.draft() as draft:
            draft.write_all(chunks)
            digests = draft.close()
            _verify(digests, _expected(body, call.headers))
            meta = _meta(call, body, media_type)
            return self._objects.publish(
                call.params["bucket"], name, source=draft.path, digests=digests, meta=meta, conditions=conditions
            )

    def _destination(self, call: Call, body: dict[str, Any]) -> str:
        """The object's name, if the caller may write it: overwriting needs the right to delete, too."""
        name, bucket = _name(call, body), call.params["bucket"]
        may_write(call, bucket, name, overwrites=self._objects.notice(bucket, name) is not None)
        return name

    # Resumable

    def _start(self, call: Call) -> Response:
        body, bucket = json_object(call.whole()), call.params["bucket"]
        upload = self.begin(call, body, call.headers.get("x-upload-content-type", ""))
        query = urlencode({"uploadType": "resumable", "name": _name(call, body), "upload_id": upload})
        location = f"{call.url_base}/upload/storage/v1/b/{bucket}/o?{query}"
        return Response(None, 200, {"location": location, "x-guploader-uploadid": upload})

    def begin(self, call: Call, body: dict[str, Any], media_type: str) -> str:
        """The id of a resumable upload: whoever has it may go on with it, as with Google's session URIs."""
        name, bucket = self._destination(call, body), call.params["bucket"]
        conditions = Preconditions.of(call.query)
        if conditions != Preconditions():
            conditions.check(self._objects.notice(bucket, name))
        upload = secrets.token_urlsafe(24)
        session = {
            "bucket": bucket,
            "name": name,
            "meta": _meta(call, body, media_type),
            "conditions": {key: value for key, value in call.query.items() if key.startswith("if")},
            "expected": _expected(body, call.headers),
            "started": self._clock.timestamp(),
            "by": call.principal,
        }
        self._objects.files.upload_path(upload).touch(exist_ok=False)
        self._records.write_upload(upload, session)
        return upload

    def resume(self, call: Call) -> Response:
        """PUT, or POST as the provider sends: a chunk, the rest, or the question how much has arrived."""
        upload = call.query.get("upload_id", "")
        self._session(call)
        with self._locks.setdefault(upload, threading.Lock()):
            session = self._session(call)
            if generation := session.get("generation"):
                record = self._records.generation(session["bucket"], session["name"], generation)
                return Response(self._objects.shown(record, call.url_base) if record else {})
            path = self._objects.files.upload_path(upload)
            if not receive(path, call):
                return incomplete(path, call)
            try:
                record = self._finish(call, session, path)
            except ApiError:
                self._drop(upload)
                raise
            self._records.write_upload(upload, session | {"generation": record.generation})
            return Response(self._objects.shown(record, call.url_base))

    def cancel(self, call: Call) -> Response:
        """DELETE: 499 is the documented answer."""
        self._session(call)
        self._drop(call.query["upload_id"])
        return Response(None, 499)

    def forget(self, upload: str) -> None:
        """A session that is too old to go on."""
        self._drop(upload)

    def _session(self, call: Call) -> dict[str, Any]:
        session = self._records.upload(call.query.get("upload_id", ""))
        if session is None or session["bucket"] != call.params["bucket"]:
            raise ApiError(404, f"There is no resumable upload {call.query.get('upload_id', '')!r}: start a new one")
        return session

    def _finish(self, call: Call, session: dict[str, Any], path: Path) -> Record:
        digests = digests_of(path)
        _verify(digests, session["expected"] | _expected({}, call.headers))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        conditions = Preconditions.of(session["conditions"])
        bucket, name = session["bucket"], session["name"]
        if self._objects.notice(bucket, name) is not None:  # perhaps since the upload began
            by = Principal(session.get("by", call.principal))
            call.cloud.access.require(by, "storage.objects.delete", object_name(bucket, name))
        return self._objects.publish(
            bucket,
            name,
            source=path,
            digests=digests,
            meta=session["meta"],
            conditions=conditions,
        )

    def _drop(self, upload: str) -> None:
        self._records.remove_upload(upload)
        self._objects.files.upload_path(upload).unlink(missing_ok=True)
        self._locks.pop(upload, None)


def may_write(call: Call, bucket: str, name: str, *, overwrites: bool) -> None:
    """Raises PERMISSION_DENIED. Source: https://cloud.google.com/storage/docs/access-control/iam-json"""
    call.require("storage.objects.create", object_name(bucket, name))
    if overwrites:
        call.require("storage.objects.delete", object_name(bucket, name))


def _name(call: Call, body: dict[str, Any]) -> str:
    name = call.query.get("name") or body.get("name")
    if not name:
        raise ApiError(400, "Required parameter: name", reason="required", location="name")
    check_object_name(name)
    return name


def _meta(call: Call, body: dict[str, Any], media_type: str) -> dict[str, Any]:
    meta = writable(body)
    refuse_bad_fields(meta)
    if encoding := call.query.get("contentEncoding"):
        meta["contentEncoding"] = encoding
    meta.setdefault("contentType", media_type or DEFAULT_TYPE)
    return meta


def _expected(body: dict[str, Any], headers: Any) -> dict[str, str]:
    """The digests that the client says the content has."""
    expected = {key: body[key] for key in ("md5Hash", "crc32c") if body.get(key)}
    for kind, value in _GOOG_HASH.findall(headers.get("x-goog-hash", "")):
        expected["md5Hash" if kind == "md5" else kind] = value
    if digest := headers.get("content-md5"):
        expected["md5Hash"] = digest
    return expected


def _verify(digests: Digests, expected: dict[str, str]) -> None:
    for field, value, found in (
        ("md5Hash", expected.get("md5Hash"), digests.md5),
        ("crc32c", expected.get("crc32c"), digests.crc32c),
    ):
        if value and value != found:
            kind = "MD5" if field == "md5Hash" else "CRC32C"
            message = f"Provided {kind} hash {value!r} doesn't match calculated {kind} hash {found!r}."
            raise ApiError(400, message, reason="invalid")
