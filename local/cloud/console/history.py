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
        statement = (
            f"select body from resources where kind = '{kind}' and {_KINDS} "  # noqa: S608 - one of two literals
            f"order by {_CREATED} desc, name desc limit ? offset ?"
        )
        return [json.loads(body) for (body,) in self._store.query(statement, (size, start))]

    def count(self, kind: Kind, *states: str) -> int:
        """How many there are, in these states where any are named."""
        marks = f"and {_STATE} in ({', '.join('?' * len(states))})" if states else ""
        statement = f"select count(*) from resources where kind = '{kind}' and {_KINDS} {marks}"  # noqa: S608
        return self._store.query(statement, states)[0][0]

    def in_states(self, kind: Kind, *states: str, most: int = 500) -> list[dict[str, Any]]:
        """Those in these states, in order of name."""
        marks = ", ".join("?" * len(states))
        statement = f"select body from resources where kind = '{kind}' and {_KINDS} and {_STATE} in ({marks}) limit ?"  # noqa: S608
        return [json.loads(body) for (body,) in self._store.query(statement, (*states, most))]
