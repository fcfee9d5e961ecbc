"""Champion against challenger: whether a new model takes over.

Owns: the decision and its reasons in words. Does not own: measuring (the trainer) or moving the alias
(model_registry.py). Pure.
"""

from pydantic import BaseModel, ConfigDict

from contracts.run_artifacts import MARKOV, MOST_POPULAR, PRIMARY_METRIC, EvaluationReport

PROMOTE = "promote"
KEEP = "keep"


class Decision(BaseModel):
    """gate.json: what was decided and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: str  # PROMOTE or KEEP
    metric: str
    challenger: float
    champion: float | None
    baselines: dict[str, float]
    reasons: tuple[str, ...]

    @property
    def promote(self) -> bool:
        return self.decision == PROMOTE


def decide(report: EvaluationReport) -> Decision:
    """The challenger must beat the champion and the most popular items on the primary metric; a tie changes nothing."""
    challenger = _score(report.model.metrics, "the model")
    champion = None if report.champion is None else _score(report.champion.metrics, "the champion")
    baselines = {name: _score(metrics, name) for name, metrics in report.baselines.items()}
    if MOST_POPULAR not in baselines:
        raise ValueError(
            f"baselines = {sorted(baselines)}: {MOST_POPULAR!r} must be among them. Evaluate with train.evaluate"
        )
    beats_popular = challenger > baselines[MOST_POPULAR]
    beats_champion = champion is None or challenger > champion
    reasons = [
        _compared(challenger, baselines[MOST_POPULAR], "the most popular items"),
        "There was no champion to beat" if champion is None else _compared(challenger, champion, "the champion"),
    ]
    if MARKOV in baselines:
        against = _compared(challenger, baselines[MARKOV], "first-order Markov counts")
        loses = challenger <= baselines[MARKOV]
        reasons.append(
            f"{against}: a table of transitions ranks at least as well, for no training" if loses else against
        )
    promote = beats_popular and beats_champion
    return Decision(
        decision=PROMOTE if promote else KEEP,
        metric=PRIMARY_METRIC,
        challenger=challenger,
        champion=champion,
        baselines=baselines,
        reasons=(*reasons, _verdict(promote=promote, has_champion=champion is not None)),
    )


def _score(metrics: dict[str, float], of: str) -> float:
    if PRIMARY_METRIC not in metrics:
        raise ValueError(
            f"metrics of {of} = {sorted(metrics)}: {PRIMARY_METRIC!r} must be among them. Evaluate with train.evaluate"
        )
    return metrics[PRIMARY_METRIC]


def _compared(challenger: float, other: float, name: str) -> str:
    verb = "beats" if challenger > other else "ties with" if challenger == other else "loses to"
    return f"The model {verb} {name}: {PRIMARY_METRIC} {challenger:.4f} against {other:.4f}"


def _verdict(*, promote: bool, has_champion: bool) -> str:
    if promote:
        return "It becomes the champion" if has_champion else "It becomes the first champion"
    return "The champion stays" if has_champion else "It is registered, and there is still no champion"
