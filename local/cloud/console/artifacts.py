"""Buckets as folders of objects, a page at a time, and the models that lie in them."""

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from local.cloud.console.view import View
from local.cloud.console.words import last
from local.cloud.errors import ApiError
from local.cloud.storage.listing import Wanted, entries
from local.cloud.storage.records import Record

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_A_PAGE = 25
_LOOK_EVERY_SECONDS = 5.0
_MOST_BUCKETS = 200
_MOST_MODELS = 50


class Storage:
    """Files that programs have written themselves are looked for now and then, since that walks through the folder."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._looked: dict[tuple[str, str], float] = {}

    def shown(self, view: View) -> dict[str, Any]:
        """The buckets, and a page of the chosen one's folder; the only bucket is chosen without a word."""
        buckets = [each["name"] for each in self._cloud.objects.buckets.all()]
        bucket = view.bucket or (buckets[0] if len(buckets) == 1 else "")
        nothing: dict[str, Any] = {"rows": [], "after": "", "above": [], "problem": ""}
        found = nothing | {"buckets": buckets[:_MOST_BUCKETS], "bucket": bucket, "prefix": view.prefix}
        try:
            return found | (self._folder(bucket, view) if bucket else {})
        except ApiError as error:
            return found | {"problem": error.message}

    def _folder(self, bucket: str, view: View) -> dict[str, Any]:
        objects = self._cloud.objects
        objects.buckets.get(bucket)
        self._look(bucket, view.prefix)
        wanted = Wanted(prefix=view.prefix, delimiter="/", after=_after(view.after))
        found = list(islice(entries(objects, bucket, wanted), _A_PAGE + 1))
        rows = [_row(bucket, view.prefix, name, record) for name, record in found[:_A_PAGE]]
        after = found[_A_PAGE - 1] if len(found) > _A_PAGE else None
        parts = view.prefix.rstrip("/").split("/") if view.prefix else []
        above = [(part, "/".join(parts[: index + 1]) + "/") for index, part in enumerate(parts)]
        return {"rows": rows, "after": _mark(*after) if after else "", "above": above}

    def _look(self, bucket: str, prefix: str) -> None:
        now = time.monotonic()
        if now - self._looked.get((bucket, prefix), -_LOOK_EVERY_SECONDS) >= _LOOK_EVERY_SECONDS:
            self._cloud.objects.notice_all(bucket, prefix)
            fresh = {key: at for key, at in self._looked.items() if now - at < _LOOK_EVERY_SECONDS}
            self._looked = {**fresh, (bucket, prefix): now}


def models(cloud: "Cloud") -> list[dict[str, Any]]:
    """Versions of models, the newest first."""
    versions = sorted(cloud.vertex.models.all(), key=lambda each: each["createTime"], reverse=True)
    return [
        {
            **{
                "name": each["name"],
                "shown": each.get("displayName") or last(each["name"]),
                "created": each["createTime"],
            },
            **{"version": each.get("versionId", ""), "aliases": each.get("versionAliases", [])},
            "uri": each.get("artifactUri", ""),
        }
        for each in versions[:_MOST_MODELS]
    ]


def place_of(uri: str) -> tuple[str, str]:
    """Bucket and folder of a `gs://` URI, to be looked into; of what is none, nothing."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://"):
        return "", ""
    return bucket, name if not name or name.endswith("/") else f"{name}/"


def _row(bucket: str, prefix: str, name: str, record: Record | None) -> dict[str, Any]:
    shown = name.removeprefix(prefix)
    if record is None:
        return {"folder": name, "shown": shown, "size": None, "updated": "", "kind": ""}
    return {
        **{"folder": "", "shown": shown or name, "size": record.size, "updated": record.meta.get("updated", "")},
        "kind": record.meta.get("contentType", ""),
        "download": {"bucket": bucket, "name": name, "generation": str(record.generation)},
    }


def _mark(name: str, record: Record | None) -> str:
    return f"{record.generation if record else 0}/{name}"


def _after(mark: str) -> tuple[str, int] | None:
    generation, _, name = mark.partition("/")
    return (name, int(generation)) if generation.isascii() and generation.isdigit() and name else None
