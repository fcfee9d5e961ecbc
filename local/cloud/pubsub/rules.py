"""What Pub/Sub accepts as a topic or a subscription.

Sources: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names and the reference pages of
projects.topics and projects.subscriptions (read 2026-11-24).
"""

from typing import Any

from local.cloud.durations import seconds
from local.cloud.pubsub import filters
from local.cloud.validation import Violations

# Google asks for 3 characters at least; programs that were seen to work elsewhere use fewer, and are let through.
_ID = r"(?!goog)[A-Za-z][\w.~+%-]{0,254}"
_ID_RULE = (
    "must begin with a letter, not with 'goog', and hold at most 255 letters, digits and characters of -_.~+%, as in"
    " 'drift-events'"
)
_TOPIC = r"projects/[^/]+/topics/[^/]+"
_SERVICE_ACCOUNT = r"[^@\s]+@[^@\s]+"
_DAY = 86_400


def check_id(found: Violations, short: str) -> None:
    found.matches(_ID, short, "name", _ID_RULE)


def check_topic(found: Violations, short: str, body: dict[str, Any]) -> None:
    check_id(found, short)
    found.labels(body.get("labels"))
    within_duration(found, body, "messageRetentionDuration", 600, 31 * _DAY)


def check_subscription(found: Violations, short: str, body: dict[str, Any]) -> None:
    check_id(found, short)
    if body.get("topic") != "_deleted-topic_":
        found.matches(_TOPIC, body.get("topic"), "topic", "is not projects/PROJECT/topics/TOPIC")
    found.labels(body.get("labels"))
    if body.get("ackDeadlineSeconds"):
        found.within(10, 600, body["ackDeadlineSeconds"], "ackDeadlineSeconds")
    within_duration(found, body, "messageRetentionDuration", 600, 31 * _DAY)
    within_duration(found, body.get("expirationPolicy") or {}, "ttl", _DAY, 1 << 40, at="expirationPolicy.")
    for key in ("minimumBackoff", "maximumBackoff"):
        within_duration(found, body.get("retryPolicy") or {}, key, 0, 600, at="retryPolicy.")
    _check_dead_letters(found, body.get("deadLetterPolicy"))
    _check_push(found, body.get("pushConfig") or {})
    text = body.get("filter") or ""
    found.unless(len(text.encode()) <= 256, "filter", f"{len(text.encode())} bytes are more than the 256 allowed")
    try:
        filters.compiled(text)
    except filters.FilterError as error:
        found.add("filter", str(error))


def within_duration(
    found: Violations, body: dict[str, Any], key: str, least: float, most: float, *, at: str = ""
) -> None:
    """A duration that is given must be one, and lie within the limits, which are in seconds."""
    if body.get(key) is None:
        return
    length = seconds(body[key])
    rule = f"is not a duration from {least:g}s to {most:g}s, as in '86400s'"
    found.unless(length is not None and least <= length <= most, f"{at}{key}", f"{body[key]!r} {rule}")


def _check_dead_letters(found: Violations, policy: dict[str, Any] | None) -> None:
    if not policy:
        return
    where = "deadLetterPolicy"
    found.matches(
        _TOPIC, policy.get("deadLetterTopic"), f"{where}.deadLetterTopic", "is not projects/PROJECT/topics/TOPIC"
    )
    if policy.get("maxDeliveryAttempts"):
        found.within(5, 100, policy["maxDeliveryAttempts"], f"{where}.maxDeliveryAttempts")


def _check_push(found: Violations, push: dict[str, Any]) -> None:
    if push.get("pushEndpoint"):
        rule = "is not an http:// or https:// URL"
        found.matches(r"https?://[^\s/]+(/\S*)?", push["pushEndpoint"], "pushConfig.pushEndpoint", rule)
    token = push.get("oidcToken") or {}
    if token:
        where = "pushConfig.oidcToken.serviceAccountEmail"
        found.matches(_SERVICE_ACCOUNT, token.get("serviceAccountEmail"), where, "is not a service account's e-mail")
