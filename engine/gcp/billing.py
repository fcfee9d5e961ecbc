"""Budgets of a billing account."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.resource import RestType
from engine.values import Properties

# The members that a mask names, by the changed property.
_MASKS = {
    "amount": ["currencyCode", "units", "nanos"],
    "allUpdatesRule": [
        "pubsubTopic",
        "schemaVersion",
        "monitoringNotificationChannels",
        "disableDefaultIamRecipients",
        "enableProjectLevelRecipients",
    ],
    "budgetFilter": [
        "projects",
        "resourceAncestors",
        "labels",
        "calendarPeriod",
        "customPeriod",
        "services",
        "creditTypesTreatment",
        "creditTypes",
        "subaccounts",
    ],
}
_PARTS = {
    "amount": "amount.specifiedAmount",
    "allUpdatesRule": "notificationsRule",
    "budgetFilter": "budgetFilter",
}
_ORDER = ["displayName", "budgetFilter", "amount", "thresholdRules", "allUpdatesRule", "ownershipScope"]


class Budget(RestType):
    """A budget. Labels of its filter have one value each in the program, and a list of one in Google's JSON."""

    type_name = "gcp:billing/budget:Budget"
    noun = "Budget"
    service = "BILLING_BUDGETS"
    services = {"BILLING_BUDGETS"}
    identity = "billingAccounts/{billingAccount}/budgets/{name}"
    collection = "billingAccounts/{billingAccount}/budgets"
    schema_version = 1
    waits = frozenset()
    table = """
    allUpdatesRule obj api=notificationsRule
      disableDefaultIamRecipients bool default=false
      enableProjectLevelRecipients bool default=false
      monitoringNotificationChannels strs max=5 some_of=recipient
      pubsubTopic str some_of=recipient
      schemaVersion str default="1.0"
    amount obj required
      lastPeriodAmount bool api=- one_of=amount
      specifiedAmount obj one_of=amount
        currencyCode str kept
        nanos int
        units str
    billingAccount str required replace api=-
    budgetFilter obj kept
      calendarPeriod str some_of=filter same=default-month check=calendar-period
      creditTypes strs null some_of=filter
      creditTypesTreatment str default="INCLUDE_ALL_CREDITS" some_of=filter check=credits
      customPeriod obj some_of=filter
        endDate obj
          day int required
          month int required
          year int required
        startDate obj required
          day int required
          month int required
          year int required
      labels map kept some_of=filter
      projects strset some_of=filter
      resourceAncestors strset null some_of=filter
      services strs kept some_of=filter
      subaccounts strs null some_of=filter
    deletionPolicy str kept api=-
    displayName str
    name str out
    ownershipScope str check=in:OWNERSHIP_SCOPE_UNSPECIFIED,ALL_USERS,BILLING_ACCOUNT
    thresholdRules objs
      spendBasis str default="CURRENT_SPEND" check=in:CURRENT_SPEND,FORECASTED_SPEND
      thresholdPercent float required
    """

    def identity_in(self, answer: Any) -> str:
        return str(answer["name"])

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        if (plan.get("amount") or {}).get("lastPeriodAmount"):
            body.setdefault("amount", {})["lastPeriodAmount"] = {}
        if labels := body.get("budgetFilter", {}).get("labels"):
            body["budgetFilter"]["labels"] = {key: [value] for key, value in labels.items()}
        return body

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["name"] = str(answer["name"]).rsplit("/", 1)[-1]
        if outputs["amount"] is not None:
            outputs["amount"]["lastPeriodAmount"] = "lastPeriodAmount" in answer["amount"]
        if outputs["budgetFilter"] is not None and outputs["budgetFilter"]["labels"]:
            labels = outputs["budgetFilter"]["labels"]
            outputs["budgetFilter"]["labels"] = {key: values[-1] for key, values in labels.items()}

    def mask(self, prior: Properties, plan: Properties) -> list[str]:
        changed = {change.key for change in self.compare(prior, plan)}
        return [
            f"{_PARTS[name]}.{part}" if part else name
            for name in _ORDER
            if name in changed
            for part in _MASKS.get(name, [""])
        ]
