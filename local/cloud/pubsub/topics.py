"""Topics, and publishing to them.

Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics
"""

from typing import TYPE_CHECKING, Any

from local.cloud.bytes_fields import from_base64
from local.cloud.call import Call
from local.cloud.errors import invalid_argument
from local.cloud.messages import MESSAGES
from local.cloud.paging import page_of
from local.cloud.pubsub import rules
from local.cloud.pubsub.collection import PubSubResources
from local.cloud.pubsub.delivery import Delivery
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_SUBSCRIPTIONS, _SNAPSHOTS = "pubsub.subscriptions", "pubsub.snapshots"
_DELETED = "_deleted-topic_"
_MOST_BYTES = 10 * 1000 * 1000
_MOST_MESSAGES = 1000


class Topics(PubSubResources):
    kind = "pubsub.topics"
    parent = "projects/*"
    collection = "topics"
    wrapper = "topic"
    output = ("name", "state", "satisfiesPzs")
    immutable = ("kmsKeyName",)
    policies_by = "GET"
    message = "google.pubsub.v1.Topic"

    def __init__(self, cloud: "Cloud", delivery: Delivery) -> None:
        super().__init__(cloud)
        self._delivery = delivery

    def publish(self, topic: str, messages: list[dict[str, Any]]) -> list[str]:
        """The ids of messages `{data, attributes, orderingKey}` (data in base64), kept for every subscription."""
        return self._delivery.publish(self.named(topic), messages)

    def routes(self) -> list[Route]:
        topic = "/v1/{topic=projects/*/topics/*}"
        return [
            *super().routes(),
            Route("POST", f"{topic}:publish", self._publish, "pubsub.topics.publish"),
            Route("GET", f"{topic}/subscriptions", self._list_subscriptions, "pubsub.topics.attachSubscription"),
        ]

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        rules.check_topic(found, resource_id, body)

    def removed(self, resource: dict[str, Any]) -> None:
        """Its subscriptions and snapshots stay and keep what they hold."""
        self._delivery.replay.forget(resource["name"])
        for kind in (_SUBSCRIPTIONS, _SNAPSHOTS):
            for name, body in self.store.list(kind):
                if body["topic"] == resource["name"]:
                    self.store.put(kind, name, body | {"topic": _DELETED})

    def _publish(self, call: Call) -> dict[str, Any]:
        body = MESSAGES.canonical("google.pubsub.v1.PublishRequest", call.object(), "request")
        check_messages(body.get("messages"))
        return {"messageIds": self.publish(call.params["topic"], body["messages"])}

    def _list_subscriptions(self, call: Call) -> dict[str, Any]:
        topic = self.named(call.params["topic"])["name"]
        found = [(name, {"name": name}) for name, body in self.store.list(_SUBSCRIPTIONS) if body["topic"] == topic]
        answer = page_of(call, "subscriptions", found)
        return answer | {"subscriptions": [each["name"] for each in answer.get("subscriptions", [])]} if answer else {}


def check_messages(messages: Any) -> None:
    """Raises INVALID_ARGUMENT for messages that Pub/Sub would not take."""
    found = Violations()
    if not isinstance(messages, list) or not 1 <= len(messages) <= _MOST_MESSAGES:
        raise invalid_argument([("messages", f"from 1 to {_MOST_MESSAGES} messages are required")])
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        data, attributes = message.get("data") or "", message.get("attributes") or {}
        found.unless(data or attributes, where, "a message has data or at least one attribute")
        size = _size_of(data)
        found.unless(size is not None, f"{where}.data", "is not base64")
        found.unless((size or 0) <= _MOST_BYTES, f"{where}.data", f"{size} bytes are more than {_MOST_BYTES}")
        found.unless(len(attributes) <= 100, f"{where}.attributes", f"{len(attributes)} are more than 100")
        for key, value in attributes.items():
            good = isinstance(value, str) and 0 < len(key.encode()) <= 256 and len(value.encode()) <= 1024
            rule = "must be a string of at most 1024 bytes under a key of 1 to 256 that does not begin with 'goog'"
            found.unless(good and not key.startswith("goog"), f"{where}.attributes[{key!r}]", f"{value!r} {rule}")
    found.refuse()


def _size_of(data: str) -> int | None:
    try:
        return len(from_base64(data))
    except (ValueError, AttributeError):
        return None
