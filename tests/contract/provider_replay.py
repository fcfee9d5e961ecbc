"""Replays what the real provider sent to a recording server, and compares the answers.

`tests/data/provider/requests.jsonl` and `requests_extra.jsonl` are recordings of the real engine and provider against
a fake; the fake's answers are not Google's, but the provider was content with them, so each field of them is one that
a client may read. `response_ablation.json` says what the provider did when a field of a read was missing.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.contract.cloud_process import CloudProcess

DATA = Path(__file__).resolve().parents[1] / "data/provider"
RECORDINGS = ("requests.jsonl", "requests_extra.jsonl")
PROJECT = {"projectId": "acme-recsys", "projectNumber": "123456789012"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_OWN_VALUES = (  # each server's own, wherever they occur
    "creationTime",
    "crc32c",
    "etag",
    "generation",
    "fingerprint",
    "id",
    "jobId",
    "labelFingerprint",
    "lastModifiedTime",
    "md5Hash",
    "mediaLink",
    "oauth2ClientId",
    "selfLink",
    "selfLinkWithId",
    "subnetworkId",
    "uid",
    "uniqueId",
)


@dataclass(frozen=True)
class Difference:
    """What a client would notice of one answer. `field` is "" for the whole."""

    exchange: dict[str, Any]
    field: str
    text: str

    @property
    def where(self) -> str:
        return f"#{self.exchange.get('n', 'extra')} {self.exchange['method']} {self.exchange['path']}"

    def __str__(self) -> str:
        return f"{self.where}: {self.field}{' ' if self.field else ''}{self.text}"

    @property
    def matters(self) -> bool:
        """Whether the provider was seen to do something else without the field."""
        effects = _ablation().get(self.exchange.get("resource_type") or "", {})
        path = re.sub(r"\[\d+\]", "", self.field).replace(".", "/")
        return self.exchange["method"] == "GET" and effects.get(path, {}).get("effect", "none") != "none"


class Replay:
    """Sends recorded requests in order; what the server named differently is renamed in later ones."""

    def __init__(self, cloud: CloudProcess) -> None:
        self._cloud = cloud
        self._renamed: dict[str, str] = {}
        self._upload = ""
        cloud.json("PUT", "/_local/projects", PROJECT)

    def differences(self, exchange: dict[str, Any]) -> list[Difference]:
        """[] where the answer serves as well as the recorded one."""
        answer = self._send(exchange)
        if answer.status_code != exchange["status"]:
            text = f"status {answer.status_code} instead of {exchange['status']}: {answer.text[:300]}"
            return [Difference(exchange, "", text)]
        ours = answer.json() if answer.content else None
        theirs = exchange["response"]
        if exchange["query"].get("versions") == "true":
            self._empty(exchange["path"], ours.get("items", []))
        if theirs is None or exchange["status"] >= 400:
            return []
        return [Difference(exchange, *difference) for difference in self._compare(theirs, ours or {}, "")]

    def _send(self, exchange: dict[str, Any]) -> Any:
        body, headers = self._rename(exchange["body"]), dict(exchange["headers"])
        path, query = self._rename(exchange["path"]), exchange["query"]
        kind = next(iter(body), "") if isinstance(body, dict) and "/upload/" in path else ""
        if kind == "multipart":
            metadata, media = body["multipart"]["metadata"], body["multipart"]["media"]
            data = (
                f"--replayed\r\ncontent-type: application/json\r\n\r\n{json.dumps(metadata)}\r\n"
                f"--replayed\r\ncontent-type: {media['contentType']}\r\n\r\n{'x' * media['size']}\r\n--replayed--"
            )
            headers["content-type"] = "multipart/related; boundary=replayed"
            return self._cloud.call("POST", path, data=data, params=query, headers=headers)
        if kind == "resumable_start":
            answer = self._cloud.call("POST", path, body[kind]["metadata"], params=query, headers=headers)
            self._upload = answer.headers["location"].rpartition("upload_id=")[2]
            return answer
        if kind == "resumable_chunk":
            data, query = b"x" * body[kind]["size"], query | {"upload_id": self._upload}
            return self._cloud.call("POST", path, data=data, params=query, headers=headers)
        return self._cloud.call(exchange["method"], path, body, params=query, headers=headers)

    def _empty(self, path: str, items: list[dict[str, Any]]) -> None:
        """What the provider does with the versions that a bucket still holds; the recording's server kept none."""
        for item in items:
            name = item["name"].replace("/", "%2F")
            self._cloud.json("DELETE", f"{path}/{name}?generation={item['generation']}", status=204)

    def _rename(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._rename(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._rename(each) for each in value]
        if isinstance(value, str):
            for old, new in self._renamed.items():
                value = value.replace(old, new)
        return value

    def _compare(self, theirs: Any, ours: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(theirs, dict):
            yield from self._compare_objects(theirs, ours, path)
        elif isinstance(theirs, list):
            if isinstance(ours, list) and len(ours) == len(theirs):
                for index, each in enumerate(theirs):
                    yield from self._compare(each, ours[index], f"{path}[{index}]")
            else:
                yield path, f"is {ours!r} instead of {theirs!r}"
        elif type(ours) is not type(theirs) or not self._serves(path.rpartition(".")[2], theirs, ours):
            yield path, f"is {ours!r} instead of {theirs!r}"

    def _compare_objects(self, theirs: dict[str, Any], ours: Any, path: str) -> Iterator[tuple[str, str]]:
        if not isinstance(ours, dict):
            yield path, f"is {ours!r} instead of an object"
            return
        for key, value in theirs.items():
            where = f"{path}.{key}" if path else key
            if key in ours:
                yield from self._compare(value, ours[key], where)
            elif value not in ([], {}, "", False, "0", None):  # an empty field may be left out
                yield where, f"is missing; it was {value!r}"

    def _serves(self, key: str, theirs: Any, ours: Any) -> bool:
        """Whether two values of one type are equal, or are each server's own."""
        if ours in (theirs, self._rename(theirs)):
            return True
        if key == "name" and re.search(r"/\d{9,}$", str(theirs)):
            self._renamed[theirs.rsplit("/", 1)[-1]] = ours.rsplit("/", 1)[-1]
        if key in _OWN_VALUES or key == "name":
            if isinstance(theirs, str) and len(theirs) > 6 and key in ("etag", "labelFingerprint", "name"):
                self._renamed[theirs] = ours
            return key != "name" or bool(re.search(r"\d{9,}$|operations/|^operation-", theirs))
        if isinstance(theirs, str) and theirs.startswith("https://") and "/operations/" in theirs:
            return theirs.rpartition("/")[0] == ours.rpartition("/")[0]
        return isinstance(theirs, str) and bool(_TIME.fullmatch(theirs)) and bool(_TIME.fullmatch(ours))


def exchanges() -> list[dict[str, Any]]:
    """All recorded exchanges, in order; `service` is the first segment of their paths."""
    lines = [line for name in RECORDINGS for line in (DATA / name).read_text().splitlines()]
    return [{**each, "service": _service(each["path"])} for each in map(json.loads, lines)]


def _service(path: str) -> str:
    first = path.split("/")[1]
    return {"upload": "storage"}.get(first, first)


@cache
def _ablation() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads((DATA / "response_ablation.json").read_text())
