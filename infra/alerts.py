"""What somebody is told of: a failed run, no successful one for too long, an idle pool, a pool that could not be made
or repaired, capacity that ran out.

Where the configuration asks for 0 hours, that alert is not declared. Does not own: who is told (infra/operations.py),
how the metrics are made (infra/log_metrics.py).

Limits: https://cloud.google.com/monitoring/alerts/concepts-indepth (an alert looks back 25 hours at most).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, ResourceOptions

from infra import log_metrics
from infra.stack_config import OperationsSettings

_HOUR_SECONDS = 3600
_AUTO_CLOSE = "86400s"
_RATE_LIMIT = "300s"
_MISSING_IS_BAD = "EVALUATION_MISSING_DATA_ACTIVE"
_POOL_CALLS = (
    'protoPayload.serviceName="aiplatform.googleapis.com" '
    'AND protoPayload.methodName=~"PersistentResourceService\\.(Create|Update|Reboot|Delete)PersistentResource"'
)
_STOCK_OUT = '"STOCKOUT" OR "Resources are insufficient" OR "resource pool exhausted"'


@dataclass(frozen=True)
class _Alert:
    """`text` is what the notification says; it ends in what to do."""

    name: str
    title: str
    severity: str
    text: str
    condition: gcp.monitoring.AlertPolicyConditionArgs
    limited: bool = False


class Alerts(pulumi.ComponentResource):
    """`after`: the metrics that conditions name."""

    def __init__(
        self,
        name: str,
        *,
        settings: OperationsSettings,
        channels: Sequence[Input[str]],
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:Alerts", name, None, opts)
        for alert in _alerts(settings):
            gcp.monitoring.AlertPolicy(
                f"{name}-{alert.name}",
                display_name=alert.title,
                combiner="OR",
                severity=alert.severity,
                conditions=[alert.condition],
                documentation=gcp.monitoring.AlertPolicyDocumentationArgs(
                    content=alert.text, mime_type="text/markdown"
                ),
                alert_strategy=_strategy(limited=alert.limited),
                notification_channels=list(channels),
                user_labels=labels,
                opts=ResourceOptions(parent=self, depends_on=list(after)),
            )
        self.register_outputs({})


def _alerts(settings: OperationsSettings) -> list[_Alert]:
    found = [
        _Alert(
            "run-failed",
            "A training run failed",
            "ERROR",
            "`python -m pipeline.submit --follow RUN` tells why, `make submit` runs it again.",
            _above_zero(log_metrics.FAILED, log_metrics.RUN_RESOURCE),
        ),
        _Alert(
            "pool-error",
            "A pool could not be made, changed or repaired",
            "CRITICAL",
            "Jobs wait or fail until it runs: reboot it, or replace it by another generation.",
            _log_matches("a call on a pool ended in an error", f"severity>=ERROR AND {_POOL_CALLS}"),
            limited=True,
        ),
        _Alert(
            "stock-out",
            "Google has no capacity for the machines that were asked for",
            "WARNING",
            "Run on demand with another machine, or wait; a pool that is kept does not lose its machines.",
            _log_matches("capacity ran out", _jobs_and_pools(_STOCK_OUT)),
            limited=True,
        ),
    ]
    if settings.no_success_hours:
        found.append(
            _Alert(
                "no-success",
                f"No training run succeeded in {settings.no_success_hours} hours",
                "ERROR",
                "Is the schedule paused, or do its runs fail? The model in service grows old.",
                _nothing_in(log_metrics.SUCCEEDED, log_metrics.RUN_RESOURCE, settings.no_success_hours),
            )
        )
    if settings.idle_pool_hours:
        found.append(
            _Alert(
                "pool-idle",
                f"Nothing trained for {settings.idle_pool_hours} hours",
                "WARNING",
                "The warm pool bills nevertheless: hibernate it (`hibernated: true`) if nobody needs it.",
                _nothing_in(log_metrics.LINES, log_metrics.JOB_RESOURCE, settings.idle_pool_hours),
            )
        )
    return found


def _jobs_and_pools(text: str) -> str:
    return f'(resource.type="{log_metrics.JOB_RESOURCE}" OR ({_POOL_CALLS})) AND ({text})'


def _strategy(*, limited: bool) -> gcp.monitoring.AlertPolicyAlertStrategyArgs:
    """Alerts on log entries must be limited in rate, others must not."""
    rate = gcp.monitoring.AlertPolicyAlertStrategyNotificationRateLimitArgs(period=_RATE_LIMIT) if limited else None
    return gcp.monitoring.AlertPolicyAlertStrategyArgs(auto_close=_AUTO_CLOSE, notification_rate_limit=rate)


def _log_matches(title: str, filter_text: str) -> gcp.monitoring.AlertPolicyConditionArgs:
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=title,
        condition_matched_log=gcp.monitoring.AlertPolicyConditionConditionMatchedLogArgs(filter=filter_text),
    )


def _above_zero(metric: str, resource: str) -> gcp.monitoring.AlertPolicyConditionArgs:
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=f"{metric} above 0",
        condition_threshold=gcp.monitoring.AlertPolicyConditionConditionThresholdArgs(
            filter=_filter(metric, resource),
            comparison="COMPARISON_GT",
            threshold_value=0,
            duration="0s",
            aggregations=[_sum_over(300)],
        ),
    )


def _nothing_in(metric: str, resource: str, hours: int) -> gcp.monitoring.AlertPolicyConditionArgs:
    """Less than one in that many hours; no data at all counts as none."""
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=f"{metric} below 1 in {hours} h",
        condition_threshold=gcp.monitoring.AlertPolicyConditionConditionThresholdArgs(
            filter=_filter(metric, resource),
            comparison="COMPARISON_LT",
            threshold_value=1,
            duration="60s",
            evaluation_missing_data=_MISSING_IS_BAD,
            aggregations=[_sum_over(hours * _HOUR_SECONDS)],
        ),
    )


def _filter(metric: str, resource: str) -> str:
    return f'metric.type="{log_metrics.metric_type(metric)}" AND resource.type="{resource}"'


def _sum_over(seconds: int) -> gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs:
    return gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
        alignment_period=f"{seconds}s", per_series_aligner="ALIGN_SUM", cross_series_reducer="REDUCE_SUM"
    )
