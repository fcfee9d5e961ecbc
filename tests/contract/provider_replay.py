"""Replays what the real provider sent to a recording server, and compares the answers.

`tests/data/provider/requests.jsonl` is a recording of the real engine and provider against a fake; the fake's answers
are not Google's, but the provider was content with them, so each field of them is one that a client may read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.contract.cloud_process import CloudProcess

RECORDING = Path(__file__).resolve().parents[1] / "data/provider/requests.jsonl"
PROJECT = {"projectId": "acme-recsys", "projectNumber": "123456789012"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_OWN_VALUES = (  # each server's own, wherever they occur
    "creationTime",
    "crc32c",
    "etag",
    "generation",
    "id",
    "lastModifiedTime",
    "md5Hash",
    "mediaLink",
    "oauth2ClientId",
    "selfLink",
    "uniqueId",
)


class Replay:
    """Sends recorded requests in order; what the server named differently is renamed in later ones."""

    def __init__(self, cloud: CloudProcess) -> None:
        self._cloud = cloud
        self._renamed: dict[str, str] = {}
        cloud.json("PUT", "/_local/projects", PROJECT)

    def differences(self, exchange: dict[str, Any]) -> list[str]:
        """What a client would notice; [] where the answer serves as well as the recorded one."""
        answer = self._send(exchange)
        where = f"#{exchange['n']} {exchange['method']} {exchange['path']}"
        if answer.status_code != exchange["status"]:
            return [f"{where}: status {answer.status_code} instead of {exchange['status']}: {answer.text[:300]}"]
        ours = answer.json() if answer.content else None
        theirs = exchange["response"]
        if exchange["query"].get("versions") == "true":
            self._empty(exchange["path"], ours.get("items", []))
        if theirs is None or exchange["status"] >= 400:
            return []
        return [f"{where}: {difference}" for difference in self._compare(theirs, ours, "")]

    def _send(self, exchange: dict[str, Any]) -> Any:
        body, headers = self._rename(exchange["body"]), dict(exchange["headers"])
        path = self._rename(exchange["path"])
        if isinstance(body, dict) and "multipart" in body:
            metadata, media = body["multipart"]["metadata"], body["multipart"]["media"]
            data = (
                f"--replayed\r\ncontent-type: application/json\r\n\r\n{json.dumps(metadata)}\r\n"
                f"--replayed\r\ncontent-type: {media['contentType']}\r\n\r\n{'x' * media['size']}\r\n--replayed--"
            )
            headers["content-type"] = "multipart/related; boundary=replayed"
            return self._cloud.call("POST", path, data=data, params=exchange["query"], headers=headers)
        return self._cloud.call(exchange["method"], path, body, params=exchange["query"], headers=headers)

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

    def _compare(self, theirs: Any, ours: Any, path: str) -> Iterator[str]:
        if isinstance(theirs, dict):
            yield from self._compare_objects(theirs, ours, path)
        elif isinstance(theirs, list):
            if isinstance(ours, list) and len(ours) == len(theirs):
                for index, each in enumerate(theirs):
                    yield from self._compare(each, ours[index], f"{path}[{index}]")
            else:
                yield f"{path} is {ours!r} instead of {theirs!r}"
        elif type(ours) is not type(theirs) or not self._serves(path.rpartition(".")[2], theirs, ours):
            yield f"{path} is {ours!r} instead of {theirs!r}"

    def _compare_objects(self, theirs: dict[str, Any], ours: Any, path: str) -> Iterator[str]:
        if not isinstance(ours, dict):
            yield f"{path} is {ours!r} instead of an object"
            return
        for key, value in theirs.items():
            where = f"{path}.{key}" if path else key
            if key in ours:
                yield from self._compare(value, ours[key], where)
            elif value not in ([], {}, "", False, "0"):  # an empty field may be left out
                yield f"{where} is missing; it was {value!r}"

    def _serves(self, key: str, theirs: Any, ours: Any) -> bool:
        """Whether two values of one type are equal, or are each server's own."""
        if theirs == ours:
            return True
        if key in _OWN_VALUES or key == "name":
            if isinstance(theirs, str) and len(theirs) > 6 and key in ("etag", "name"):
                self._renamed[theirs] = ours
            return key != "name" or bool(re.search(r"\d{9,}$|operations/", theirs))
        return isinstance(theirs, str) and bool(_TIME.fullmatch(theirs)) and bool(_TIME.fullmatch(ours))


def exchanges(prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The recorded exchanges of some services, by the beginnings of their paths."""
    lines = RECORDING.read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["path"].startswith(prefixes)]
