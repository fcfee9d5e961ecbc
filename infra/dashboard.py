"""One page on how training goes: loss, quality, how long runs take and wait, whether the pool is used.

The dashboard is JSON, as Monitoring's API has it. Does not own: the metrics (infra/log_metrics.py; those of Vertex AI
are Google's: https://cloud.google.com/monitoring/api/metrics_gcp).
"""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from contracts.run_artifacts import PRIMARY_METRIC
from infra import log_metrics

_COLUMNS = 12
_HEIGHT = 4
_DURATION = "aiplatform.googleapis.com/pipelinejob/duration"


class Dashboard(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        *,
        title: str,
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:Dashboard", name, None, opts)
        gcp.monitoring.Dashboard(
            f"{name}-dashboard",
            dashboard_json=json.dumps(dashboard(title)),
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )
        self.register_outputs({})


def dashboard(title: str) -> dict[str, Any]:
    """Two charts a row."""
    jobs, runs = log_metrics.JOB_RESOURCE, log_metrics.RUN_RESOURCE
    charts = [
        _chart("Training loss", _log(log_metrics.LOSS, jobs), "ALIGN_PERCENTILE_50", by="metric.label.run_id"),
        _chart(PRIMARY_METRIC, _log(log_metrics.QUALITY, jobs), "ALIGN_PERCENTILE_50", by="metric.label.run_id"),
        _chart("Seconds from a run's creation on", _metric(_DURATION, runs), "ALIGN_MAX"),
        _chart("Runs that succeeded", _log(log_metrics.SUCCEEDED, runs), "ALIGN_SUM"),
        _chart("Runs that failed", _log(log_metrics.FAILED, runs), "ALIGN_SUM"),
        _chart("Pool use: metric lines a minute", _log(log_metrics.LINES, jobs), "ALIGN_RATE"),
    ]
    half = _COLUMNS // 2
    tiles = [
        {
            "xPos": half * (place % 2),
            "yPos": _HEIGHT * (place // 2),
            "width": half,
            "height": _HEIGHT,
            "widget": chart,
        }
        for place, chart in enumerate(charts)
    ]
    shown = [{key: value for key, value in tile.items() if value != 0} for tile in tiles]  # the API leaves zeros out
    return {"displayName": title, "mosaicLayout": {"columns": _COLUMNS, "tiles": shown}}


def _log(metric: str, resource: str) -> str:
    return _metric(log_metrics.metric_type(metric), resource)


def _metric(kind: str, resource: str) -> str:
    return f'metric.type="{kind}" resource.type="{resource}"'


def _chart(title: str, filter_text: str, aligner: str, *, by: str = "") -> dict[str, Any]:
    aggregation: dict[str, Any] = {"alignmentPeriod": "60s", "perSeriesAligner": aligner}
    if by:
        aggregation |= {"crossSeriesReducer": "REDUCE_MEAN", "groupByFields": [by]}
    query = {"timeSeriesQuery": {"timeSeriesFilter": {"filter": filter_text, "aggregation": aggregation}}}
    return {"title": title, "xyChart": {"dataSets": [{**query, "plotType": "LINE"}]}}
