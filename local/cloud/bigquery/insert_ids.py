"""Rows that a client sends again: each has an `insertId` by which it is known for a minute.

Source: https://cloud.google.com/bigquery/docs/streaming-data-into-bigquery#dataconsistency
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_SECONDS = 60.0


class InsertIds:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[tuple[str, str], float] = {}  # in order of time
        self._lock = threading.Lock()

    def fresh(self, table: str, rows: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
        """The rows that were not inserted within the last minute, with their places; of equal ids the first."""
        found: list[tuple[int, dict[str, Any]]] = []
        own: set[str] = set()
        with self._lock:
            self._forget_old()
            for index, row in enumerate(rows):
                insert_id = row.get("insertId")
                if insert_id is None:
                    found.append((index, row))
                elif insert_id not in own and (table, insert_id) not in self._until:
                    own.add(insert_id)
                    found.append((index, row))
        return found

    def note(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """These rows are in the table."""
        with self._lock:
            until = self._now() + _SECONDS
            for row in rows:
                if row.get("insertId") is not None:
                    self._until.setdefault((table, row["insertId"]), until)

    def _forget_old(self) -> None:
        now = self._now()
        while self._until and self._until[first := next(iter(self._until))] <= now:
            del self._until[first]
