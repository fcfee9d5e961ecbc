"""What is known of a run when it has ended, gathered from the services and from the run's own files.

Owns: the gathering, and the forms that it is given out in. Does not own: the shape (run_report.py), nor the page
(report_page.py).
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel

from contracts.run_artifacts import (
    CARD_FILE,
    CARD_PAGE,
    EVALUATION_FILE,
    SHOWN_METRICS,
    TRAINING_FILE,
    EvaluationReport,
    ModelCard,
    TrainingSummary,
)
from contracts.stack_outputs import StackOutputs
from pipeline import clients as cl
from pipeline import custom_jobs as jobs
from pipeline.artifacts import GATE_FILE, SNAPSHOT_FILE, VALIDATION_FILE
from pipeline.follow import custom_job_of, tasks, why_failed
from pipeline.gate import Decision
from pipeline.model_registry import ModelRegistry
from pipeline.objects import Objects, join
from pipeline.report_page import page
from pipeline.run_report import (
    CustomJobReport,
    ModelReport,
    PipelineRunReport,
    ReportExtras,
    RunReport,
    TaskReport,
    TrainingReport,
    rivals,
)
from pipeline.snapshot import Snapshot
from pipeline.validation import ValidationReport

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1.types import CustomJob, PipelineJob, PipelineTaskDetail
    from rich.console import RenderableType


Kind = TypeVar("Kind", bound=BaseModel)


def collect(outputs: StackOutputs, run_name: str, *, clients: cl.Clients | None = None) -> RunReport:
    """The report of a run, by its resource name or its id, ended or not."""
    clients = clients or cl.for_submission(outputs)
    run_id = run_name.rpartition("/")[2]
    job = clients.pipelines.get_pipeline_job(name=f"{clients.location}/pipelineJobs/{run_id}")
    files = _Files(Objects(clients.storage), outputs, run_id)
    training = files.model_file(TRAINING_FILE, TrainingSummary)
    return RunReport(
        pipeline_run=_pipeline_run(job),
        custom_job=_training_job(job, training, clients),
        model=_model(files, ModelRegistry(clients, outputs.model_name), run_id),
        training=None
        if training is None
        else TrainingReport(**{k: getattr(training, k) for k in TrainingReport.model_fields}),
        data=files.snapshot_file(SNAPSHOT_FILE, Snapshot),
        validation=files.snapshot_file(VALIDATION_FILE, ValidationReport),
        failure=why_failed(outputs, job, clients) if job.state.name == "PIPELINE_STATE_FAILED" else [],
    )


def to_json(report: RunReport, extras: ReportExtras | None = None) -> dict[str, Any]:
    """One document of the run and its stack."""
    extras = extras or ReportExtras()
    seconds = extras.seconds | ({"pipeline": report.pipeline_run.seconds} if report.pipeline_run.seconds else {})
    return extras.model_dump(mode="json") | report.model_dump(mode="json") | {"seconds": seconds}


def to_html(report: RunReport, extras: ReportExtras | None = None) -> str:
    """A page that needs nothing but itself."""
    return page(report, extras or ReportExtras())


def table(report: RunReport, extras: ReportExtras | None = None) -> "RenderableType":
    """The short form for a terminal: quality against its rivals, then a line each for steps, job and decision."""
    from rich.console import Group
    from rich.table import Column, Table
    from rich.text import Text

    run = report.pipeline_run
    steps = ", ".join(f"{task.name} {task.seconds:.1f} s" for task in run.tasks if task.seconds is not None)
    lines: list[Any] = [Text(f"{run.name.rpartition('/')[2]}  {run.state.removeprefix('PIPELINE_STATE_')}  {steps}")]
    if report.model is not None:
        rows = rivals(report.model, extras.oracle if extras else {})
        quality = Table("full ranking", *(Column(name, justify="right") for name in report.model.metrics), box=None)
        for name, metrics in rows.items():
            quality.add_row(name, *(_number(metrics.get(metric)) for metric in report.model.metrics))
        lines += [quality, *(Text(reason) for reason in report.model.reasons)]
        lines += [Text(report.model.card.words[0])] if report.model.card else []
    if report.custom_job is not None:
        job = report.custom_job
        where = f"on {job.persistent_resource_id}" if job.persistent_resource_id else "on demand"
        lines.append(Text(f"training job {where}: first step after {_number(job.seconds_to_first_step, 1)} s"))
    return Group(*lines, *(Text(line) for line in report.failure))


def card_page(outputs: StackOutputs, report: RunReport, *, clients: cl.Clients | None = None) -> str | None:
    """The page of the model's card; None where there is none."""
    if report.model is None or not report.model.card_uri:
        return None
    try:
        return Objects((clients or cl.for_submission(outputs)).storage).read(report.model.card_uri).decode()
    except FileNotFoundError:
        return None


class _Files:
    """The files that the steps of one run left."""

    def __init__(self, objects: Objects, outputs: StackOutputs, run_id: str) -> None:
        self._objects = objects
        self._model = jobs.model_uri(outputs, run_id)
        self._snapshot = jobs.snapshot_uri(outputs, run_id)

    def model_file(self, name: str, kind: type[Kind]) -> Kind | None:
        return self._parsed(join(self._model, name), kind)

    def snapshot_file(self, name: str, kind: type[Kind]) -> Kind | None:
        return self._parsed(join(self._snapshot, name), kind)

    def _parsed(self, uri: str, kind: type[Kind]) -> Kind | None:
        try:
            return kind.model_validate(self._objects.read_json(uri))
        except FileNotFoundError:
            return None


def _pipeline_run(job: "PipelineJob") -> PipelineRunReport:
    return PipelineRunReport(
        name=job.name,
        state=job.state.name,
        submitted=cast("datetime", job.create_time).isoformat(),
        seconds=_between(job.create_time, job.end_time),
        tasks=[_task(task, job.create_time) for task in tasks(job)],
    )


def _task(task: "PipelineTaskDetail", submitted: Any) -> TaskReport:
    begun = task.start_time or task.create_time
    return TaskReport(
        name=task.task_name,
        state=task.state.name,
        seconds=_between(begun, task.end_time),
        created_at=_between(submitted, task.create_time),
        started_at=_between(submitted, task.start_time),
        ended_at=_between(submitted, task.end_time),
        custom_job=custom_job_of(task),
    )


def _training_job(job: "PipelineJob", training: TrainingSummary | None, clients: cl.Clients) -> CustomJobReport | None:
    name = next((custom_job_of(task) for task in tasks(job) if task.task_name == "train"), "")
    if not name:
        return None
    custom_job: CustomJob = clients.jobs.get_custom_job(name=name)
    created = custom_job.create_time
    pools = custom_job.job_spec.worker_pool_specs
    return CustomJobReport(
        name=name,
        state=custom_job.state.name,
        persistent_resource_id=custom_job.job_spec.persistent_resource_id,
        machine_type=pools[0].machine_spec.machine_type if pools else "",
        replicas=sum(pool.replica_count for pool in pools),
        seconds_to_start=_between(created, custom_job.start_time),
        seconds_to_first_step=_between(created, datetime.fromisoformat(training.first_step)) if training else None,
        seconds=_between(created, custom_job.end_time),
    )


def _model(files: _Files, registry: ModelRegistry, run_id: str) -> ModelReport | None:
    evaluation = files.model_file(EVALUATION_FILE, EvaluationReport)
    if evaluation is None:
        return None
    decision = files.model_file(GATE_FILE, Decision)
    card = files.model_file(CARD_FILE, ModelCard)
    version, champion = registry.version(run_id), registry.champion()
    return ModelReport(
        uri=evaluation.model.uri,
        version=version.name if version else "",
        champion=version is not None and champion is not None and version.id == champion.id,
        champion_version=champion.name if champion else "",
        metrics=_shown(evaluation.model.metrics),
        baselines={name: _shown(metrics) for name, metrics in evaluation.baselines.items()},
        compared_champion=_shown(evaluation.champion.metrics) if evaluation.champion else None,
        comparisons=list(evaluation.comparisons),
        card=card,
        card_uri=join(evaluation.model.uri, CARD_PAGE) if card else "",
        decision=decision.decision if decision else "",
        reasons=list(decision.reasons) if decision else [],
        users=evaluation.users,
        items=evaluation.items,
        protocol=evaluation.protocol,
    )


def _shown(metrics: dict[str, float]) -> dict[str, float]:
    return {name: metrics[name] for name in SHOWN_METRICS if name in metrics}


def _between(start: Any, end: Any) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
