"""Calls on objects that are there: read, list, change, copy, compose, delete, restore.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from collections.abc import Iterator
from typing import Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument, not_found
from local.cloud.iam.enforcement import object_name
from local.cloud.masks import merge_patch
from local.cloud.paging import last_name, page_size, page_token
from local.cloud.storage.content import Content, Digests
from local.cloud.storage.download import media
from local.cloud.storage.finding import DEFAULT_TYPE, verified
from local.cloud.storage.listing import Wanted, entries
from local.cloud.storage.naming import check_object_name
from local.cloud.storage.object_rules import refuse_bad_change, refuse_bad_fields
from local.cloud.storage.objects import Objects
from local.cloud.storage.preconditions import Preconditions, check_etags
from local.cloud.storage.records import Record, State
from local.cloud.storage.resource import WRITABLE, writable
from local.cloud.storage.retention import RELEASED
from local.cloud.storage.uploads import may_write

_MOST_SOURCES = 32


class ObjectApi:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, call: Call) -> dict[str, Any] | Response:
        if call.query.get("alt") == "media":
            return self.download(call)
        bucket, name = call.params["bucket"], call.params["object"]
        if call.flag("softDeleted"):
            record = self._soft_deleted(call)
        else:
            record = self._objects.find(bucket, name, call.number("generation"))
        Preconditions.of(call.query).check(record, reading=True)
        check_etags(call.headers, record)
        return self._objects.shown(record, call.url_base)

    def download(self, call: Call) -> Response:
        return self.content(call)[1]

    def content(self, call: Call) -> tuple[Record, Response]:
        """The generation that a call reads, and the answer with its bytes."""
        record, descriptor = self._objects.open(call.params["bucket"], call.params["object"], call.number("generation"))
        content = Content(descriptor, 0, 0)
        try:
            Preconditions.of(call.query).check(record, reading=True)
            check_etags(call.headers, record)
            return record, media(call, record, content)
        except BaseException:
            content.close()
            raise

    def list(self, call: Call) -> dict[str, Any]:
        bucket, query = call.params["bucket"], call.query
        self._objects.buckets.require(bucket)
        if not query.get("pageToken"):
            self._objects.notice_all(bucket, query.get("prefix", ""))
        states: tuple[State, ...] = ("live", "noncurrent") if call.flag("versions") else ("live",)
        wanted = Wanted(
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=query.get("startOffset", ""),
            end=query.get("endOffset", ""),
            after=_after(call),
            glob=query.get("matchGlob", ""),
            states=("deleted",) if call.flag("softDeleted") else states,
            trailing_delimiter=call.flag("includeTrailingDelimiter"),
        )
        return _page(call, self._objects, entries(self._objects, bucket, wanted))

    def patch(self, call: Call) -> dict[str, Any]:
        def changed(old: dict[str, Any]) -> dict[str, Any]:
            patch = {key: value for key, value in call.object().items() if key in WRITABLE and key != "storageClass"}
            return merge_patch(old, patch)

        return self._change(call, changed)

    def update(self, call: Call) -> dict[str, Any]:
        def changed(old: dict[str, Any]) -> dict[str, Any]:
            kept = {key: value for key, value in old.items() if key not in WRITABLE or key == "storageClass"}
            return kept | {key: value for key, value in writable(call.object()).items() if key != "storageClass"}

        return self._change(call, changed)

    def delete(self, call: Call) -> Response:
        conditions = Preconditions.of(call.query)
        self._objects.delete(call.params["bucket"], call.params["object"], call.number("generation"), conditions)
        return no_content()

    def copy(self, call: Call) -> dict[str, Any]:
        record = self._copy(call)
        return self._objects.shown(record, call.url_base)

    def rewrite(self, call: Call) -> dict[str, Any]:
        record = self._copy(call)
        size = str(record.size)
        done = {"totalBytesRewritten": size, "objectSize": size, "done": True}
        return {"kind": "storage#rewriteResponse", **done, "resource": self._objects.shown(record, call.url_base)}

    def move(self, call: Call) -> dict[str, Any]:
        """Within a bucket: the source is gone when the destination is there."""
        bucket, source, target = call.params["bucket"], call.params["source"], call.params["destination"]
        call.require("storage.objects.move", object_name(bucket, source))
        self._may_write(call, bucket, target)
        with self._objects.writing(bucket):
            held = self._objects.find(bucket, source)
            Preconditions.of(call.query, "Source").check(held)
            record = self._copy_from(held, bucket, target, _writable_meta(held), Preconditions.of(call.query))
            if source != target:
                self._objects.delete(bucket, source)
        return self._objects.shown(record, call.url_base)

    def compose(self, call: Call) -> dict[str, Any]:
        body, bucket, name = call.object(), call.params["bucket"], call.params["object"]
        self._may_write(call, bucket, name)
        sources = body.get("sourceObjects") or []
        if not 1 <= len(sources) <= _MOST_SOURCES:
            rule = f"between 1 and {_MOST_SOURCES} source objects are composed, not {len(sources)}"
            raise invalid_argument([("sourceObjects", rule)])
        with self._objects.files.draft() as draft:
            parts = 0
            first: Record | None = None
            for source in sources:
                call.require("storage.objects.get", object_name(bucket, source.get("name", "")))
                generation = int(source["generation"]) if source.get("generation") else None
                record, descriptor = self._objects.open(bucket, source.get("name", ""), generation)
                draft.write_all(verified(record, Content(descriptor, 0, record.size)))
                Preconditions.of(source.get("objectPreconditions") or {}).check(record)
                parts += int(record.meta.get("componentCount", 1))
                first = first or record
            kept = {"contentType": first.meta.get("contentType", DEFAULT_TYPE)} if first else {}
            meta = kept | writable(body.get("destination") or {}) | {"componentCount": parts}
            digests = Digests("", draft.close().crc32c)
            conditions = Preconditions.of(call.query)
            record = self._objects.publish(
                bucket, name, source=draft.path, digests=digests, meta=meta, conditions=conditions
            )
        return self._objects.shown(record, call.url_base)

    def restore(self, call: Call) -> dict[str, Any]:
        held = self._soft_deleted(call)
        conditions = Preconditions.of(call.query)
        self._may_write(call, held.bucket, held.name)
        record = self._copy_from(held, held.bucket, held.name, _writable_meta(held), conditions)
        return self._objects.shown(record, call.url_base)

    def bring_back(self, held: Record) -> Record:
        """A softly deleted generation is live again, as a new one."""
        return self._copy_from(held, held.bucket, held.name, _writable_meta(held), Preconditions())

    def _may_write(self, call: Call, bucket: str, name: str) -> None:
        may_write(call, bucket, name, overwrites=self._objects.notice(bucket, name) is not None)

    def _soft_deleted(self, call: Call) -> Record:
        bucket, name, generation = call.params["bucket"], call.params["object"], call.number("generation")
        self._objects.buckets.get(bucket)
        if generation is None:
            raise ApiError(400, "Required parameter: generation", reason="required", location="generation")
        record = self._objects.records.generation(bucket, name, generation)
        if record is None or record.state != "deleted":
            raise not_found(f"No such soft-deleted object: {bucket}/{name}#{generation}")
        return record

    def _change(self, call: Call, changed: Any) -> dict[str, Any]:
        bucket, name = call.params["bucket"], call.params["object"]
        with self._objects.writing(bucket):
            record = self._objects.find(bucket, name, call.number("generation"))
            Preconditions.of(call.query).check(record)
            new = changed(record.meta)
            refuse_bad_change(record.meta, new)
            if record.meta.get("eventBasedHold") and not new.get("eventBasedHold"):
                new[RELEASED] = call.cloud.clock.timestamp()
            return self._objects.shown(self._objects.update(record, new), call.url_base)

    def _copy(self, call: Call) -> Record:
        """What the body gives replaces the source's metadata altogether; an empty body keeps it."""
        params, body = call.params, call.object()
        call.require("storage.objects.get", object_name(params["sourceBucket"], params["sourceObject"]))
        self._may_write(call, params["destinationBucket"], params["destinationObject"])
        held = self._objects.find(params["sourceBucket"], params["sourceObject"], call.number("sourceGeneration"))
        Preconditions.of(call.query, "Source").check(held)
        refuse_bad_fields(body)
        meta = writable(body) if writable(body) else _writable_meta(held)
        meta.setdefault("contentType", held.meta.get("contentType", DEFAULT_TYPE))
        bucket, name = params["destinationBucket"], params["destinationObject"]
        return self._copy_from(held, bucket, name, meta, Preconditions.of(call.query))

    def _copy_from(
        self, held: Record, bucket: str, name: str, meta: dict[str, Any], conditions: Preconditions
    ) -> Record:
        check_object_name(name)
        if held.state == "deleted":
            descriptor = self._objects.open_record(held)
        else:
            held, descriptor = self._objects.open(held.bucket, held.name, held.generation)
        content = Content(descriptor, 0, held.size)
        with self._objects.files.draft() as draft:
            draft.write_all(verified(held, content))
            digests = draft.close()
            if "componentCount" in held.meta:
                digests, meta = Digests("", digests.crc32c), meta | {"componentCount": held.meta["componentCount"]}
            return self._objects.publish(
                bucket, name, source=draft.path, digests=digests, meta=meta, conditions=conditions
            )


def _writable_meta(record: Record) -> dict[str, Any]:
    return {
        key: value
        for key, value in writable(record.meta).items()
        if key not in ("temporaryHold", "eventBasedHold", "retention")
    }


def _after(call: Call) -> tuple[str, int] | None:
    token = last_name(call)
    if token is None:
        return None
    name, _, generation = token.rpartition("\n")
    if not generation.isdigit():
        raise invalid_argument([("pageToken", f"{call.query['pageToken']!r} is not a token that a page gave")])
    return name, int(generation)


def _page(call: Call, objects: Objects, found: Iterator[tuple[str, Record | None]]) -> dict[str, Any]:
    size = page_size(call, default=1000, most=1000)
    items: list[dict[str, Any]] = []
    prefixes: list[str] = []
    token, last = "", ""
    for name, record in found:
        if len(items) + len(prefixes) == size:
            token = page_token(last)
            break
        last = f"{name}\n{record.generation if record else 0}"
        if record:
            items.append(objects.shown(record, call.url_base))
        else:
            prefixes.append(name)
    filled = {"items": items, "prefixes": prefixes, "nextPageToken": token}
    return {"kind": "storage#objects"} | {key: value for key, value in filled.items() if value}
