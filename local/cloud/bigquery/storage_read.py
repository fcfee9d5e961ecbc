"""The BigQuery Storage Read API over HTTP: read sessions whose streams give rows as Arrow.

Owns: sessions, their streams and what they read. Rows are those of the moment that the session began. Over gRPC there
is no service: Google's own client speaks nothing else. Source:
https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1 and its HTTP annotations.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.call import Call, Response
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import ApiError, invalid_argument, not_found

if TYPE_CHECKING:
    import pyarrow as pa

_KIND = "bigquery.readSession"
_HOURS_KEPT = 6
_BATCH_ROWS = 10_000
_MOST_STREAMS = 100


class StorageReadApi:
    def __init__(self, bq: BigQuery) -> None:
        self._bq = bq
        self._folder = bq.cloud.root / "bigquery" / "sessions"

    def create(self, call: Call) -> dict[str, Any]:
        """CreateReadSession. The rows are set aside once; a stream is a part of them."""
        body, project = call.object(), call.params["project"]
        session = body.get("readSession") or {}
        ref = TableRef(project, call.params["dataset"], call.params["table"])
        if str(session.get("dataFormat") or "ARROW").upper() != "ARROW":
            raise invalid_argument(
                [("readSession.dataFormat", f"{session['dataFormat']!r}: the local cloud has ARROW")]
            )
        permissions.may_read(self._bq, call.principal, [ref])
        table = self._read(ref, session.get("readOptions") or {}, call.principal)
        streams = max(1, min(int(body.get("maxStreamCount") or 1), _MOST_STREAMS, max(1, table.num_rows)))
        name = f"projects/{project}/locations/{self._location(ref)}/sessions/{secrets.token_urlsafe(24)}"
        held = {"file": self._keep(table), "rows": table.num_rows, "streams": [], "user": call.principal}
        held["until"] = rfc3339(self._bq.cloud.clock.now() + timedelta(hours=_HOURS_KEPT))
        bounds = [table.num_rows * index // streams for index in range(streams + 1)]
        held["streams"] = [[first, last] for first, last in pairwise(bounds)]
        self._bq.cloud.store.put(_KIND, name, held, parent="")
        return {
            "name": name,
            "table": ref.name,
            "dataFormat": "ARROW",
            "expireTime": held["until"],
            "readOptions": session.get("readOptions") or {},
            "arrowSchema": {"serializedSchema": _text(table.schema.serialize().to_pybytes())},
            "streams": [{"name": f"{name}/streams/{index}"} for index in range(streams)] if table.num_rows else [],
            "estimatedRowCount": str(table.num_rows),
            "estimatedTotalBytesScanned": str(table.nbytes),
        }

    def read(self, call: Call) -> Response | dict[str, Any]:
        """ReadRows, a stream of JSON objects; SplitReadStream has the same path and a `fraction`."""
        if call.query.get("fraction"):
            return {}  # no part can be split off: its rows are read by the one stream
        session, index = self._session(call)
        first, last = session["streams"][index]
        start = first + (call.number("offset") or 0)
        if start > last:
            raise ApiError(400, f"offset {start - first} is beyond the stream's {last - first} rows", "OUT_OF_RANGE")
        return Response(self._messages(session, start, last), media_type="application/json")

    def _messages(self, session: dict[str, Any], start: int, last: int) -> Iterator[bytes]:
        import pyarrow as pa

        yield b"["
        with pa.memory_map(str(self._folder / session["file"])) as file:
            table = pa.ipc.open_file(file).read_all().slice(start, last - start)
            for number, batch in enumerate(table.to_batches(_BATCH_ROWS)):
                content = {"serializedRecordBatch": _text(batch.serialize().to_pybytes())}
                message: dict[str, Any] = {"arrowRecordBatch": content, "rowCount": str(batch.num_rows)}
                if not number:
                    message["arrowSchema"] = {"serializedSchema": _text(table.schema.serialize().to_pybytes())}
                yield (b"," if number else b"") + json.dumps(message).encode()
        yield b"]"

    def sweep(self) -> None:
        """Forget sessions that are over."""
        now = self._bq.cloud.clock.now()
        for name, held in self._bq.cloud.store.list(_KIND):
            if parse_rfc3339(held["until"]) <= now:
                self._bq.cloud.store.delete(_KIND, name)
                (self._folder / held["file"]).unlink(missing_ok=True)

    def _session(self, call: Call) -> tuple[dict[str, Any], int]:
        """Of the caller's own session."""
        name = "projects/{project}/locations/{location}/sessions/{session}".format(**call.params)
        held, index = self._bq.cloud.store.get(_KIND, name), call.params["stream"]
        over = held is None or parse_rfc3339(held["until"]) <= self._bq.cloud.clock.now()
        if held is None or over or not index.isdigit() or int(index) >= len(held["streams"]):
            raise not_found(f"{name}/streams/{index}")
        if held["user"] != call.principal:
            call.require("bigquery.readsessions.getData", f"projects/{call.params['project']}")
        return held, int(index)

    def _location(self, ref: TableRef) -> str:
        return "us" if ref.anonymous else self._bq.datasets.get(ref.parent)["location"].lower()

    def _read(self, ref: TableRef, options: dict[str, Any], user: str) -> "pa.Table":
        from local.cloud.bigquery.storage_rows import selected

        return selected(self._bq, ref, options, user)

    def _keep(self, table: "pa.Table") -> str:
        import pyarrow as pa

        self._folder.mkdir(parents=True, exist_ok=True)
        path: Path = self._folder / f"{secrets.token_hex(16)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, _BATCH_ROWS)
        return path.name


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
