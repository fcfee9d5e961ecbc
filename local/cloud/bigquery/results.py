"""Results of queries and pages of tables.

Owns: the files in which results wait for a day, and reading a page of rows. A result is either such a file or a table.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.problems import not_found, problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.rows import json_rows
from local.cloud.bigquery.schema import Field, quoted
from local.cloud.bigquery.tables import Tables
from local.cloud.call import Call
from local.cloud.clock import Clock, parse_rfc3339, rfc3339
from local.cloud.iam.members import member_of
from local.cloud.store import Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_KIND = "bigquery.result"
_HOURS_KEPT = 24
_BATCH_ROWS = 50_000
_MOST_PAGE_BYTES = 10_000_000
_MOST_PAGE_ROWS = 100_000


class Results:
    def __init__(self, folder: Path, store: Store, clock: Clock, tables: Tables) -> None:
        self._folder = folder / "results"
        self._store = store
        self._clock = clock
        self._tables = tables

    def keep(
        self,
        job: str,
        project: str,
        cursor: "duckdb.DuckDBPyConnection",
        sql: str,
        fields: list[Field],
        *,
        owner: str,
    ) -> TableRef:
        """Run a query into the hidden table that its results are read from, which is its author's."""
        import pyarrow as pa

        digest = hashlib.sha256(job.encode()).hexdigest()
        ref = TableRef(project, f"_{digest[:40]}", f"anon{digest}")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{digest}.arrow"
        reader = cursor.sql(sql).to_arrow_reader(_BATCH_ROWS)
        rows = 0
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        until = rfc3339(self._clock.now() + timedelta(hours=_HOURS_KEPT))
        body = {"file": path.name, "fields": fields, "rows": rows, "until": until, "owner": owner}
        self._store.put(_KIND, ref.name, body, parent="")
        return ref

    def holds(self, ref: TableRef) -> bool:
        """Whether a result is still kept."""
        body = self._store.get(_KIND, ref.name)
        return body is not None and parse_rfc3339(body["until"]) > self._clock.now()

    def schema(self, ref: TableRef) -> list[Field]:
        if ref.anonymous:
            return self._kept(ref)["fields"]
        return self._tables.get(ref)["resource"].get("schema", {}).get("fields", [])

    def rows(self, ref: TableRef) -> int:
        if ref.anonymous:
            return self._kept(ref)["rows"]
        return self._tables.committed_rows(self._tables.get(ref))

    def page(self, call: Call, ref: TableRef, *, selected: str = "") -> dict[str, Any]:
        """`rows` and `pageToken` of what a call asks for, and `totalRows`."""
        fields = _selected(self.schema(ref), selected)
        total, start = self.rows(ref), _start(call)
        asked = call.number("maxResults")
        count = min(total - start, _MOST_PAGE_ROWS if asked is None else asked)
        answer: dict[str, Any] = {"totalRows": str(total)}
        if count <= 0:
            return answer
        table = self._slice(ref, fields, start, count)
        fitting = max(1, int(table.num_rows * min(1.0, _MOST_PAGE_BYTES / max(1, table.nbytes))))
        table = table.slice(0, fitting)
        int64 = call.flag("formatOptions.useInt64Timestamp")
        answer["rows"] = json_rows(table, fields, int64_timestamps=int64)
        if start + table.num_rows < total:
            answer["pageToken"] = f"row:{start + table.num_rows}"
        return answer

    @contextmanager
    def batches(self, ref: TableRef) -> "Iterator[pa.RecordBatchReader]":
        """All rows of a result or a table."""
        import pyarrow as pa

        if ref.anonymous:
            with pa.memory_map(str(self._folder / self._kept(ref)["file"])) as file:
                yield pa.ipc.open_file(file).read_all().to_reader(_BATCH_ROWS)
            return
        record = self._tables.get(ref)
        columns = ", ".join(quoted(each["name"]) for each in self.schema(ref))
        with self._tables.warehouse.reading() as cursor:
            yield cursor.sql(f"select {columns} from {quoted(record['physical'])}").to_arrow_reader(_BATCH_ROWS)  # noqa: S608

    def bindings_of(self, name: str) -> list[dict[str, Any]]:
        """Who may do what with a result: its author, everything.

        Source: https://cloud.google.com/bigquery/docs/cached-results#how_cached_results_are_stored
        """
        result = self._store.get(_KIND, name) if "/tables/anon" in name else None
        owner = (result or {}).get("owner")
        return [{"role": "roles/bigquery.dataOwner", "members": [member_of(owner)]}] if owner else []

    def sweep(self) -> None:
        """Forget results that are a day old."""
        now = self._clock.now()
        for name, body in self._store.list(_KIND):
            if parse_rfc3339(body["until"]) <= now:
                self._store.delete(_KIND, name)
                (self._folder / body["file"]).unlink(missing_ok=True)

    def _kept(self, ref: TableRef) -> dict[str, Any]:
        body = self._store.get(_KIND, ref.name)
        if body is None:
            raise not_found("Table", f"{ref.label}: results are kept for {_HOURS_KEPT} hours")
        return body

    def _slice(self, ref: TableRef, fields: list[Field], start: int, count: int) -> "pa.Table":
        import pyarrow as pa

        if ref.anonymous:
            with pa.memory_map(str(self._folder / self._kept(ref)["file"])) as file:
                whole = pa.ipc.open_file(file).read_all()
                return whole.select([each["name"] for each in fields]).slice(start, count)
        record = self._tables.get(ref)
        columns = ", ".join(quoted(each["name"]) for each in fields)
        with self._tables.warehouse.reading() as cursor:
            source = f"from {quoted(record['physical'])} limit {count} offset {start}"
            return cursor.sql(f"select {columns} {source}").to_arrow_table()


def _start(call: Call) -> int:
    token = call.query.get("pageToken")
    if token:
        kind, _, row = token.partition(":")
        if kind != "row" or not row.isdigit():
            raise problem("invalid", f"pageToken {token!r} is not a token that a page gave", location="pageToken")
        return int(row)
    return call.number("startIndex") or 0


def _selected(fields: list[Field], selected: str) -> list[Field]:
    if not selected:
        return fields
    wanted = {name.strip().split(".")[0].lower() for name in selected.split(",")}
    return [each for each in fields if each["name"].lower() in wanted]
