"""Alert policies.

Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.durations import seconds
from local.cloud.monitoring.numbered import Numbered, new_number
from local.cloud.validation import Violations

_COMBINERS = ("AND", "OR", "AND_WITH_MATCHING_RESOURCE")
_COMPARISONS = ("COMPARISON_GT", "COMPARISON_LT")
_KINDS = (
    *("conditionThreshold", "conditionAbsent", "conditionMatchedLog", "conditionMonitoringQueryLanguage"),
    *("conditionPrometheusQueryLanguage", "conditionSql"),
)
_MOST_CONDITIONS = 6


class AlertPolicies(Numbered):
    kind = "monitoring.alertPolicies"
    collection = "alertPolicies"
    message = "google.monitoring.v3.AlertPolicy"
    output = ("name", "creationRecord", "mutationRecord", "validity")

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        found.unless(body.get("displayName"), "displayName", "is required")
        found.unless(len(body.get("displayName") or "") <= 512, "displayName", "has more than 512 characters")
        found.one_of(_COMBINERS, body.get("combiner"), "combiner")
        found.labels(body.get("userLabels"), "userLabels")
        conditions = body.get("conditions") or []
        rule = f"{len(conditions)} conditions: from 1 to {_MOST_CONDITIONS} are required"
        found.unless(1 <= len(conditions) <= _MOST_CONDITIONS, "conditions", rule)
        for index, condition in enumerate(conditions):
            _check_condition(found, condition, f"conditions[{index}]")
        for index, channel in enumerate(body.get("notificationChannels") or []):
            self._check_channel(found, channel, f"notificationChannels[{index}]")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._named_conditions({"name": name, "enabled": True, **body})

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return self._named_conditions(new)

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        mutation = self.mutation(call)
        return {"creationRecord": mutation} | resource | {"mutationRecord": mutation}

    def _named_conditions(self, policy: dict[str, Any]) -> dict[str, Any]:
        name = policy["name"]
        conditions = [{"name": f"{name}/conditions/{new_number()}", **each} for each in policy["conditions"]]
        return policy | {"conditions": conditions}

    def _check_channel(self, found: Violations, channel: Any, where: str) -> None:
        name = self.cloud.projects.with_id(str(channel))
        exists = self.store.get("monitoring.notificationChannels", name) is not None
        found.unless(exists, where, f"{channel!r} is no notification channel")


def _check_condition(found: Violations, condition: dict[str, Any], where: str) -> None:
    found.unless(condition.get("displayName"), f"{where}.displayName", "is required")
    kinds = [kind for kind in _KINDS if kind in condition]
    found.unless(len(kinds) == 1, where, f"exactly one of {', '.join(_KINDS)} is required")
    if kinds == ["conditionThreshold"]:
        threshold, at = condition["conditionThreshold"], f"{where}.conditionThreshold"
        _check_filter(found, threshold.get("filter"), f"{at}.filter")
        found.one_of(_COMPARISONS, threshold.get("comparison"), f"{at}.comparison")
        _check_minutes(found, threshold.get("duration") or "0s", f"{at}.duration", least=0)
        for index, aggregation in enumerate(threshold.get("aggregations") or []):
            period = aggregation.get("alignmentPeriod") or "60s"
            _check_minutes(found, period, f"{at}.aggregations[{index}].alignmentPeriod", least=60)
    if kinds == ["conditionAbsent"]:
        absent, at = condition["conditionAbsent"], f"{where}.conditionAbsent"
        _check_filter(found, absent.get("filter"), f"{at}.filter")
        _check_minutes(found, absent.get("duration"), f"{at}.duration", least=120)


def _check_filter(found: Violations, text: Any, where: str) -> None:
    """A filter names the metric and the resource's type."""
    named = isinstance(text, str) and "metric.type" in text and "resource.type" in text
    found.unless(named, where, f"{text!r} does not name both metric.type and resource.type")


def _check_minutes(found: Violations, value: Any, where: str, *, least: int) -> None:
    length = seconds(value)
    good = length is not None and length >= least and length % 60 == 0
    found.unless(good, where, f"{value!r} is not a duration of whole minutes from {least}s, as in '300s'")
