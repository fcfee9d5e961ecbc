"""Metrics, alerts, dashboard and budget as they are declared, and log filters against lines as they are written."""

import io
import json
from typing import Any

import pytest
from train.log import Log

from contracts import log_fields
from contracts.run_artifacts import PRIMARY_METRIC
from infra import alerts, log_metrics
from local.cloud import filters
from tests.unit.infra.deploy import Deployment, deploy

OPERATIONS = "recsys-training:operations"
BUDGET = {"billingAccount": "0A1B2C-3D4E5F-6A7B8C", "monthlyBudget": 300}


def operated(**changes: Any) -> Deployment:
    return deploy(config={OPERATIONS: changes})


def policies(deployment: Deployment) -> dict[str, dict[str, Any]]:
    prefix = "operations-alerts-"
    return {record.name.removeprefix(prefix): record.inputs for record in deployment.of_type("AlertPolicy")}


def test_an_alert_is_declared_for_each_thing_that_somebody_must_know() -> None:
    declared = policies(operated(noSuccessHours=25, idlePoolHours=6))

    assert declared.keys() == {"run-failed", "pool-error", "stock-out", "no-success", "pool-idle"}
    assert all(policy["documentation"]["content"] for policy in declared.values())


@pytest.mark.parametrize(("key", "name"), [("noSuccessHours", "no-success"), ("idlePoolHours", "pool-idle")])
def test_zero_hours_is_not_watched(key: str, name: str) -> None:
    assert name not in policies(operated(**{"noSuccessHours": 5, "idlePoolHours": 5, key: 0}))


def test_hours_without_success_are_a_sum_below_one_where_missing_data_counts() -> None:
    threshold = policies(operated(noSuccessHours=20))["no-success"]["conditions"][0]["conditionThreshold"]

    assert (threshold["comparison"], threshold["thresholdValue"]) == ("COMPARISON_LT", 1)
    assert threshold["evaluationMissingData"] == "EVALUATION_MISSING_DATA_ACTIVE"
    assert threshold["aggregations"][0]["alignmentPeriod"] == "72000s"
    assert log_metrics.metric_type(log_metrics.SUCCEEDED) in threshold["filter"]


def test_only_alerts_on_log_entries_are_limited_in_rate() -> None:
    for policy in policies(operated(noSuccessHours=5, idlePoolHours=5)).values():
        on_entries = "conditionMatchedLog" in policy["conditions"][0]
        assert ("notificationRateLimit" in policy["alertStrategy"]) is on_entries


def test_every_alert_waits_for_the_metrics_and_tells_every_channel() -> None:
    deployment = operated(emails=["a@acme.example", "b@acme.example"])

    for record in deployment.of_type("AlertPolicy"):
        assert "operations-metrics-train_loss" in deployment.dependencies(record)
        assert len(record.inputs["notificationChannels"]) == 2


def test_another_order_of_addresses_is_no_change() -> None:
    names = [
        {record.name for record in operated(emails=order).of_type("NotificationChannel")}
        for order in (["a@acme.example", "b@acme.example"], ["b@acme.example", "a@acme.example"])
    ]

    assert names[0] == names[1]
    assert len(names[0]) == 2


def entry(line: dict[str, Any]) -> dict[str, Any]:
    return {"resource": {"type": "ml_job"}, "jsonPayload": line}


def test_the_metrics_take_the_lines_that_the_trainer_writes() -> None:
    stream = io.StringIO()
    log = Log(run_id="r1", request_id="q", experiment="e", stream=stream)
    log.metric(log_fields.TRAIN_LOSS, 0.5, step=1)
    log.metric(PRIMARY_METRIC, 0.17, step=2)
    log.info("a message")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    taken = {
        record.inputs["name"]: [selects(entry(line)) for line in lines]
        for record in deploy().of_type("logging/metric:Metric")
        if record.inputs["filter"].startswith('resource.type="ml_job"')
        for selects in [filters.compiled(record.inputs["filter"])]
    }

    assert taken[log_metrics.LOSS] == [True, False, False]
    assert taken[log_metrics.QUALITY] == [False, True, False]
    assert taken[log_metrics.LINES][:2] == [True, True]


def test_a_value_is_read_from_the_line_with_experiment_and_run() -> None:
    metric = deploy().one("logging/metric:Metric", "operations-metrics-train_loss").inputs

    assert metric["valueExtractor"] == "EXTRACT(jsonPayload.value)"
    assert metric["labelExtractors"] == {name: f"EXTRACT(jsonPayload.{name})" for name in ("experiment", "run_id")}
    assert {label["key"] for label in metric["metricDescriptor"]["labels"]} == metric["labelExtractors"].keys()


@pytest.mark.parametrize(
    ("state", "succeeded", "failed"),
    [
        ("PIPELINE_STATE_SUCCEEDED", True, False),
        ("PIPELINE_STATE_FAILED", False, True),
        ("PIPELINE_STATE_RUNNING", False, False),
    ],
)
def test_runs_are_counted_by_their_last_state(state: str, *, succeeded: bool, failed: bool) -> None:
    event = {
        "resource": {"type": log_metrics.RUN_RESOURCE},
        "logName": "projects/p/logs/aiplatform.googleapis.com%2Fpipeline_job_events",
        "jsonPayload": {"state": state},
    }

    assert filters.compiled(log_metrics.run_ended("p", "SUCCEEDED"))(event) is succeeded
    assert filters.compiled(log_metrics.run_ended("p", "FAILED"))(event) is failed


def test_the_dashboard_charts_loss_quality_time_and_use_without_overlap() -> None:
    page = json.loads(deploy().one("Dashboard", "operations-page-dashboard").inputs["dashboardJson"])
    tiles = page["mosaicLayout"]["tiles"]
    text = json.dumps(page)

    for metric in (log_metrics.LOSS, log_metrics.QUALITY, log_metrics.LINES, log_metrics.SUCCEEDED):
        assert log_metrics.metric_type(metric) in text
    assert "pipelinejob/duration" in text
    assert len({(tile.get("xPos", 0), tile.get("yPos", 0)) for tile in tiles}) == len(tiles)
    assert all(tile.get("xPos", 0) + tile["width"] <= page["mosaicLayout"]["columns"] for tile in tiles)


def test_without_a_billing_account_there_is_no_budget() -> None:
    assert deploy().of_type("Budget") == []


def test_a_budget_is_of_this_project_alone_and_tells_at_three_thresholds() -> None:
    deployment = operated(**BUDGET, emails=[f"p{n}@acme.example" for n in range(7)])
    budget = deployment.one("Budget").inputs

    assert budget["amount"]["specifiedAmount"]["units"] == "300"
    assert budget["budgetFilter"]["projects"] == ["projects/1"]
    assert [rule["thresholdPercent"] for rule in budget["thresholdRules"]] == [0.5, 0.9, 1.0]
    assert len(budget["allUpdatesRule"]["monitoringNotificationChannels"]) == 5
    assert "services-billingbudgets" in deployment.dependencies(deployment.one("Budget"))


def test_a_budget_without_addresses_tells_the_billing_accounts_own_people() -> None:
    assert "allUpdatesRule" not in operated(**BUDGET, emails=[]).one("Budget").inputs


def test_a_stock_out_is_seen_in_the_words_that_services_use() -> None:
    selects = filters.compiled(alerts._STOCK_OUT)

    assert selects({"textPayload": "Resources are insufficient in region: us-central1."})
    assert not selects({"textPayload": "all is well"})
