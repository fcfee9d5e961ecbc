"""Entries that clients write, and the names of their logs.

Owns: `entries:write`, and the listing and deletion of logs. `entries:list` is where those of jobs are (aiplatform/).
Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write
"""

import json
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import not_found
from local.cloud.messages import MESSAGES
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_SCHEMA = """
create table if not exists log_entries (
  log text not null,
  timestamp text not null,
  insert_id text not null,
  body text not null,
  primary key (log, timestamp, insert_id)
) without rowid;
"""
_LOG = r"projects/[^/]+/logs/[A-Za-z0-9/_.\-%]{1,511}"
_PAYLOADS = ("textPayload", "jsonPayload", "protoPayload")
_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")


class WrittenEntries:
    """Entries of one log, time and insertId are one: the last that was written."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        cloud.store.script(_SCHEMA)

    def of(self, projects: set[str]) -> Iterator[dict[str, Any]]:
        for project in sorted(projects):
            prefix = f"projects/{project}/logs/"
            where = "where log >= ? and log < ? order by timestamp, insert_id"
            rows = self._cloud.store.query(f"select body from log_entries {where}", (prefix, f"{prefix}\U0010ffff"))  # noqa: S608
            for (body,) in rows:
                yield json.loads(body)

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v2/entries:write", self._write, "logging.logEntries.create"),
            Route("GET", "/v2/{parent=projects/*}/logs", self._list_logs, "logging.logs.list"),
            Route("DELETE", "/v2/{logName=projects/*/logs/*}", self._delete_log, "logging.logs.delete"),
        ]

    def _write(self, call: Call) -> dict[str, Any]:
        body = MESSAGES.canonical("google.logging.v2.WriteLogEntriesRequest", call.object(), "request")
        entries = [self._completed(entry, body) for entry in body.get("entries") or []]
        found = Violations()
        found.unless(entries, "entries", "at least one is required")
        for index, entry in enumerate(entries):
            _check(found, entry, f"entries[{index}]")
        found.refuse()
        if not body.get("dryRun"):
            with self._cloud.store.transaction():
                for entry in entries:
                    self._cloud.store.execute(
                        "insert or replace into log_entries values (?, ?, ?, ?)",
                        (
                            entry["logName"],
                            entry["timestamp"],
                            entry["insertId"],
                            json.dumps(entry, ensure_ascii=False),
                        ),
                    )
        return {}

    def _completed(self, entry: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """With what the request says for all its entries, and what the service adds."""
        now = self._cloud.clock.timestamp()
        shared = {key: body[key] for key in ("logName", "resource") if body.get(key)}
        labels = {**(body.get("labels") or {}), **(entry.get("labels") or {})}
        made = {"insertId": secrets.token_hex(8), "timestamp": now, "severity": "DEFAULT", **shared, **entry}
        made |= {"receiveTimestamp": now} | ({"labels": labels} if labels else {})
        made["logName"] = self._cloud.projects.with_id(str(made.get("logName", "")))
        try:
            made["timestamp"] = rfc3339(parse_rfc3339(made["timestamp"]))
        except (ValueError, TypeError):
            made["timestamp"] = None
        return made

    def _list_logs(self, call: Call) -> dict[str, Any]:
        prefix = f"{call.params['parent']}/logs/"
        query = "select distinct log from log_entries where log >= ? and log < ? order by log"
        names = [row[0] for row in self._cloud.store.query(query, (prefix, f"{prefix}\U0010ffff"))]
        return {"logNames": names} if names else {}

    def _delete_log(self, call: Call) -> dict[str, Any]:
        wanted = unquote(call.params["logName"])
        logs = {row[0] for row in self._cloud.store.query("select distinct log from log_entries")}
        same = [log for log in logs if unquote(log) == wanted]
        if not same:
            raise not_found(f"Log {call.params['logName']} does not exist")
        for log in same:
            self._cloud.store.execute("delete from log_entries where log = ?", (log,))
        return {}


def _check(found: Violations, entry: dict[str, Any], where: str) -> None:
    found.matches(_LOG, entry.get("logName"), f"{where}.logName", "is not projects/PROJECT/logs/LOG, percent-encoded")
    found.unless((entry.get("resource") or {}).get("type"), f"{where}.resource.type", "is required")
    found.unless(entry["timestamp"], f"{where}.timestamp", "is not an RFC 3339 time")
    found.one_of(_SEVERITIES, entry["severity"], f"{where}.severity")
    payloads = [key for key in _PAYLOADS if key in entry]
    found.unless(len(payloads) == 1, where, f"exactly one of {', '.join(_PAYLOADS)} is required")
