"""An API that answers with recorded exchanges and holds each request against the recording.

The provider reads more often than the engine needs to, so reads may be left out; every write must be made, in order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.gcp.api import Api
from engine.http import Answer
from tests.unit.engine.fake_google import ENDPOINTS
from tests.unit.engine.recordings import load, loose

BASE = "http://recorded"
NOISE = {"alt", "prettyPrint"}


def exchanges(phase: str, name: str, rpc: str) -> list[dict[str, Any]]:
    return [
        item
        for item in load("requests.jsonl")
        if item["phase"] == phase and item["urn_name"] == name and item["rpc"] == rpc
    ]


class RecordedApi(Api):
    def __init__(self, recorded: list[dict[str, Any]]) -> None:
        super().__init__({f"GOOGLE_{name}_CUSTOM_ENDPOINT": f"{BASE}/{path}" for name, path in ENDPOINTS.items()})
        self._left = list(recorded)

    def _send(self, method: str, url: str, **content: Any) -> Answer:
        path = unquote(urlsplit(url).path)
        while self._left:
            item = self._left.pop(0)
            if item["method"] == method and unquote(item["path"]) == path:
                self._compare(item, content)
                return Answer(item["status"], item["response"], {})
            assert not is_write(item), f"{method} {path} came where the provider sends {item['method']} {item['path']}"
        raise AssertionError(f"{method} {path} is not in the recording")

    def _compare(self, item: dict[str, Any], content: dict[str, Any]) -> None:
        query = {key: value for key, value in item["query"].items() if key not in NOISE}
        assert dict(content.get("query") or {}) == query, item["path"]
        body = item["body"]
        if isinstance(body, dict) and "multipart" in body:
            _compare_upload(body["multipart"], content["raw"], content["content_type"])
        elif is_write(item):
            assert loose(_steady(content.get("body"), item)) == loose(_steady(body, item)), item["path"]

    def missing_writes(self) -> list[str]:
        return [f"{item['method']} {item['path']}" for item in self._left if is_write(item)]


# What the server of the recording filled in for a NAT: it did so in the very request that it had noted down.
_FILLED_IN = {"Create": ("autoNetworkTier", "endpointTypes"), "Update": ("autoNetworkTier",)}


def _steady(body: Any, item: dict[str, Any]) -> Any:
    """The body without what tells the time, and without what the recording's server added to it; an empty object is
    no body.
    """
    if not isinstance(body, dict):
        return body
    result = {key: value for key, value in body.items() if key != "nextRotationTime"}
    if "nats" in result:
        gone = _FILLED_IN.get(item["rpc"], ())
        result["nats"] = [{key: nat[key] for key in nat if key not in gone} for nat in result["nats"]]
    return result or None


def is_write(item: dict[str, Any]) -> bool:
    return item["method"] != "GET" and not item["path"].endswith(":getIamPolicy")


def _compare_upload(recorded: dict[str, Any], raw: bytes, content_type: str) -> None:
    boundary = content_type.split("boundary=")[1].encode()
    _, metadata, media, _ = raw.split(b"--" + boundary)
    head, data = media.split(b"\r\n\r\n", 1)
    media_type = re.search(rb"Content-Type: ([^\r\n]+)", head)
    data = data.removesuffix(b"\r\n")
    description = json.loads(metadata.split(b"\r\n\r\n", 1)[1])
    assert {"bucket": recorded["metadata"]["bucket"], **description} == recorded["metadata"]
    assert media_type is not None
    assert media_type[1].decode() == recorded["media"]["contentType"]
    assert len(data) == recorded["media"]["size"]
    assert base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode() == recorded["media"]["md5"]
