"""Which results a repeated query gets without being run again.

Owns: what is remembered. A result is right until anything is committed, which is sooner than BigQuery gives one up.
Source: https://cloud.google.com/bigquery/docs/cached-results
"""

import threading

from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.results import Results
from local.cloud.bigquery.schema import Field
from local.cloud.bigquery.warehouse import Warehouse

_MOST = 1000


class QueryCache:
    def __init__(self, warehouse: Warehouse, results: Results) -> None:
        self._warehouse = warehouse
        self._results = results
        self._known: dict[tuple[str, str], tuple[int, TableRef]] = {}
        self._lock = threading.Lock()

    def find(self, user: str, sql: str) -> tuple[TableRef, list[Field]] | None:
        """The result of a query, given as the engine runs it; nobody gets another's."""
        with self._lock:
            commit, ref = self._known.get((user, sql), (-1, None))
        if ref is None or commit != self._warehouse.commits or not self._results.holds(ref):
            return None
        return ref, self._results.schema(ref)

    def keep(self, user: str, sql: str, commit: int, ref: TableRef) -> None:
        """`commit` is the last one before the query began."""
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[user, sql] = commit, ref
