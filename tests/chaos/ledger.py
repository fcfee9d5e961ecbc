"""What the cloud has acknowledged, and the check that it still has it."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.contract.cloud_process import CloudProcess

PROJECT = "acme-recsys"
BUCKET = "chaos-objects"
TABLE = f"/bigquery/v2/projects/{PROJECT}/datasets/chaos/tables/events"
QUERIES = f"/bigquery/v2/projects/{PROJECT}/queries"


@dataclass
class Ledger:
    """`objects` and `rows` were acknowledged; `perhaps` are objects whose upload had no answer: whole or not there."""

    objects: dict[str, str] = field(default_factory=dict)
    perhaps: dict[str, str] = field(default_factory=dict)
    rows: set[int] = field(default_factory=set)
    resources: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def upload(self, cloud: CloudProcess, name: str, content: bytes) -> None:
        """Put an object; a connection that breaks leaves it in doubt."""
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        with self._lock:
            self.perhaps[name] = digest
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
        cloud.json("POST", path, data=content)
        self.acknowledge(name, digest)

    def acknowledge(self, name: str, digest: str) -> None:
        with self._lock:
            self.perhaps.pop(name, None)
            self.objects[name] = digest

    def insert(self, cloud: CloudProcess, row: int) -> None:
        body = {"rows": [{"insertId": str(row), "json": {"id": row}}]}
        answer = cloud.json("POST", f"{TABLE}/insertAll", body)
        if not answer.get("insertErrors"):
            self.rows.add(row)

    def create(self, cloud: CloudProcess, path: str, body: dict[str, Any]) -> str:
        """Make a job or a run; its name."""
        name = cloud.json("POST", path, body)["name"]
        self.resources.append(name)
        return name

    def losses(self, cloud: CloudProcess, *, newest: int | None = None) -> list[str]:
        """What was acknowledged and is not there, or is not what it was; of the newest objects alone where asked."""
        names = list(self.objects)[-newest:] if newest else list(self.objects)
        found = [f"object {name}: {problem}" for name in names if (problem := self._problem(cloud, name))]
        for name in [] if newest else self.perhaps:
            answer = cloud.call("GET", f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?alt=media")
            if answer.status_code != 404 and _digest(answer.content) != self.perhaps[name]:
                found.append(f"object {name}, never acknowledged, is there in part")
        for name in self.resources[-newest:] if newest else self.resources:
            if cloud.call("GET", f"/v1/{name}").status_code != 200:
                found.append(f"{name} is gone")
        return found if newest else found + self._lost_rows(cloud)

    def _problem(self, cloud: CloudProcess, name: str) -> str:
        answer = cloud.call("GET", f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}?alt=media")
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text[:200]}"
        return "" if _digest(answer.content) == self.objects[name] else "its content is another"

    def _lost_rows(self, cloud: CloudProcess) -> list[str]:
        statement = "select to_json_string(array_agg(id)) as ids from chaos.events"
        answer = cloud.json("POST", QUERIES, {"query": statement, "useLegacySql": False})
        held = json.loads(answer["rows"][0]["f"][0]["v"] or "[]") or []
        missing, twice = sorted(self.rows - set(held)), sorted(row for row in set(held) if held.count(row) > 1)
        return [f"row {row} is gone" for row in missing] + [f"row {row} is there twice" for row in twice]


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
