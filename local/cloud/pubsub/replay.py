"""Messages that are kept to be delivered again, and seeking to them.

Owns: what a snapshot holds (what its subscription had not acknowledged, and all that came after), what a topic retains
of its own accord, and seeking to a snapshot or a time. Does not own: first deliveries (delivery.py).
Source: https://cloud.google.com/pubsub/docs/replay-overview
"""

import json
from typing import Any

from local.cloud.durations import seconds
from local.cloud.pubsub import filters
from local.cloud.store import Store

_SCHEMA = """
create table if not exists pubsub_kept (
  holder text not null,
  message integer not null,
  primary key (holder, message)
) without rowid;
create index if not exists pubsub_kept_by_message on pubsub_kept (message);
"""
_SNAPSHOTS = "pubsub.snapshots"
_SECOND = 1_000_000  # times are kept in microseconds


class Replay:
    """Holders are snapshots and topics, by name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.script(_SCHEMA)

    def holders(self, topic: dict[str, Any]) -> list[str]:
        """Who keeps what is published on a topic."""
        taken = [name for name, body in self._store.list(_SNAPSHOTS) if body["topic"] == topic["name"]]
        return [topic["name"], *taken] if topic.get("messageRetentionDuration") else taken

    def keep(self, holders: list[str], message: int) -> None:
        for holder in holders:
            self._store.execute("insert or ignore into pubsub_kept values (?, ?)", (holder, message))

    def take(self, snapshot: str, subscription: str) -> None:
        """Let a new snapshot hold what its subscription has not acknowledged."""
        waiting = "select ?, message from pubsub_deliveries where subscription = ? and acked = 0"
        self._store.execute(f"insert or ignore into pubsub_kept {waiting}", (snapshot, subscription))

    def oldest_waiting(self, subscription: str) -> int | None:
        """When the oldest message that is not acknowledged was published, in microseconds since 1970."""
        statement = (
            "select min(m.published) from pubsub_deliveries d join pubsub_messages m on m.id = d.message "
            "where d.subscription = ? and d.acked = 0"
        )
        return self._store.query(statement, (subscription,))[0][0]

    def forget(self, holder: str) -> None:
        self._store.execute("delete from pubsub_kept where holder = ?", (holder,))

    def forget_older(self, topic: dict[str, Any], now: int) -> None:
        """Drop what a topic need not retain any longer."""
        oldest = now - int((seconds(topic.get("messageRetentionDuration")) or 0) * _SECOND)
        old = "message in (select id from pubsub_messages where published < ?)"
        self._store.execute(f"delete from pubsub_kept where holder = ? and {old}", (topic["name"], oldest))  # noqa: S608

    def seek_time(self, subscription: dict[str, Any], moment: int) -> None:
        """What was published before `moment` counts as acknowledged, what is kept of later is not."""
        since = "message in (select id from pubsub_messages where published >= ?)"
        with self._store.transaction():
            self._acknowledge(subscription["name"], f"not {since}", moment)
            self._give_back(subscription["name"], since, moment)
            self._deliver(subscription, f"k.holder = ? and k.{since}", (subscription["topic"], moment))

    def seek_snapshot(self, subscription: dict[str, Any], snapshot: str) -> None:
        """What the snapshot holds waits again, all else counts as acknowledged."""
        held = "message in (select message from pubsub_kept where holder = ?)"
        with self._store.transaction():
            self._acknowledge(subscription["name"], f"not {held}", snapshot)
            self._give_back(subscription["name"], held, snapshot)
            self._deliver(subscription, "k.holder = ?", (snapshot,))

    def _acknowledge(self, name: str, where: str, value: object) -> None:
        statement = f"update pubsub_deliveries set acked = 1 where subscription = ? and {where}"  # noqa: S608
        self._store.execute(statement, (name, value))

    def _give_back(self, name: str, where: str, value: object) -> None:
        """Those that are leased keep their lease."""
        again = "update pubsub_deliveries set acked = 0, due = 0, ack_id = ''"
        self._store.execute(f"{again} where subscription = ? and acked = 1 and {where}", (name, value))

    def _deliver(self, subscription: dict[str, Any], where: str, values: tuple[object, ...]) -> None:
        """Messages that the subscription has not, or has no more, where they pass its filter."""
        selects = filters.compiled(subscription.get("filter", ""))
        rows = self._store.query(
            f"select m.id, m.body from pubsub_kept k join pubsub_messages m on m.id = k.message where {where}",  # noqa: S608
            values,
        )
        for number, text in rows:
            body = json.loads(text)
            if selects(body.get("attributes", {})):
                self._store.execute(
                    "insert or ignore into pubsub_deliveries values (?, ?, ?, 0, 0, '', 0)",
                    (subscription["name"], number, body.get("orderingKey", "")),
                )
