"""The shape of a run's report: what happened to its steps, its training job and its model.

Owns: the fields. Does not own: where they come from (report.py) or how they look (report_page.py).
"""

from pydantic import BaseModel, ConfigDict, Field

from contracts.run_artifacts import Comparison, CurvePoint, ModelCard
from pipeline.snapshot import Snapshot
from pipeline.validation import ValidationReport


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class TaskReport(_Part):
    """A step. The three moments are seconds since the run was submitted; None where it did not come to that."""

    name: str
    state: str
    seconds: float | None
    created_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    custom_job: str = ""


class PipelineRunReport(_Part):
    name: str
    state: str
    submitted: str
    seconds: float | None
    tasks: list[TaskReport]


class CustomJobReport(_Part):
    """The training job. Seconds count from its creation."""

    name: str
    state: str
    persistent_resource_id: str
    machine_type: str
    replicas: int
    seconds_to_start: float | None
    seconds_to_first_step: float | None
    seconds: float | None


class ModelReport(_Part):
    """The run's model. `champion`: it is the champion now. `compared_champion`: that of the run's start."""

    uri: str
    version: str
    champion: bool
    champion_version: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    compared_champion: dict[str, float] | None
    comparisons: list[Comparison] = Field(default_factory=list)
    card: ModelCard | None = None
    card_uri: str = ""  # of its page
    decision: str
    reasons: list[str]
    users: int
    items: int
    protocol: str


class TrainingReport(_Part):
    seconds: float
    steps: int
    stopped_by: str
    git_sha: str
    curve: list[CurvePoint]


class RunReport(_Part):
    """Everything about one run; a part is None where the run did not come to it."""

    pipeline_run: PipelineRunReport
    custom_job: CustomJobReport | None
    model: ModelReport | None
    training: TrainingReport | None
    data: Snapshot | None
    validation: ValidationReport | None
    failure: list[str] = Field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return self.pipeline_run.state == "PIPELINE_STATE_SUCCEEDED"


class ReportExtras(_Part):
    """What the caller knows of the stack that the run was made on."""

    stack: str = ""
    engine: str = ""
    resources: dict[str, int] = Field(default_factory=dict)  # created, updated, same, deleted
    seconds: dict[str, float] = Field(default_factory=dict)  # install, plan, apply, total
    cost_per_day_usd: dict[str, float] = Field(default_factory=dict)  # by what it is paid for
    cost_note: str = ""
    data_description: str = ""
    oracle: dict[str, float] = Field(default_factory=dict)  # the best that any model could reach, where it is known


def rivals(model: ModelReport, oracle: dict[str, float]) -> dict[str, dict[str, float]]:
    """Metrics by what was measured: the model, the champion it was compared with, baselines, the oracle if known."""
    champion = {} if model.compared_champion is None else {"champion before": model.compared_champion}
    best = {"best reachable": oracle} if oracle else {}
    return {"this model": model.metrics} | champion | model.baselines | best
