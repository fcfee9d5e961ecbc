"""Cloud Monitoring: notification channels, alert policies and dashboards."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import json
from typing import Any

from engine.gcp.resource import Call, RestType
from engine.gojson import go_json
from engine.values import Properties

_SENSITIVE = {"authToken": "auth_token", "password": "password", "serviceKey": "service_key"}


class NotificationChannel(RestType):
    """Where alerts go. Its sensitive labels go out among the others and never come back."""

    type_name = "gcp:monitoring/notificationChannel:NotificationChannel"
    noun = "NotificationChannel"
    service = "MONITORING"
    services = {"MONITORING"}
    identity = "projects/{project}/notificationChannels/{name}"
    collection = "v3/projects/{project}/notificationChannels"
    masked = False
    waits = frozenset()
    table = """
    deletionPolicy str kept api=-
    description str
    displayName str
    enabled bool default=true sent
    forceDelete bool default=false api=-
    labels map
    name str out
    project str kept replace api=-
    sensitiveLabels obj api=-
      authToken str secret one_of=secret
      password str secret one_of=secret
      serviceKey str secret one_of=secret
    type str required
    userLabels map
    verificationStatus str out
    """

    def path(self, identity: str, known: Properties) -> str:
        return f"v3/{identity}"

    def body(self, plan: Properties) -> dict[str, Any]:
        body = super().body(plan)
        sensitive = plan.get("sensitiveLabels") or {}
        hidden = {label: sensitive[name] for name, label in _SENSITIVE.items() if sensitive.get(name)}
        return body | ({"labels": {**body.get("labels", {}), **hidden}} if hidden else {})

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        labels = outputs["labels"] or {}
        outputs["labels"] = {key: value for key, value in labels.items() if key not in _SENSITIVE.values()} or None

    def delete_query(self, prior: Properties) -> dict[str, str]:
        return {"force": "true" if prior.get("forceDelete") else "false"}


class AlertPolicy(RestType):
    """An alert policy; conditions in SQL are planned, not applied."""

    type_name = "gcp:monitoring/alertPolicy:AlertPolicy"
    noun = "AlertPolicy"
    service = "MONITORING"
    services = {"MONITORING"}
    identity = "projects/{project}/alertPolicies/{name}"
    collection = "v3/projects/{project}/alertPolicies"
    waits = frozenset()
    table = """
    alertStrategy obj
      autoClose str
      notificationChannelStrategies objs tf=notification_channel_strategy
        notificationChannelNames strs
        renotifyInterval str
      notificationPrompts strs
      notificationRateLimit obj
        period str
    combiner str required check=in:AND,OR,AND_WITH_MATCHING_RESOURCE
    conditions objs required
      conditionAbsent obj
        aggregations objs
          alignmentPeriod str
          crossSeriesReducer str check=reducer same=default-reduce-none
          groupByFields strs null
          perSeriesAligner str check=aligner
        duration str required
        filter str
        trigger obj
          count int
          percent float
      conditionMatchedLog obj
        filter str required
        labelExtractors map
      conditionMonitoringQueryLanguage obj
        duration str required
        evaluationMissingData str check=missing-data
        query str required
        trigger obj
          count int
          percent float
      conditionPrometheusQueryLanguage obj
        alertRule str
        disableMetricValidation bool
        duration str
        evaluationInterval str
        labels map
        query str required
        ruleGroup str
      conditionSql raw
      conditionThreshold obj
        aggregations objs
          alignmentPeriod str
          crossSeriesReducer str check=reducer same=default-reduce-none
          groupByFields strs null
          perSeriesAligner str check=aligner
        comparison str required check=comparison
        denominatorAggregations objs
          alignmentPeriod str
          crossSeriesReducer str check=reducer same=default-reduce-none
          groupByFields strs null
          perSeriesAligner str check=aligner
        denominatorFilter str
        duration str required
        evaluationMissingData str check=missing-data
        filter str
        forecastOptions obj
          forecastHorizon str required
        thresholdValue float
        trigger obj
          count int
          percent float
      displayName str required
      name str out
    creationRecords objs out tf=creation_record
      mutateTime str out
      mutatedBy str out
    deletionPolicy str kept api=-
    displayName str required
    documentation obj
      content str some_of=text
      links objs some_of=text
        displayName str
        url str
      mimeType str default="text/markdown" some_of=text
      subject str some_of=text
    enabled bool default=true sent
    name str out
    notificationChannels strs
    project str kept replace api=-
    severity str check=in:CRITICAL,ERROR,WARNING
    userLabels map
    """

    def path(self, identity: str, known: Properties) -> str:
        return f"v3/{identity}"


class Dashboard(RestType):
    """A dashboard, given as the JSON of Google's API. What the service adds to it is no change."""

    type_name = "gcp:monitoring/dashboard:Dashboard"
    noun = "Dashboard"
    service = "MONITORING"
    services = {"MONITORING"}
    collection = "v1/projects/{project}/dashboards"
    masked = False
    waits = frozenset()
    default_seconds = {"create": 240, "update": 240, "delete": 240}
    table = """
    dashboardJson str required check=json same=dashboard
    deletionPolicy str kept api=-
    project str kept replace api=-
    """

    def path(self, identity: str, known: Properties) -> str:
        return f"v1/{identity}"

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        if isinstance(plan["dashboardJson"], str):
            plan["dashboardJson"] = go_json(json.loads(plan["dashboardJson"]))

    def body(self, plan: Properties) -> dict[str, Any]:
        return json.loads(plan["dashboardJson"])

    def outputs(self, answer: Any, known: Properties) -> Properties:
        return super().outputs(answer, known) | {"dashboardJson": go_json(answer)}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        etag = json.loads(prior["dashboardJson"]).get("etag")
        if any(change.key == "dashboardJson" for change in self.compare(prior, plan)):
            call.api.call(self.service, "PATCH", f"v1/{identity}", body=self.body(plan) | {"etag": etag})
        return self.read_back(call, identity, plan)[1]
