"""Pub/Sub topics and subscriptions, and who may use them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.iam import CONDITION_FIELDS, RestIamMember
from engine.gcp.resource import Call, RestType
from engine.values import Properties


class Topic(RestType):
    """A topic. An update sends it wrapped, beside its mask."""

    type_name = "gcp:pubsub/topic:Topic"
    noun = "Topic"
    service = "PUBSUB"
    services = {"PUBSUB"}
    identity = "projects/{project}/topics/{name}"
    collection = "projects/{project}/topics"
    create_method = "PUT"
    waits = frozenset()
    table = """
    deletionPolicy str kept api=-
    effectiveLabels map out api=labels sent
    ingestionDataSourceSettings raw
    kmsKeyName str
    labels map api=-
    messageRetentionDuration str
    messageStoragePolicy obj kept
      allowedPersistenceRegions strset required
      enforceInTransit bool
    messageTransforms objs
      aiInference raw
      disabled bool default=false
      javascriptUdf obj
        code str required
        functionName str required
    name str required replace auto api=- same=last-segment
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    schemaSettings obj
      encoding str default="ENCODING_UNSPECIFIED" check=in:ENCODING_UNSPECIFIED,JSON,BINARY
      firstRevisionId str
      lastRevisionId str
      schema str required
    tags map replace unread
    """

    def update_body(self, plan: Properties) -> dict[str, Any]:
        return {"topic": super().update_body(plan)}


class Subscription(RestType):
    """A subscription. Its topic, filter and ordering stay as they were created."""

    type_name = "gcp:pubsub/subscription:Subscription"
    noun = "Subscription"
    service = "PUBSUB"
    services = {"PUBSUB"}
    identity = "projects/{project}/subscriptions/{name}"
    collection = "projects/{project}/subscriptions"
    create_method = "PUT"
    create_only = {"topic", "filter", "enableMessageOrdering"}
    waits = frozenset()
    table = """
    ackDeadlineSeconds int kept
    bigqueryConfig obj not_with=cloudStorageConfig,pushConfig
      dropUnknownFields bool
      serviceAccountEmail str
      table str required
      useTableSchema bool
      useTopicSchema bool
      writeMetadata bool
    cloudStorageConfig obj not_with=bigqueryConfig,pushConfig
      avroConfig obj
        useTopicSchema bool
        writeMetadata bool
      bucket str required
      filenameDatetimeFormat str
      filenamePrefix str
      filenameSuffix str
      maxBytes int
      maxDuration str default="300s"
      maxMessages int
      serviceAccountEmail str
      state str out
      textConfig obj kept sent
        state str out
    deadLetterPolicy obj
      deadLetterTopic str
      maxDeliveryAttempts int
    deletionPolicy str kept api=-
    effectiveLabels map out api=labels sent
    enableExactlyOnceDelivery bool
    enableMessageOrdering bool replace
    expirationPolicy obj kept sent
      ttl str required
    filter str replace
    labels map api=-
    messageRetentionDuration str default="604800s"
    messageTransforms objs
      aiInference raw
      disabled bool default=false
      javascriptUdf obj
        code str required
        functionName str required
    name str required replace auto api=-
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    pushConfig obj not_with=bigqueryConfig,cloudStorageConfig
      attributes map
      noWrapper obj
        writeMetadata bool required
      oidcToken obj
        audience str
        serviceAccountEmail str required
      pushEndpoint str required
    retainAckedMessages bool
    retryPolicy obj
      maximumBackoff str kept same=seconds
      minimumBackoff str kept same=seconds
    tags map replace unread
    topic str required replace same=last-segment
    """

    def body(self, plan: Properties) -> dict[str, Any]:
        """A short topic name means one of the same project."""
        body = super().body(plan)
        if "/" not in str(plan["topic"]):
            body["topic"] = f"projects/{plan['project']}/topics/{plan['topic']}"
        return body

    def update_body(self, plan: Properties) -> dict[str, Any]:
        return {"subscription": super().update_body(plan)}

    def mask(self, prior: Properties, plan: Properties) -> list[str]:
        """The provider names `bigqueryConfig` in every mask."""
        mask = super().mask(prior, plan)
        return sorted({*mask, "bigqueryConfig"}) if mask else []

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        if not answer.get("pushConfig"):
            outputs["pushConfig"] = None
        if answer.get("expirationPolicy") is None:
            outputs["expirationPolicy"] = None


class TopicIAMMember(RestIamMember):
    type_name = "gcp:pubsub/topicIAMMember:TopicIAMMember"
    service = "PUBSUB"
    services = {"PUBSUB"}
    named = "topic"
    holder = "projects/{project}/topics/{topic}"
    table = (
        """
    project str kept replace
    topic str required replace same=last-segment
"""
        + CONDITION_FIELDS
    )


class SubscriptionIAMMember(RestIamMember):
    """Its state holds the subscription's short name, and its project only where the program gave one."""

    type_name = "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember"
    service = "PUBSUB"
    services = {"PUBSUB"}
    named = "subscription"
    holder = "projects/{project}/subscriptions/{subscription}"
    table = (
        """
    project str kept replace
    subscription str required replace same=last-segment
"""
        + CONDITION_FIELDS
    )

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        if prior is None:
            plan["project"] = inputs.get("project")

    def holder_of(self, values: Properties) -> str:
        if isinstance(values.get("id"), str):
            return values["id"].split(f"/{values['role']}/")[0]
        return super().holder_of(values)

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity, outputs = super().create(call, plan | {"project": plan["project"] or call.settings.project})
        return identity, outputs | {"project": plan["project"]}

    def _outputs(self, values: Properties, policy: dict[str, Any]) -> tuple[str, Properties]:
        identity, outputs = super()._outputs(values, policy)
        return identity, outputs | {"subscription": outputs["subscription"].rsplit("/", 1)[-1]}
