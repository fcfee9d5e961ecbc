"""Pushing: messages of a subscription with an endpoint are sent to it.

Owns: the loop. An answer of 102, 200, 201, 202 or 204 acknowledges a message; anything else gives it back.
Source: https://cloud.google.com/pubsub/docs/push
"""

import logging
from typing import TYPE_CHECKING, Any

from local.cloud.outbound import Outbound
from local.cloud.pubsub.delivery import Delivery
from local.cloud.pubsub.subscriptions import Subscriptions

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.5
_SWEEP_SECONDS = 60.0
_AT_ONCE = 20
_ACKNOWLEDGED = (102, 200, 201, 202, 204)


class Push:
    def __init__(self, cloud: "Cloud", delivery: Delivery, subscriptions: Subscriptions) -> None:
        self._cloud = cloud
        self._delivery = delivery
        self._subscriptions = subscriptions
        self._outbound = Outbound(cloud)

    def start(self) -> None:
        self._cloud.background.every(_TICK_SECONDS, self.push_due, "pubsub-push")
        self._cloud.background.every(_SWEEP_SECONDS, self._delivery.sweep, "pubsub-sweep")

    def push_due(self) -> None:
        """Send what is due of every subscription that pushes."""
        for _, subscription in self._cloud.store.list(self._subscriptions.kind):
            if (subscription.get("pushConfig") or {}).get("pushEndpoint") and not subscription.get("detached"):
                for received in self._delivery.pull(subscription, _AT_ONCE):
                    self._push(subscription, received)

    def _push(self, subscription: dict[str, Any], received: dict[str, Any]) -> None:
        config, message = subscription["pushConfig"], received["message"]
        both = message | {"message_id": message["messageId"], "publish_time": message["publishTime"]}
        body = {"message": both, "subscription": subscription["name"]}
        if "deliveryAttempt" in received:
            body["deliveryAttempt"] = received["deliveryAttempt"]
        account = (config.get("oidcToken") or {}).get("serviceAccountEmail", "")
        status, why = self._outbound.send("POST", config["pushEndpoint"], json_body=body, account=account)
        if status in _ACKNOWLEDGED:
            self._delivery.acknowledge(subscription, [received["ackId"]])
            return
        _LOG.info("push of %s to %s: %s", subscription["name"], config["pushEndpoint"], why or status)
        self._delivery.modify_deadline(subscription, [received["ackId"]], 0)
