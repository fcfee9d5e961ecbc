"""Billing budgets of an account. Nothing is billed here, so that none is ever exceeded.

Source: https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets
"""

import uuid
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.resources import Resources
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_TREATMENTS = ("INCLUDE_ALL_CREDITS", "EXCLUDE_ALL_CREDITS", "INCLUDE_SPECIFIED_CREDITS")
_PERIODS = ("MONTH", "QUARTER", "YEAR")
_BASES = ("CURRENT_SPEND", "FORECASTED_SPEND")


def budget_routes(cloud: "Cloud") -> list[Route]:
    return Budgets(cloud).routes()


class Budgets(Resources):
    kind = "billing.budgets"
    parent = "billingAccounts/*"
    collection = "budgets"
    message = "google.cloud.billing.budgets.v1.Budget"
    output = ("name", "etag")
    etag_form = "{}"
    whole_without_mask = True

    def new_id(self, call: Call, body: dict[str, Any]) -> str:  # noqa: ARG002
        return str(uuid.uuid4())

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        size = len(body.get("displayName") or "")
        found.unless(size <= 60, "displayName", f"{size} characters are more than the 60 allowed")
        _check_amount(found, body.get("amount") or {})
        _check_filter(found, body.get("budgetFilter") or {})
        for index, rule in enumerate(body.get("thresholdRules") or []):
            where = f"thresholdRules[{index}]"
            percent = rule.get("thresholdPercent")
            good = isinstance(percent, int | float) and not isinstance(percent, bool) and percent >= 0
            found.unless(good, f"{where}.thresholdPercent", f"{percent!r} is not a number of at least 0")
            found.one_of(_BASES, rule.get("spendBasis") or _BASES[0], f"{where}.spendBasis")
        _check_notifications(found, body.get("notificationsRule") or {})

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._completed({"name": name, **body})

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return self._completed(new)

    def _completed(self, budget: dict[str, Any]) -> dict[str, Any]:
        """Projects by number, a period and how credits count: what the API fills in."""
        wanted = dict(budget.get("budgetFilter") or {})
        if wanted.get("projects"):
            wanted["projects"] = [self.cloud.projects.with_number(name) for name in wanted["projects"]]
        if not wanted.get("customPeriod"):
            wanted.setdefault("calendarPeriod", "MONTH")
        wanted.setdefault("creditTypesTreatment", _TREATMENTS[0])
        rules = [{"spendBasis": _BASES[0], **rule} for rule in budget.get("thresholdRules") or []]
        return budget | {"budgetFilter": wanted} | ({"thresholdRules": rules} if rules else {})


def _check_amount(found: Violations, amount: dict[str, Any]) -> None:
    ways = [way for way in ("specifiedAmount", "lastPeriodAmount") if way in amount]
    found.unless(len(ways) == 1, "amount", "specifiedAmount or lastPeriodAmount is required, one of the two")
    money = amount.get("specifiedAmount") or {}
    if ways == ["specifiedAmount"]:
        units = as_int(money.get("units", 0))
        found.unless(
            units is not None and units >= 0, "amount.specifiedAmount.units", f"{money.get('units')!r} is no amount"
        )
        code = money.get("currencyCode")
        if code:
            found.matches(r"[A-Z]{3}", code, "amount.specifiedAmount.currencyCode", "is no ISO 4217 code")


def _check_filter(found: Violations, wanted: dict[str, Any]) -> None:
    where = "budgetFilter"
    for index, project in enumerate(wanted.get("projects") or []):
        found.matches(r"(projects|organizations|folders)/\S+", project, f"{where}.projects[{index}]", "is no name")
    labels = wanted.get("labels") or {}
    found.unless(len(labels) <= 1, f"{where}.labels", f"{len(labels)} labels: at most one is allowed")
    for key, values in labels.items():
        one = isinstance(values, list) and len(values) == 1
        found.unless(one, f"{where}.labels[{key!r}]", f"{values!r} is not a list of one value")
    treatment = wanted.get("creditTypesTreatment") or _TREATMENTS[0]
    found.one_of(_TREATMENTS, treatment, f"{where}.creditTypesTreatment")
    if wanted.get("calendarPeriod"):
        found.one_of(_PERIODS, wanted["calendarPeriod"], f"{where}.calendarPeriod")
    exclusive = not (wanted.get("calendarPeriod") and wanted.get("customPeriod"))
    found.unless(exclusive, f"{where}.customPeriod", "calendarPeriod and customPeriod exclude one another")


def _check_notifications(found: Violations, rule: dict[str, Any]) -> None:
    channels = rule.get("monitoringNotificationChannels") or []
    where = "notificationsRule.monitoringNotificationChannels"
    found.unless(len(channels) <= 5, where, f"{len(channels)} channels are more than the 5 allowed")
    for index, channel in enumerate(channels):
        rule_text = "is not projects/PROJECT/notificationChannels/ID"
        found.matches(r"projects/[^/]+/notificationChannels/[^/]+", channel, f"{where}[{index}]", rule_text)
    if rule.get("pubsubTopic"):
        text = "is not projects/PROJECT/topics/TOPIC"
        found.matches(r"projects/[^/]+/topics/[^/]+", rule["pubsubTopic"], "notificationsRule.pubsubTopic", text)
    version = rule.get("schemaVersion")
    if rule.get("pubsubTopic") or version:
        found.unless(version == "1.0", "notificationsRule.schemaVersion", f"{version!r} is not '1.0'")
