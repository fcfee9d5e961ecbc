"""Buckets as folders of objects, a page at a time, and the models that lie in them."""

from itertools import islice
from typing import TYPE_CHECKING, Any

from local.cloud.console.sessions import PATH
from local.cloud.console.view import View
from local.cloud.console.words import last
from local.cloud.errors import ApiError
from local.cloud.storage.listing import Wanted, entries
from local.cloud.storage.records import Record

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_A_PAGE = 25
_MOST_BUCKETS = 200
_MOST_MODELS = 50


def storage(cloud: "Cloud", view: View) -> dict[str, Any]:
    """The buckets, and a page of the chosen one's folder; the only bucket is chosen without a word."""
    buckets = [each["name"] for each in cloud.objects.buckets.all()]
    bucket = view.bucket or (buckets[0] if len(buckets) == 1 else "")
    found: dict[str, Any] = {"buckets": buckets[:_MOST_BUCKETS], "bucket": bucket, "prefix": view.prefix, "problem": ""}
    try:
        return found | (_folder(cloud, bucket, view) if bucket else {"rows": [], "after": "", "above": []})
    except ApiError as error:
        return found | {"rows": [], "after": "", "above": [], "problem": error.message}


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


def _folder(cloud: "Cloud", bucket: str, view: View) -> dict[str, Any]:
    cloud.objects.buckets.get(bucket)
    if not view.after:
        cloud.objects.notice_all(bucket, view.prefix)
    wanted = Wanted(prefix=view.prefix, delimiter="/", after=_after(view.after))
    found = list(islice(entries(cloud.objects, bucket, wanted), _A_PAGE + 1))
    rows = [_row(bucket, view.prefix, name, record) for name, record in found[:_A_PAGE]]
    after = found[_A_PAGE - 1] if len(found) > _A_PAGE else None
    parts = view.prefix.rstrip("/").split("/") if view.prefix else []
    above = [(part, "/".join(parts[: index + 1]) + "/") for index, part in enumerate(parts)]
    return {"rows": rows, "after": _mark(*after) if after else "", "above": above}


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


DOWNLOAD = f"{PATH}/object"
