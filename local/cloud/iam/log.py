"""The access log: who asked for which permission on what, and which binding allowed it.

Owns: the file `access-log.jsonl` under the root, one JSON object a line, and its size: when it is full it becomes
`access-log.1.jsonl`, and the one before is dropped. Lines are written in batches; a crash may lose the last second.
"""

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.clock import Clock

if TYPE_CHECKING:
    from local.cloud.iam.access import Grant

_MOST_BYTES = 32 * 1024 * 1024
_MOST_HELD = 256
_RECENT_BYTES = 2 * 1024 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class AccessLog:
    def __init__(self, root: Path, clock: Clock) -> None:
        self.path = root / "access-log.jsonl"
        self._older = root / "access-log.1.jsonl"
        self._clock = clock
        self._held: list[str] = []
        self._lock = threading.Lock()

    def record(self, principal: str, permission: str, resource: str, grant: "Grant | None", *, refused: bool) -> None:
        """`grant` None: no binding allows it. `refused` is whether the caller was told so."""
        entry: dict[str, Any] = {
            "time": self._clock.timestamp(),
            "principal": principal,
            "permission": permission,
            "resource": resource,
            "granted": grant is not None,
            "refused": refused,
        }
        if grant:
            condition = grant.condition
            binding = {"carrier": grant.carrier, "role": grant.role, "member": grant.member, "condition": condition}
            entry["binding"] = binding
        line = _encode(entry)
        with self._lock:
            self._held.append(line)
            if len(self._held) >= _MOST_HELD:
                self._write()

    def flush(self) -> None:
        with self._lock:
            self._write()

    def newest(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        """The newest entries, the oldest of them first, whose fields have the wanted values."""
        self.flush()
        found = (entry for entry in self._entries() if all(entry.get(key) == value for key, value in wanted.items()))
        return list(deque(found, maxlen=count))

    def recent(self, count: int, *, refused: bool = False) -> list[dict[str, Any]]:
        """The newest entries, the newest of them first, of the log's last megabytes; those that no binding allowed
        where `refused`. Unlike `newest` it does not read all of a long log.
        """
        self.flush()
        found: list[dict[str, Any]] = []
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _RECENT_BYTES))
                lines = file.read().splitlines()
            entries = filter(None, (_entry(line) for line in reversed(lines)))
            found = list(islice((each for each in entries if not (refused and each["granted"])), count))
        return found

    def used(self) -> list[dict[str, Any]]:
        """How often each principal needed each permission, and by which role it had it."""
        self.flush()
        counts: Counter[tuple[str, str, str, bool]] = Counter()
        for entry in self._entries():
            role = entry.get("binding", {}).get("role", "")
            counts[entry["principal"], entry["permission"], role, entry["granted"]] += 1
        rows = sorted(counts.items())
        keys = ("principal", "permission", "role", "granted")
        return [dict(zip(keys, key, strict=True)) | {"calls": calls} for key, calls in rows]

    def _entries(self) -> Iterator[dict[str, Any]]:
        for path in (self._older, self.path):
            if path.exists():
                with path.open(encoding="utf-8") as file:
                    yield from filter(None, map(_entry, file))

    def _write(self) -> None:
        if not self._held:
            return
        if self.path.exists() and self.path.stat().st_size > _MOST_BYTES:
            self.path.replace(self._older)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + "\n".join(self._held) + "\n")  # a line that a kill has torn ends here
        self._held.clear()


def _entry(line: str | bytes) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except ValueError:
        return None
