"""Subscriptions, and what subscribers do: pull, acknowledge, extend, seek.

Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
"""

import time
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.clock import micros, parse_rfc3339
from local.cloud.errors import failed_precondition, invalid_argument, not_found
from local.cloud.iam.enforcement import act_as
from local.cloud.messages import MESSAGES
from local.cloud.pubsub import rules
from local.cloud.pubsub.collection import PubSubResources
from local.cloud.pubsub.delivery import Delivery
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_TOPICS, _SNAPSHOTS = "pubsub.topics", "pubsub.snapshots"
_PULL_SECONDS = 5.0
_MOST_AT_ONCE = 65_536
_DEFAULTS: dict[str, Any] = {
    "ackDeadlineSeconds": 10,
    "messageRetentionDuration": "604800s",
    "expirationPolicy": {"ttl": "2678400s"},
    "pushConfig": {},
}
_FIXED = ("topic", "enableMessageOrdering", "filter")


class Subscriptions(PubSubResources):
    kind = "pubsub.subscriptions"
    parent = "projects/*"
    collection = "subscriptions"
    wrapper = "subscription"
    output = ("name", "state", "topicMessageRetentionDuration", "analyticsHubSubscriptionInfo")
    immutable = _FIXED
    policies_by = "GET"
    message = "google.pubsub.v1.Subscription"

    def __init__(self, cloud: "Cloud", delivery: Delivery) -> None:
        super().__init__(cloud)
        self._delivery = delivery

    def routes(self) -> list[Route]:
        subscription = "/v1/{subscription=projects/*/subscriptions/*}"
        consume = "pubsub.subscriptions.consume"
        return [
            *super().routes(),
            Route("POST", f"{subscription}:pull", self._pull, consume),
            Route("POST", f"{subscription}:acknowledge", self._acknowledge, consume),
            Route("POST", f"{subscription}:modifyAckDeadline", self._modify_deadline, consume),
            Route("POST", f"{subscription}:modifyPushConfig", self._modify_push, "pubsub.subscriptions.update"),
            Route("POST", f"{subscription}:seek", self._seek, consume),
            Route("POST", f"{subscription}:detach", self._detach),
        ]

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        self._may_push_as(call, resource.get("pushConfig"))
        return resource

    def _may_push_as(self, call: Call, push: dict[str, Any] | None) -> None:
        """Pushes that carry an account's token need a caller who may act as it."""
        act_as(self.cloud, call.caller, ((push or {}).get("oidcToken") or {}).get("serviceAccountEmail", ""))

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rules.check_subscription(found, resource_id, body)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **_with_defaults(body), "state": "ACTIVE"}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return _with_defaults(new)

    def show(self, resource: dict[str, Any]) -> dict[str, Any]:
        """With its topic's own retention, where it has one."""
        topic = self.store.get(_TOPICS, resource["topic"]) or {}
        kept = topic.get("messageRetentionDuration")
        return resource | ({"topicMessageRetentionDuration": kept} if kept else {})

    def removed(self, resource: dict[str, Any]) -> None:
        self._delivery.forget(resource["name"])

    def put(self, call: Call) -> dict[str, Any]:
        given = dict(self.body(call))
        parent, short = self.new_name(call)
        if isinstance(given.get("topic"), str):
            given["topic"] = self.cloud.projects.with_id(given["topic"])
            if given["topic"].startswith("projects/"):
                call.require("pubsub.topics.attachSubscription", given["topic"])
            if given["topic"].startswith("projects/") and not self.store.get(_TOPICS, given["topic"]):
                raise not_found(f"Resource not found (resource={given['topic'].rsplit('/', 1)[-1]}).")
        return self.make(call, parent, short, given)

    def _pull(self, call: Call) -> dict[str, Any]:
        """Waits a while for a first message, unless told to return immediately."""
        subscription, body = self._attached(call), _request(call, "Pull")
        most = body.get("maxMessages", 0)
        if not 1 <= most <= _MOST_AT_ONCE:
            raise invalid_argument([("maxMessages", f"{most} is not a number from 1 to {_MOST_AT_ONCE}")])
        deadline = time.monotonic() + (0 if body.get("returnImmediately") else _PULL_SECONDS)
        received = self._delivery.pull(subscription, most)
        while not received and time.monotonic() < deadline and not self.cloud.background.stopping.wait(0.05):
            received = self._delivery.pull(subscription, most)
        return {"receivedMessages": received} if received else {}

    def _acknowledge(self, call: Call) -> dict[str, Any]:
        self._delivery.acknowledge(self._attached(call), _ack_ids(_request(call, "Acknowledge")))
        return {}

    def _modify_deadline(self, call: Call) -> dict[str, Any]:
        body = _request(call, "ModifyAckDeadline")
        length = body.get("ackDeadlineSeconds", 0)
        if not 0 <= length <= 600:
            raise invalid_argument([("ackDeadlineSeconds", f"{length} is not a number of seconds from 0 to 600")])
        self._delivery.modify_deadline(self._attached(call), _ack_ids(body), length)
        return {}

    def _modify_push(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            subscription = self.named(call.params["subscription"])
            changed = subscription | {"pushConfig": _request(call, "ModifyPushConfig").get("pushConfig") or {}}
            self._may_push_as(call, changed["pushConfig"])
            found = Violations()
            self.check(found, subscription["name"].rsplit("/", 1)[-1], changed)
            found.refuse()
            self.keep(changed)
        return {}

    def _seek(self, call: Call) -> dict[str, Any]:
        subscription, body = self._attached(call), _request(call, "Seek")
        if body.get("snapshot"):
            self._seek_snapshot(call, subscription, self.cloud.projects.with_id(body["snapshot"]))
            return {}
        try:
            moment = parse_rfc3339(body.get("time") or "")
        except ValueError:
            raise invalid_argument([("time", f"{body.get('time')!r} is not an RFC 3339 time")]) from None
        self._delivery.replay.seek_time(subscription, micros(moment))
        return {}

    def _seek_snapshot(self, call: Call, subscription: dict[str, Any], name: str) -> None:
        call.require("pubsub.snapshots.seek", name)
        snapshot = self.store.get(_SNAPSHOTS, name)
        if snapshot is None or parse_rfc3339(snapshot["expireTime"]) <= self.cloud.clock.now():
            raise not_found(f"Resource not found (resource={name.rsplit('/', 1)[-1]}).")
        if snapshot["topic"] != subscription["topic"]:
            rule = f"is of topic {snapshot['topic']}, the subscription of {subscription['topic']}"
            raise invalid_argument([("snapshot", f"{name} {rule}")])
        self._delivery.replay.seek_snapshot(subscription, name)

    def _detach(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            subscription = self.named(call.params["subscription"])
            call.require("pubsub.topics.detachSubscription", subscription["topic"])
            self._delivery.forget(subscription["name"])
            self.keep(subscription | {"detached": True})
        return {}

    def _attached(self, call: Call) -> dict[str, Any]:
        subscription = self.named(call.params["subscription"])
        if subscription.get("detached"):
            raise failed_precondition(
                f"Subscription {subscription['name']} is detached from its topic: create a new one"
            )
        return subscription


def _with_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """What an unset field of a subscription stands for; 0 is unset, as for protos."""
    filled = {**_DEFAULTS, **{key: value for key, value in body.items() if value not in (None, 0)}}
    policy = filled.get("deadLetterPolicy")
    if policy and not policy.get("maxDeliveryAttempts"):
        filled["deadLetterPolicy"] = policy | {"maxDeliveryAttempts": 5}
    return filled


def _request(call: Call, name: str) -> dict[str, Any]:
    return MESSAGES.canonical(f"google.pubsub.v1.{name}Request", call.object(), "request")


def _ack_ids(body: dict[str, Any]) -> list[str]:
    if not body.get("ackIds"):
        raise invalid_argument([("ackIds", "at least one is required")])
    return body["ackIds"]
