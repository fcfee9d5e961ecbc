"""The database under BigQuery: one DuckDB file that holds data and what is known of it.

Owns: the connection, transactions, and the catalog of datasets and tables, which changes in the same commit as the
data. Does not own: what datasets and tables mean.

SQL that comes from outside cannot leave this file: DuckDB is opened without access to other files, networks or
extensions, and with its configuration locked. Content comes in and goes out through Arrow, read and written by our own
code.
"""

import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_SCHEMA = """
create schema if not exists _meta;
create table if not exists _meta.resources (kind varchar, name varchar, body varchar, primary key (kind, name));
create table if not exists _meta.applied (job varchar primary key, body varchar);
create sequence if not exists _meta.physical;
"""
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "memory_limit": "50%",
    "python_enable_replacements": "false",
}

Body = dict[str, Any]


class Warehouse:
    """Opened on first use, since it costs a third of a second. Any thread may read; writers take turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opening = threading.Lock()
        self._writing = threading.RLock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._resources: dict[tuple[str, str], str] = {}
        self._pending: dict[tuple[str, str], str | None] = {}
        self.commits = 0  # since this process has it open: what was counted at one is right until the next
        self._writer = 0
        self._cursor: duckdb.DuckDBPyConnection | None = None

    # Transactions

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """A session of its own on the database, which sees what is committed. Close it."""
        return self._open().cursor()

    @contextmanager
    def reading(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """What is committed, and to a thread within its transaction also what that has changed."""
        if self._cursor is not None and self.in_transaction:
            self._cursor.execute("select 1").fetchall()  # ends a result that nobody has fetched
            yield self._cursor
            return
        cursor = self.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def writing(self, cursor: "duckdb.DuckDBPyConnection | None" = None) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A transaction, on the caller's session if it has one; an inner one joins it. Undone if the block raises."""
        with self._writing:
            if self._cursor is not None:
                yield self._cursor
                return
            own = cursor or self.cursor()
            self._cursor, self._writer = own, threading.get_ident()
            own.execute("begin transaction")
            try:
                yield own
                own.execute("commit")
                self.commits += 1
            except BaseException:
                self._pending.clear()
                _roll_back(own)
                raise
            else:
                self._publish()
            finally:
                self._cursor, self._writer = None, 0
                if cursor is None:
                    own.close()

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is within one."""
        return self._writer == threading.get_ident()

    def close(self) -> None:
        """What another thread still reads is interrupted: the file is let go when it has noticed."""
        import duckdb

        with self._writing, self._opening:
            if connection := self._connection:
                self._connection = None
                try:
                    connection.close()
                except duckdb.Error:  # a call is under way on it, and must not keep a cloud from stopping
                    with contextlib.suppress(duckdb.Error):
                        connection.interrupt()

    # The catalog

    def get(self, kind: str, name: str) -> Body | None:
        """A copy: what is done to it changes nothing."""
        self._open()
        key = (kind, name)
        mine = self.in_transaction
        body = self._pending[key] if mine and key in self._pending else self._resources.get(key)
        return json.loads(body) if body is not None else None

    def list(self, kind: str, prefix: str) -> "list[tuple[str, Body]]":
        """In order of name, of those that begin with `prefix`."""
        self._open()
        merged: dict[tuple[str, str], str | None] = dict(self._resources)
        if self.in_transaction:
            merged |= self._pending
        found = [
            (name, json.loads(body))
            for (of, name), body in merged.items()
            if of == kind and body is not None and name.startswith(prefix)
        ]
        return sorted(found, key=lambda pair: pair[0])

    def put(self, kind: str, name: str, body: Body) -> Body:
        with self.writing() as cursor:
            text = json.dumps(body)
            cursor.execute("insert or replace into _meta.resources values (?, ?, ?)", [kind, name, text])
            self._pending[kind, name] = text
        return body

    def delete(self, kind: str, name: str) -> None:
        with self.writing() as cursor:
            cursor.execute("delete from _meta.resources where kind = ? and name = ?", [kind, name])
            self._pending[kind, name] = None

    def new_physical(self) -> str:
        """A name for a table of DuckDB that none has had, and that nobody can guess."""
        with self.writing() as cursor:
            row = cursor.execute("select nextval('_meta.physical')").fetchone()
            return f"t{row[0] if row else 0}_{secrets.token_hex(8)}"

    # What jobs have done

    def applied(self, job: str) -> Body | None:
        """What a job left when its work was committed; None if it was not."""
        with self.reading() as cursor:
            row = cursor.execute("select body from _meta.applied where job = ?", [job]).fetchone()
            return json.loads(row[0]) if row else None

    def count_applied(self, prefix: str) -> int:
        """How many jobs whose names begin so have left a mark."""
        with self.reading() as cursor:
            row = cursor.execute("select count(*) from _meta.applied where starts_with(job, ?)", [prefix]).fetchone()
            return row[0] if row else 0

    def mark_applied(self, job: str, body: Body) -> None:
        """In the transaction of the work itself."""
        with self.writing() as cursor:
            cursor.execute("insert or replace into _meta.applied values (?, ?)", [job, json.dumps(body)])

    def forget_applied(self, job: str) -> None:
        with self.writing() as cursor:
            cursor.execute("delete from _meta.applied where job = ?", [job])

    def _publish(self) -> None:
        """Show what was committed."""
        for key, body in self._pending.items():
            if body is None:
                self._resources.pop(key, None)
            else:
                self._resources[key] = body
        self._pending.clear()

    def _open(self) -> "duckdb.DuckDBPyConnection":
        if self._connection is not None:
            return self._connection
        with self._opening:
            if self._connection is None:
                import duckdb

                from local.cloud.bigquery.functions import define_functions

                self.folder.mkdir(parents=True, exist_ok=True)
                settings = _SETTINGS | {"temp_directory": str(self.folder / "spill")}
                connection = duckdb.connect(str(self.folder / "warehouse.duckdb"), config=settings)
                connection.execute(_SCHEMA)
                define_functions(connection)
                rows = connection.execute("select kind, name, body from _meta.resources").fetchall()
                self._resources = {(kind, name): body for kind, name, body in rows}
                connection.execute("set global TimeZone = 'UTC'")
                connection.execute("set lock_configuration = true")
                self._connection = connection
            return self._connection


def _roll_back(cursor: "duckdb.DuckDBPyConnection") -> None:
    import duckdb

    try:
        cursor.execute("rollback")
    except duckdb.Error:
        return  # the failure itself has ended the transaction
