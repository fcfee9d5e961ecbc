"""Notification channels and the kinds that there are.

Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.notificationChannels
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import failed_precondition, not_found
from local.cloud.monitoring.numbered import Numbered
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.validation import Violations

_LABELS = {  # of each type: the labels that it needs, and the secret ones
    "email": (("email_address",), ()),
    "google_chat": (("space",), ()),
    "pagerduty": ((), ("service_key",)),
    "pubsub": (("topic",), ()),
    "slack": (("channel_name",), ("auth_token",)),
    "sms": (("number",), ()),
    "webhook_basicauth": (("url", "username"), ("password",)),
    "webhook_tokenauth": (("url",), ()),
}
_PATTERNS = {
    "email_address": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "is not an e-mail address"),
    "topic": (r"projects/[^/]+/topics/[^/]+", "is not projects/PROJECT/topics/TOPIC"),
    "url": (r"https?://[^\s/]+(/\S*)?", "is not an http:// or https:// URL"),
}


class NotificationChannels(Numbered):
    kind = "monitoring.notificationChannels"
    collection = "notificationChannels"
    message = "google.monitoring.v3.NotificationChannel"
    output = ("name", "creationRecord", "mutationRecords", "verificationStatus")
    immutable = ("type",)

    def routes(self) -> list[Route]:
        descriptors = "/v3/{parent=projects/*}/notificationChannelDescriptors"
        one = "/v3/{name=projects/*/notificationChannelDescriptors/*}"
        may = "monitoring.notificationChannelDescriptors"
        return [
            *super().routes(),
            Route("GET", descriptors, self._list_descriptors, f"{may}.list"),
            Route("GET", one, self._get_descriptor, f"{may}.get"),
        ]

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        kind, labels = body.get("type"), body.get("labels") or {}
        found.one_of(tuple(_LABELS), kind, "type")
        public, secret = _LABELS.get(str(kind), ((), ()))
        for label in public:
            found.unless(labels.get(label), f"labels[{label!r}]", f"a channel of type {kind} needs it")
        for label, value in labels.items():
            known = not kind or kind not in _LABELS or label in (*public, *secret)
            found.unless(known, f"labels[{label!r}]", f"a channel of type {kind} has no label {label!r}")
            if label in _PATTERNS and known:
                pattern, rule = _PATTERNS[label]
                found.matches(pattern, value, f"labels[{label!r}]", rule)
        found.labels(body.get("userLabels"), "userLabels")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "enabled": True, **body}

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        mutation = self.mutation(call)
        records = [*resource.get("mutationRecords", []), mutation]
        return {"creationRecord": mutation} | resource | {"mutationRecords": records}

    def delete(self, call: Call) -> dict[str, Any]:
        """A channel that policies use is deleted by force alone, and leaves them."""
        with self.store.transaction():
            name = self.named(call.params["name"])["name"]
            policies = self.store.list("monitoring.alertPolicies", "/".join(name.split("/")[:2]))
            users = [(each, body) for each, body in policies if name in body.get("notificationChannels", [])]
            if users and not call.flag("force"):
                raise failed_precondition(f"{name} is used by {users[0][0]}: take it out, or delete with force=true")
            for each, body in users:
                left = [channel for channel in body["notificationChannels"] if channel != name]
                self.store.put("monitoring.alertPolicies", each, body | {"notificationChannels": left})
            return super().delete(call)

    def _list_descriptors(self, call: Call) -> dict[str, Any]:
        found = [(kind, _descriptor(call.params["parent"], kind)) for kind in sorted(_LABELS)]
        return page_of(call, "channelDescriptors", found)

    def _get_descriptor(self, call: Call) -> dict[str, Any]:
        parent, _, kind = call.params["name"].partition("/notificationChannelDescriptors/")
        if kind not in _LABELS:
            raise not_found(f"There is no notification channel type {kind!r}")
        return _descriptor(parent, kind)


def _descriptor(parent: str, kind: str) -> dict[str, Any]:
    labels = [{"key": key, "valueType": "STRING"} for part in _LABELS[kind] for key in part]
    return {"name": f"{parent}/notificationChannelDescriptors/{kind}", "type": kind, "labels": labels}
