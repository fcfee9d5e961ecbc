"""Pub/Sub: topics, subscriptions and their snapshots, and messages that really travel from the one to the other.

Owns: the REST API v1 of them and the delivery of messages. Schemas do not exist here, and messages for a subscription
that exports to BigQuery or Cloud Storage wait as those of a pull subscription do.
Source: https://cloud.google.com/pubsub/docs/reference/rest
"""

from typing import TYPE_CHECKING

from local.cloud.identity import Principal
from local.cloud.pubsub.delivery import Delivery
from local.cloud.pubsub.push import Push
from local.cloud.pubsub.snapshots import Snapshots
from local.cloud.pubsub.subscriptions import Subscriptions
from local.cloud.pubsub.topics import Topics
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_SWEEP_SECONDS = 60.0


class PubSub:
    """`topics` is how other services publish."""

    def __init__(self, cloud: "Cloud") -> None:
        delivery = Delivery(cloud.store, cloud.clock, self._may_forward)
        self._cloud = cloud
        self.topics = Topics(cloud, delivery)
        self.subscriptions = Subscriptions(cloud, delivery)
        self.snapshots = Snapshots(cloud, delivery.replay, self.subscriptions)
        push = Push(cloud, delivery, self.subscriptions)
        cloud.on_start.append(push.start)
        cloud.on_start.append(lambda: cloud.background.every(_SWEEP_SECONDS, self.snapshots.sweep, "pubsub-snapshots"))

    def _may_forward(self, subscription: str, topic: str) -> bool:
        """Source: https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions"""
        number = self._cloud.projects.number_of(subscription.split("/")[1])
        agent = Principal(f"service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com")
        return self._cloud.access.tolerates(agent, "pubsub.topics.publish", topic)

    def services(self) -> list[Service]:
        routes = [*self.topics.routes(), *self.subscriptions.routes(), *self.snapshots.routes()]
        return [Service("pubsub", routes, prefixes=("/pubsub",))]
