"""What is known of each generation of each object.

Owns: the table of objects in the store. Does not own: the files, nor the order of changes (objects.py).
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from local.cloud.store import Store

State = Literal["live", "noncurrent", "deleted"]
Place = Literal["tree", "kept"]

_SCHEMA = """
create table if not exists objects (
  bucket text not null,
  name text not null,
  generation integer not null,
  state text not null,
  place text not null,
  size integer not null,
  mtime_ns integer not null,
  meta text not null,
  primary key (bucket, name, generation)
) without rowid;
create unique index if not exists objects_live on objects (bucket, name) where state = 'live';
create index if not exists objects_by_generation on objects (generation);
create table if not exists removals (
  bucket text not null,
  name text not null,
  mtime_ns integer not null,
  primary key (bucket, name)
) without rowid;
create table if not exists uploads (
  id text primary key,
  body text not null
) without rowid;
"""
_COLUMNS = "bucket, name, generation, state, place, size, mtime_ns, meta"


@dataclass(slots=True)
class Record:
    """One generation. `state` deleted means softly: it can be restored. `meta` holds the API's fields that are kept as
    they are.
    """

    bucket: str
    name: str
    generation: int
    size: int
    mtime_ns: int
    state: State = "live"
    place: Place = "tree"
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def metageneration(self) -> int:
        return int(self.meta["metageneration"])


class Records:
    def __init__(self, store: Store) -> None:
        self._store = store
        store.script(_SCHEMA)

    def live(self, bucket: str, name: str) -> Record | None:
        found = self._select("bucket = ? and name = ? and state = 'live'", bucket, name)
        return found[0] if found else None

    def generation(self, bucket: str, name: str, generation: int) -> Record | None:
        found = self._select("bucket = ? and name = ? and generation = ?", bucket, name, generation)
        return found[0] if found else None

    def by_generation(self, generation: int) -> Record | None:
        found = self._select("generation = ?", generation)
        return found[0] if found else None

    def names_after(self, bucket: str, after: tuple[str, int], states: tuple[State, ...], limit: int) -> list[Record]:
        """In order of name and generation, from what follows `after`."""
        marks = ", ".join("?" * len(states))
        where = f"bucket = ? and (name, generation) > (?, ?) and state in ({marks}) order by name, generation limit ?"
        return self._select(where, bucket, *after, *states, limit)

    def live_under(self, bucket: str, prefix: str) -> dict[str, tuple[str, int, int]]:
        """Place, size and time of change of every live object below a prefix."""
        upper = f"{prefix}\U0010ffff"
        statement = (
            "select name, place, size, mtime_ns from objects "
            "where bucket = ? and name >= ? and name <= ? and state = 'live'"
        )
        rows = self._store.query(statement, (bucket, prefix, upper))
        return {name: (place, size, mtime_ns) for name, place, size, mtime_ns in rows}

    def all_in(self, bucket: str, states: tuple[State, ...]) -> list[Record]:
        marks = ", ".join("?" * len(states))
        return self._select(f"bucket = ? and state in ({marks}) order by name, generation", bucket, *states)

    def any_in(self, bucket: str, states: tuple[State, ...]) -> bool:
        marks = ", ".join("?" * len(states))
        return bool(self._select(f"bucket = ? and state in ({marks}) limit 1", bucket, *states))

    def write(self, record: Record) -> None:
        meta = json.dumps(record.meta, ensure_ascii=False, separators=(",", ":"))
        values = (
            record.bucket,
            record.name,
            record.generation,
            record.state,
            record.place,
            record.size,
            record.mtime_ns,
            meta,
        )
        self._store.execute(f"insert or replace into objects ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def remove(self, record: Record) -> None:
        statement = "delete from objects where bucket = ? and name = ? and generation = ?"
        self._store.execute(statement, (record.bucket, record.name, record.generation))

    def move(self, bucket: str, other: str) -> None:
        """All of a bucket's generations belong to another."""
        self._store.execute("update objects set bucket = ? where bucket = ?", (other, bucket))

    def last_generation(self) -> int:
        return self._store.query("select coalesce(max(generation), 0) from objects")[0][0]

    def note_removal(self, record: Record) -> None:
        """The file at the name's path is about to be removed; a crash must not bring it back."""
        statement = "insert or replace into removals (bucket, name, mtime_ns) values (?, ?, ?)"
        self._store.execute(statement, (record.bucket, record.name, record.mtime_ns))

    def forget_removal(self, bucket: str, name: str) -> None:
        self._store.execute("delete from removals where bucket = ? and name = ?", (bucket, name))

    def removals(self) -> list[tuple[str, str, int]]:
        return self._store.query("select bucket, name, mtime_ns from removals")  # type: ignore[return-value]

    def upload(self, upload_id: str) -> dict[str, Any] | None:
        rows = self._store.query("select body from uploads where id = ?", (upload_id,))
        return json.loads(rows[0][0]) if rows else None

    def write_upload(self, upload_id: str, body: dict[str, Any]) -> None:
        self._store.execute("insert or replace into uploads (id, body) values (?, ?)", (upload_id, json.dumps(body)))

    def remove_upload(self, upload_id: str) -> None:
        self._store.execute("delete from uploads where id = ?", (upload_id,))

    def upload_ids(self) -> list[str]:
        return [row[0] for row in self._store.query("select id from uploads")]

    def _select(self, where: str, *args: Any) -> list[Record]:
        rows = self._store.query(f"select {_COLUMNS} from objects where {where}", args)  # noqa: S608
        return [
            Record(bucket, name, generation, size, mtime_ns, state, place, json.loads(meta))
            for bucket, name, generation, state, place, size, mtime_ns, meta in rows
        ]
