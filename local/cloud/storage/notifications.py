"""Pub/Sub notifications of what happens to a bucket's objects.

Owns: their configurations and the messages. Does not own: delivery (pubsub/), or the changes themselves, which it is
told of after they are acknowledged.
Sources: https://cloud.google.com/storage/docs/json_api/v1/notifications and
https://cloud.google.com/storage/docs/pubsub-notifications
"""

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call, Response, no_content
from local.cloud.errors import ApiError, invalid_argument, not_found
from local.cloud.routing import Route
from local.cloud.storage.records import Record
from local.cloud.storage.resource import object_resource
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "storage.notification"
_TOPIC = re.compile(r"(?://pubsub\.googleapis\.com/)?(projects/[^/]+/topics/[^/]+)")
_EVENTS = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
_FORMATS = ("JSON_API_V1", "NONE")
_MOST = 100


def notification_routes(cloud: "Cloud") -> list[Route]:
    notifications = Notifications(cloud)
    cloud.objects.listeners.append(notifications.tell)
    base = "/b/{bucket}/notificationConfigs"
    return [
        Route("POST", base, notifications.insert, "storage.buckets.update"),
        Route("GET", base, notifications.list, "storage.buckets.get"),
        Route("GET", f"{base}/{{notification}}", notifications.get, "storage.buckets.get"),
        Route("DELETE", f"{base}/{{notification}}", notifications.delete, "storage.buckets.update"),
    ]


class Notifications:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def insert(self, call: Call) -> dict[str, Any]:
        bucket, body = self._cloud.objects.buckets.get(call.params["bucket"]), call.object()
        found = Violations()
        topic = _TOPIC.fullmatch(str(body.get("topic") or ""))
        found.unless(topic, "topic", f"{body.get('topic')!r} is not //pubsub.googleapis.com/projects/P/topics/T")
        found.one_of(_FORMATS, body.get("payload_format") or _FORMATS[0], "payload_format")
        for event in body.get("event_types") or []:
            found.one_of(_EVENTS, event, "event_types")
        found.refuse()
        name = self._cloud.projects.with_id(topic.group(1)) if topic else ""
        if self._store.get("pubsub.topics", name) is None:
            raise invalid_argument([("topic", f"Cloud Pub/Sub topic {name} not found")])
        with self._store.transaction():
            held = [int(each["id"]) for _, each in self._of(bucket)]
            if len(held) >= _MOST:
                raise ApiError(400, f"{bucket['name']} has {_MOST} notifications, the most", reason="invalid")
            kept = {
                key: body[key] for key in ("event_types", "custom_attributes", "object_name_prefix") if body.get(key)
            }
            config = {"id": str(max(held, default=0) + 1), "topic": f"//pubsub.googleapis.com/{name}", **kept}
            config["payload_format"] = body.get("payload_format") or _FORMATS[0]
            self._store.put(_KIND, f"{_parent(bucket)}/{config['id']}", config, parent=_parent(bucket))
        return _shown(bucket["name"], config)

    def list(self, call: Call) -> dict[str, Any]:
        bucket = self._cloud.objects.buckets.get(call.params["bucket"])
        items = [_shown(bucket["name"], config) for _, config in self._of(bucket)]
        return {"kind": "storage#notifications"} | ({"items": items} if items else {})

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(call.params["bucket"], self._named(call)[1])

    def delete(self, call: Call) -> Response:
        self._store.delete(_KIND, self._named(call)[0])
        return no_content()

    def tell(self, event: str, record: Record) -> None:
        """Publish to whoever wants to know. A topic that is gone loses the message, as there."""
        bucket = self._cloud.objects.buckets.get(record.bucket)
        for _, config in self._of(bucket):
            wanted = config.get("event_types") or _EVENTS
            if event not in wanted or not record.name.startswith(config.get("object_name_prefix", "")):
                continue
            try:
                self._cloud.pubsub.topics.publish(
                    config["topic"].removeprefix("//pubsub.googleapis.com/"), [self._message(event, record, config)]
                )
            except ApiError:
                continue

    def _message(self, event: str, record: Record, config: dict[str, Any]) -> dict[str, Any]:
        told = {
            "notificationConfig": f"projects/_/buckets/{record.bucket}/notificationConfigs/{config['id']}",
            "eventType": event,
            "payloadFormat": config["payload_format"],
            "bucketId": record.bucket,
            "objectId": record.name,
            "objectGeneration": str(record.generation),
            "eventTime": self._cloud.clock.timestamp(),
        }
        message: dict[str, Any] = {"attributes": {**(config.get("custom_attributes") or {}), **told}}
        if config["payload_format"] == _FORMATS[0]:
            payload = json.dumps(object_resource(record, self._cloud.url)).encode()
            message["data"] = base64.b64encode(payload).decode()
        return message

    def _of(self, bucket: dict[str, Any]) -> "list[tuple[str, dict[str, Any]]]":
        return self._store.list(_KIND, _parent(bucket))

    def _named(self, call: Call) -> tuple[str, dict[str, Any]]:
        bucket = self._cloud.objects.buckets.get(call.params["bucket"])
        name = f"{_parent(bucket)}/{call.params['notification']}"
        config = self._store.get(_KIND, name)
        if config is None:
            raise not_found(f"Notification {call.params['notification']} of {bucket['name']} was not found.")
        return name, config


def _parent(bucket: dict[str, Any]) -> str:
    """A bucket and its generation: one that is made anew does not inherit."""
    return f"{bucket['name']}#{bucket['generation']}"


def _shown(bucket: str, config: dict[str, Any]) -> dict[str, Any]:
    link = f"https://www.googleapis.com/storage/v1/b/{bucket}/notificationConfigs/{config['id']}"
    return {"kind": "storage#notification", "selfLink": link, **config, "etag": config["id"]}
