"""What Cloud Monitoring counts of the platform's logs: the trainer's metrics and how runs end.

The trainer writes one JSON object a line (contracts/log_fields.py), which Vertex AI hands to Cloud Logging as the
entry's payload; Vertex AI Pipelines writes an entry for each change of a run's state. Does not own: what is made of the
numbers (infra/alerts.py, infra/dashboard.py).

Sources: https://cloud.google.com/logging/docs/logs-based-metrics,
https://cloud.google.com/vertex-ai/docs/pipelines/logging
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import Output, ResourceOptions

from contracts.log_fields import EXPERIMENT, METRIC, RUN_ID, TRAIN_LOSS, VALUE
from contracts.run_artifacts import PRIMARY_METRIC

JOB_RESOURCE = "ml_job"
RUN_RESOURCE = "aiplatform.googleapis.com/PipelineJob"
_RUN_EVENTS = "aiplatform.googleapis.com%2Fpipeline_job_events"

LOSS = "recsys/train_loss"
QUALITY = f"recsys/{PRIMARY_METRIC.replace('@', '_at_')}"
LINES = "recsys/training_lines"
SUCCEEDED = "recsys/runs_succeeded"
FAILED = "recsys/runs_failed"


def metric_type(name: str) -> str:
    """As Monitoring's filters name a metric that is made of logs."""
    return f"logging.googleapis.com/user/{name}"


def run_ended(project: str, state: str) -> str:
    """The log entries of runs that reached a state."""
    log = f'logName="projects/{project}/logs/{_RUN_EVENTS}"'
    return f'resource.type="{RUN_RESOURCE}" AND {log} AND jsonPayload.state="PIPELINE_STATE_{state}"'


class LogMetrics(pulumi.ComponentResource):
    """`names`: each metric's name once it exists, since an alert on one that does not is refused."""

    def __init__(
        self, name: str, *, project: str, after: Sequence[pulumi.Resource] = (), opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("recsys:infra:LogMetrics", name, None, opts)
        self._after = list(after)
        line = f'resource.type="{JOB_RESOURCE}" AND jsonPayload.{METRIC}'
        declared = [
            self._value(LOSS, f'{line}="{TRAIN_LOSS}"', "Training loss as the trainer logs it"),
            self._value(QUALITY, f'{line}="{PRIMARY_METRIC}"', f"{PRIMARY_METRIC} on the test items, once a run"),
            self._count(LINES, f"{line}:*", "Lines with a metric: training is going on"),
            self._count(SUCCEEDED, run_ended(project, "SUCCEEDED"), "Pipeline runs that succeeded"),
            self._count(FAILED, run_ended(project, "FAILED"), "Pipeline runs that failed"),
        ]
        self.names: list[Output[str]] = [metric.name for metric in declared]
        self.resources: list[pulumi.Resource] = [*declared]
        self.register_outputs({})

    def _value(self, metric: str, filter_text: str, description: str) -> gcp.logging.Metric:
        """The distribution of a line's value, by experiment and run."""
        return self._declare(
            metric,
            filter_text,
            description,
            gcp.logging.MetricMetricDescriptorArgs(
                metric_kind="DELTA",
                value_type="DISTRIBUTION",
                labels=[
                    gcp.logging.MetricMetricDescriptorLabelArgs(key=label, value_type="STRING")
                    for label in (EXPERIMENT, RUN_ID)
                ],
            ),
            value_extractor=f"EXTRACT(jsonPayload.{VALUE})",
            label_extractors={label: f"EXTRACT(jsonPayload.{label})" for label in (EXPERIMENT, RUN_ID)},
        )

    def _count(self, metric: str, filter_text: str, description: str) -> gcp.logging.Metric:
        counted = gcp.logging.MetricMetricDescriptorArgs(metric_kind="DELTA", value_type="INT64")
        return self._declare(metric, filter_text, description, counted)

    def _declare(
        self,
        metric: str,
        filter_text: str,
        description: str,
        descriptor: gcp.logging.MetricMetricDescriptorArgs,
        *,
        value_extractor: str | None = None,
        label_extractors: dict[str, str] | None = None,
    ) -> gcp.logging.Metric:
        return gcp.logging.Metric(
            f"{self.pulumi_resource_name}-{metric.rpartition('/')[2]}",
            name=metric,
            filter=filter_text,
            description=description,
            metric_descriptor=descriptor,
            value_extractor=value_extractor,
            label_extractors=label_extractors,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
