"""Messages on their way: kept for each subscription until they are acknowledged or too old.

Owns: the tables of messages and deliveries, deadlines, retries with backoff, order by key, dead letters and retention.
Does not own: who may subscribe, pushing (push.py), or delivering again what was acknowledged (replay.py).
Sources: https://cloud.google.com/pubsub/docs/lease-management, …/handling-failures, …/ordering, …/replay-overview
"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.cloud.clock import Clock, rfc3339
from local.cloud.durations import seconds
from local.cloud.pubsub import filters
from local.cloud.pubsub.replay import Replay
from local.cloud.store import Store

_SCHEMA = """
create table if not exists pubsub_messages (
  id integer primary key autoincrement,
  body text not null,
  published integer not null
);
create table if not exists pubsub_deliveries (
  subscription text not null,
  message integer not null,
  ordering_key text not null,
  attempts integer not null,
  due integer not null,
  ack_id text not null,
  acked integer not null,
  primary key (subscription, message)
) without rowid;
create index if not exists pubsub_by_ack on pubsub_deliveries (subscription, ack_id);
create index if not exists pubsub_by_message on pubsub_deliveries (message);
"""
_SECOND = 1_000_000  # times are kept in microseconds
_MOST_KEPT = 31 * 86_400 * _SECOND


class Delivery:
    """`may_forward(subscription, topic)`: whether Pub/Sub's own account may publish its dead letters there."""

    def __init__(self, store: Store, clock: Clock, may_forward: Callable[[str, str], bool] = lambda *_: True) -> None:
        self._may_forward = may_forward
        self._store = store
        self._clock = clock
        store.script(_SCHEMA)
        self.replay = Replay(store)

    def publish(self, topic: dict[str, Any], messages: list[dict[str, Any]]) -> list[str]:
        """Keep messages for each subscription on a topic whose filter they pass; their ids."""
        now, holders = self._clock.micros(), self.replay.holders(topic)
        subscriptions = [each for _, each in self._store.list("pubsub.subscriptions") if each["topic"] == topic["name"]]
        wanted = [(each["name"], filters.compiled(each.get("filter", ""))) for each in subscriptions if _live(each)]
        with self._store.transaction():
            return [self._publish(message, now, wanted, holders) for message in messages]

    def pull(self, subscription: dict[str, Any], most: int) -> list[dict[str, Any]]:
        """Lease the messages that are due, oldest first, as ReceivedMessage."""
        now, name = self._clock.micros(), subscription["name"]
        oldest = now - int((seconds(subscription["messageRetentionDuration"]) or 0) * _SECOND)
        statement = (
            "select d.message, m.body, d.attempts, d.ordering_key, d.due, d.ack_id from pubsub_deliveries d "
            "join pubsub_messages m on m.id = d.message "
            "where d.subscription = ? and d.acked = 0 and d.due <= ? and m.published >= ? order by d.message"
        )
        received: list[dict[str, Any]] = []
        blocked = self._blocked_keys(subscription, now)
        with self._store.transaction():
            for message, body, attempts, key, due, ack_id in self._store.query(statement, (name, now, oldest)):
                if len(received) == most:
                    break
                expired_lately = ack_id and due + _backoff(subscription, attempts) > now
                if expired_lately or (key and key in blocked):
                    continue
                if self._dead(subscription, message, json.loads(body), attempts):
                    continue
                received.append(self._lease(subscription, message, json.loads(body), attempts, now))
        return received

    def acknowledge(self, subscription: dict[str, Any], ack_ids: list[str]) -> None:
        """Acknowledgements that come too late, or twice, do nothing."""
        name, now = subscription["name"], self._clock.micros()
        with self._store.transaction():
            for ack_id in ack_ids:
                where = "where subscription = ? and ack_id = ? and due > ?"
                if subscription.get("retainAckedMessages"):
                    self._store.execute(f"update pubsub_deliveries set acked = 1 {where}", (name, ack_id, now))  # noqa: S608
                else:
                    self._store.execute(f"delete from pubsub_deliveries {where}", (name, ack_id, now))  # noqa: S608

    def modify_deadline(self, subscription: dict[str, Any], ack_ids: list[str], length_seconds: int) -> None:
        """Extend leases; 0 gives the messages back, to be delivered again after the retry policy's backoff."""
        name, now = subscription["name"], self._clock.micros()
        with self._store.transaction():
            for ack_id in ack_ids:
                rows = self._store.query(
                    "select message, attempts from pubsub_deliveries "
                    "where subscription = ? and ack_id = ? and due > ? and acked = 0",
                    (name, ack_id, now),
                )
                for message, attempts in rows:
                    wait = length_seconds * _SECOND if length_seconds else _backoff(subscription, attempts)
                    self._store.execute(
                        "update pubsub_deliveries set due = ?, ack_id = case when ? then ack_id else '' end "
                        "where subscription = ? and message = ?",
                        (now + wait, length_seconds, name, message),
                    )

    def forget(self, subscription: str) -> None:
        self._store.execute("delete from pubsub_deliveries where subscription = ?", (subscription,))

    def sweep(self) -> None:
        """Drop messages that no subscription can keep any longer, and those that none waits for."""
        old = "select id from pubsub_messages where published < ?"
        waiting = "select 1 from pubsub_deliveries d where d.message = pubsub_messages.id"
        kept = "select 1 from pubsub_kept k where k.message = pubsub_messages.id"
        with self._store.transaction():
            for _, topic in self._store.list("pubsub.topics"):
                self.replay.forget_older(topic, self._clock.micros())
            oldest = self._clock.micros() - _MOST_KEPT
            self._store.execute(f"delete from pubsub_deliveries where message in ({old})", (oldest,))  # noqa: S608
            unwanted = f"not exists ({waiting}) and not exists ({kept})"
            self._store.execute(f"delete from pubsub_messages where {unwanted}")  # noqa: S608

    def _publish(
        self, message: dict[str, Any], now: int, wanted: list[tuple[str, filters.Predicate]], holders: list[str]
    ) -> str:
        fields = ("data", "attributes", "orderingKey")
        body = {key: message[key] for key in fields if message.get(key)}
        self._store.execute(
            "insert into pubsub_messages (body, published) values (?, ?)", (json.dumps(body, ensure_ascii=False), now)
        )
        number = self._store.query("select last_insert_rowid()")[0][0]
        self.replay.keep(holders, number)
        for name, selects in wanted:
            if selects(body.get("attributes", {})):
                self._store.execute(
                    "insert into pubsub_deliveries values (?, ?, ?, 0, 0, '', 0)",
                    (name, number, body.get("orderingKey", "")),
                )
        return str(number)

    def _lease(
        self, subscription: dict[str, Any], message: int, body: dict[str, Any], attempts: int, now: int
    ) -> dict[str, Any]:
        ack_id = secrets.token_urlsafe(24)
        self._store.execute(
            "update pubsub_deliveries set attempts = ?, due = ?, ack_id = ? where subscription = ? and message = ?",
            (attempts + 1, now + subscription["ackDeadlineSeconds"] * _SECOND, ack_id, subscription["name"], message),
        )
        shown = {
            "ackId": ack_id,
            "message": {**body, "messageId": str(message), "publishTime": self._published(message)},
        }
        return shown | ({"deliveryAttempt": attempts + 1} if subscription.get("deadLetterPolicy") else {})

    def _published(self, message: int) -> str:
        at = self._store.query("select published from pubsub_messages where id = ?", (message,))[0][0]
        return rfc3339(_moment(at))

    def _dead(self, subscription: dict[str, Any], message: int, body: dict[str, Any], attempts: int) -> bool:
        """Whether the message has been tried often enough: then it goes to the dead letters' topic."""
        policy = subscription.get("deadLetterPolicy")
        topic = policy and self._store.get("pubsub.topics", policy["deadLetterTopic"])
        if not policy or not topic or attempts < policy["maxDeliveryAttempts"]:
            return False
        if not self._may_forward(subscription["name"], topic["name"]):
            return False
        _, project, _, short = subscription["name"].split("/")
        source = {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(attempts),
            "CloudPubSubDeadLetterSourceSubscription": short,
            "CloudPubSubDeadLetterSourceSubscriptionProject": project,
            "CloudPubSubDeadLetterSourceTopicPublishTime": self._published(message),
        }
        self.publish(topic, [body | {"attributes": body.get("attributes", {}) | source}])
        self._store.execute(
            "delete from pubsub_deliveries where subscription = ? and message = ?", (subscription["name"], message)
        )
        return True

    def _blocked_keys(self, subscription: dict[str, Any], now: int) -> set[str]:
        """Ordering keys with a message that is leased: the next waits for its acknowledgement."""
        if not subscription.get("enableMessageOrdering"):
            return set()
        rows = self._store.query(
            "select distinct ordering_key from pubsub_deliveries where subscription = ? and acked = 0 and due > ?",
            (subscription["name"], now),
        )
        return {row[0] for row in rows}


def _live(subscription: dict[str, Any]) -> bool:
    return not subscription.get("detached")


def _backoff(subscription: dict[str, Any], attempts: int) -> int:
    """Microseconds until a message that was given back is due again; none without a retry policy."""
    policy = subscription.get("retryPolicy")
    if not policy:
        return 0
    least = seconds(policy.get("minimumBackoff")) or 10
    most = seconds(policy.get("maximumBackoff")) or 600
    return int(min(least * 2 ** max(attempts - 1, 0), most) * _SECOND)


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
