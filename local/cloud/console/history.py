"""The newest of a kind, a page at a time, without reading the others.

Owns: two indexes on the store's table, over the documents of pipeline and custom jobs, which grow to thousands.
"""

import json
from typing import Any, Literal

from local.cloud.store import Store

Kind = Literal["aiplatform.PipelineJob", "aiplatform.CustomJob"]

_CREATED, _STATE = "json_extract(body, '$.createTime')", "json_extract(body, '$.state')"
_KINDS = "kind in ('aiplatform.PipelineJob', 'aiplatform.CustomJob')"
_INDEXES = f"""
create index if not exists console_by_time on resources (kind, {_CREATED}) where {_KINDS};
create index if not exists console_by_state on resources (kind, {_STATE}) where {_KINDS};
"""


class History:
    def __init__(self, store: Store) -> None:
        self._store = store
        store.script(_INDEXES)

    def page(self, kind: Kind, start: int, size: int) -> list[dict[str, Any]]:
        """The newest first, from the one at `start`."""
        rest = f"order by {_CREATED} desc, name desc limit ? offset ?"
        return [json.loads(body) for (body,) in self._query("body", "console_by_time", kind, rest, size, start)]

    def count(self, kind: Kind, *states: str) -> int:
        """How many there are, in these states where any are named."""
        if not states:
            return self._query("count(*)", "console_by_time", kind, "")[0][0]
        return self._query("count(*)", "console_by_state", kind, _is_one_of(states), *states)[0][0]

    def in_states(self, kind: Kind, *states: str, most: int = 500) -> list[dict[str, Any]]:
        """Those in these states, as many as `most`."""
        found = self._query("body", "console_by_state", kind, f"{_is_one_of(states)} limit ?", *states, most)
        return [json.loads(body) for (body,) in found]

    def _query(self, what: str, index: str, kind: Kind, rest: str, *args: Any) -> list[tuple[Any, ...]]:
        """SQLite is told the index, and fails where that would not do: it else reads every document."""
        where = f"kind = '{kind}' and {_KINDS}"
        return self._store.query(f"select {what} from resources indexed by {index} where {where} {rest}", args)  # noqa: S608


def _is_one_of(states: tuple[str, ...]) -> str:
    return f"and {_STATE} in ({', '.join('?' * len(states))})"
