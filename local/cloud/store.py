"""Resources on disk: JSON documents by kind and name, in one SQLite database.

Owns: the database file, its connections, transactions, and the table of resources. Services with needs of their own
(objects in buckets) add tables through `script` and use `query` and `execute` on them, in the same transactions.

A committed change survives the death of this process at any moment (write-ahead log). A power cut may lose the last
moments, but never leaves half a transaction.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud.derived import Derived, Key, Value
from local.cloud.errors import already_exists

_SCHEMA = """
create table if not exists resources (
  kind text not null,
  name text not null,
  parent text not null,
  body text not null,
  primary key (kind, name)
) without rowid;
create index if not exists resources_by_parent on resources (kind, parent, name);
"""


class Store:
    """Thread-safe. Reads see the last commit, or this thread's own open transaction; writers take turns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writing = threading.RLock()
        self._depth = 0
        self._writer = 0
        self._touched: set[Key] = set()
        self._touched_under: list[Key] = []
        self._afterwards: list[Callable[[], object]] = []
        self._derived = Derived()
        self._versions: dict[str, int] = {}
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self.script(_SCHEMA)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        rows = self.query("select body from resources where kind = ? and name = ?", (kind, name))
        return json.loads(rows[0][0]) if rows else None

    def derived(self, kind: str, name: str, make: Callable[[dict[str, Any] | None], Value]) -> Value:
        """What `make` makes of a resource (None where there is none): made once for all who ask, until the resource
        changes. Nobody may change it, and `make` must be the same object each time.
        """
        if self._writer == threading.get_ident() and self._has_touched(kind, name):
            return make(self.get(kind, name))
        return self._derived.of((kind, name), make, lambda: self.get(kind, name))

    def version(self, kind: str) -> int:
        """A number that rises with each committed change of a kind's resources: what was read since it was is right
        while it stays.
        """
        return self._versions.get(kind, 0)

    def put(self, kind: str, name: str, body: dict[str, Any], *, parent: str | None = None) -> dict[str, Any]:
        """Create or overwrite. `parent` defaults to the name without its last collection and id."""
        statement = (
            "insert into resources (kind, name, parent, body) values (?, ?, ?, ?) "
            "on conflict (kind, name) do update set parent = excluded.parent, body = excluded.body"
        )
        with self.transaction():
            self._touched.add((kind, name))
            self.execute(statement, (kind, name, parent_of(name) if parent is None else parent, _dump(body)))
        return body

    def create(self, kind: str, name: str, body: dict[str, Any], *, parent: str | None = None) -> dict[str, Any]:
        """Raises ALREADY_EXISTS where the name is taken."""
        with self.transaction():
            if self.get(kind, name) is not None:
                raise already_exists(f"Resource '{name}' already exists")
            return self.put(kind, name, body, parent=parent)

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such a resource."""
        with self.transaction():
            self._touched.add((kind, name))
            return self.execute("delete from resources where kind = ? and name = ?", (kind, name)) > 0

    def delete_under(self, kind: str, prefix: str) -> int:
        """Delete all of a kind whose name begins with `prefix`; how many there were."""
        with self.transaction():
            self._touched_under.append((kind, prefix))
            return self.execute(
                "delete from resources where kind = ? and name >= ? and name < ?", (kind, prefix, _after(prefix))
            )

    def list(
        self, kind: str, parent: str | None = None, *, after: str = "", limit: int | None = None
    ) -> "list[tuple[str, dict[str, Any]]]":
        """Names and bodies in order of name, from the one that follows `after`; of all parents where `parent` is
        None.
        """
        where, args = ("parent = ? and ", [parent]) if parent is not None else ("", [])
        statement = f"select name, body from resources where kind = ? and {where}name > ? order by name limit ?"  # noqa: S608
        rows = self.query(statement, (kind, *args, after, -1 if limit is None else limit))
        return [(name, json.loads(body)) for name, body in rows]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that this thread writes inside is kept or, if the block raises, undone. Inner ones join the outer."""
        with self._writing:
            connection = self._connection()
            if self._depth == 0:
                connection.execute("begin immediate")
                self._writer = threading.get_ident()
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._end(connection, "rollback")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._end(connection, "commit")

    def when_committed(self, action: Callable[[], object]) -> None:
        """Do it when this thread's open transaction is on disk, never if it is undone; at once where none is open. For
        telling other threads of what was written: before that they would not see it.
        """
        if self._writer == threading.get_ident():
            self._afterwards.append(action)
        else:
            action()

    def _end(self, connection: sqlite3.Connection, how: str) -> None:
        afterwards, self._afterwards = self._afterwards, []
        try:
            connection.execute(how)
        finally:
            self._writer = 0
            touched, self._touched = self._touched, set()
            under, self._touched_under = self._touched_under, []
            for kind in {kind for kind, _ in (*touched, *under)}:
                self._versions[kind] = self._versions.get(kind, 0) + 1
            if touched:
                self._derived.forget(touched)
            for kind, prefix in under:
                self._derived.forget_under(kind, prefix)
        for action in afterwards if how == "commit" else ():
            action()

    def _has_touched(self, kind: str, name: str) -> bool:
        under = any(of == kind and name.startswith(prefix) for of, prefix in self._touched_under)
        return under or (kind, name) in self._touched

    def script(self, ddl: str) -> None:
        """Run statements that define tables (`create … if not exists`)."""
        with self._writing:
            self._connection().executescript(ddl)

    def query(self, statement: str, args: Sequence[Any] = ()) -> "list[tuple[Any, ...]]":
        return self._connection().execute(statement, args).fetchall()

    def execute(self, statement: str, args: Sequence[Any] = ()) -> int:
        """Run one writing statement; the number of rows that it changed."""
        with self.transaction():
            return self._connection().execute(statement, args).rowcount

    def close(self) -> None:
        """Close every thread's connection. No other thread may be in a call."""
        with self._writing:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            self._local.connection = connection
            self._connections.append(connection)
        return connection


def parent_of(name: str) -> str:
    """`projects/p/locations/l` of `projects/p/locations/l/customJobs/1`; "" of a name with two segments or fewer."""
    return "/".join(name.split("/")[:-2])


def _after(prefix: str) -> str:
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
