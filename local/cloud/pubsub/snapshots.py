"""Snapshots of subscriptions: what they had not acknowledged at a moment.

Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.snapshots
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import failed_precondition, invalid_argument, not_found
from local.cloud.messages import MESSAGES
from local.cloud.paging import page_of
from local.cloud.pubsub import rules
from local.cloud.pubsub.collection import PubSubResources
from local.cloud.pubsub.replay import Replay
from local.cloud.pubsub.subscriptions import Subscriptions
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_LIFE = timedelta(days=7)
_LEAST_LIFE = timedelta(hours=1)


class Snapshots(PubSubResources):
    """A snapshot lives for 7 days, less the age of the oldest message in it."""

    kind = "pubsub.snapshots"
    parent = "projects/*"
    collection = "snapshots"
    wrapper = "snapshot"
    output = ("name",)
    immutable = ("topic",)
    policies_by = "GET"
    message = "google.pubsub.v1.Snapshot"

    def __init__(self, cloud: "Cloud", replay: Replay, subscriptions: Subscriptions) -> None:
        super().__init__(cloud)
        self._replay = replay
        self._subscriptions = subscriptions

    def routes(self) -> list[Route]:
        topic = "/v1/{topic=projects/*/topics/*}"
        return [
            *super().routes(),
            Route("GET", f"{topic}/snapshots", self._list_of_topic, "pubsub.topics.get"),
        ]

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rules.check_id(found, resource_id)
        found.labels(body.get("labels"))
        if "expireTime" in body and not _is_time(body["expireTime"]):
            found.add("expireTime", f"{body['expireTime']!r} is not an RFC 3339 time")

    def find(self, name: str) -> dict[str, Any] | None:
        """One that has expired is gone, though nothing has swept it."""
        found = super().find(name)
        return found if found and parse_rfc3339(found["expireTime"]) > self.cloud.clock.now() else None

    def removed(self, resource: dict[str, Any]) -> None:
        self._replay.forget(resource["name"])

    def sweep(self) -> None:
        """Remove those that have expired."""
        with self.store.transaction():
            for name, body in self.store.list(self.kind):
                if self.find(name) is None:
                    self.store.delete(self.kind, name)
                    self.cloud.policies.delete(name)
                    self.removed(body)

    def put(self, call: Call) -> dict[str, Any]:
        request = MESSAGES.canonical("google.pubsub.v1.CreateSnapshotRequest", call.object(), "request")
        if not request.get("subscription"):
            raise invalid_argument([("subscription", "is required")])
        wanted = self.cloud.projects.with_id(request["subscription"])
        call.require("pubsub.subscriptions.consume", wanted)
        with self.store.transaction():
            subscription = self._subscriptions.named(wanted)
            parent, short = self.new_name(call)
            self.sweep()
            body = {"topic": subscription["topic"], "expireTime": self._expiry(subscription)}
            labels = {"labels": request["labels"]} if request.get("labels") else {}
            answer = self.make(call, parent, short, body | labels)
            self._replay.take(call.params["name"], wanted)
        return answer

    def _expiry(self, subscription: dict[str, Any]) -> str:
        """Raises FAILED_PRECONDITION where the snapshot would live for less than an hour."""
        now = self.cloud.clock.now()
        oldest = self._replay.oldest_waiting(subscription["name"])
        age = timedelta(microseconds=max(self.cloud.clock.micros() - oldest, 0)) if oldest is not None else timedelta()
        if _LIFE - age < _LEAST_LIFE:
            raise failed_precondition(
                f"The oldest unacknowledged message of {subscription['name']} is {age} old: a snapshot would expire in "
                f"less than {_LEAST_LIFE}. Acknowledge it, or seek past it"
            )
        return rfc3339(now + _LIFE - age)

    def _list_of_topic(self, call: Call) -> dict[str, Any]:
        topic = self.cloud.projects.with_id(call.params["topic"])
        if self.store.get("pubsub.topics", topic) is None:
            raise not_found(f"Resource not found (resource={topic.rsplit('/', 1)[-1]}).")
        live = [(name, {"name": name}) for name, body in self.store.list(self.kind) if self._is_of(body, topic)]
        answer = page_of(call, "snapshots", live)
        return answer | {"snapshots": [each["name"] for each in answer.get("snapshots", [])]} if answer else {}

    def _is_of(self, body: dict[str, Any], topic: str) -> bool:
        return body["topic"] == topic and self.find(body["name"]) is not None


def _is_time(text: Any) -> bool:
    try:
        parse_rfc3339(text)
    except (TypeError, ValueError):
        return False
    return True
