"""Champion against challenger: whether a new model takes over.

Owns: the decision and its reasons in words. Does not own: measuring (the trainer) or moving the alias
(model_registry.py). Pure.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from contracts.problems import Problem, Refused
from contracts.run_artifacts import CHAMPION, MARKOV, MOST_POPULAR, PRIMARY_METRIC, Comparison, EvaluationReport

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
        raise _incomplete("baselines", baselines, MOST_POPULAR)
    beats_popular = challenger > baselines[MOST_POPULAR]
    beats_champion = champion is None or challenger > champion
    reasons = [
        _compared(challenger, baselines[MOST_POPULAR], "the most popular items"),
        _against_champion(report, challenger, champion),
        *_against_baselines(report, challenger, baselines),
    ]
    promote = beats_popular and beats_champion
    return Decision(
        decision=PROMOTE if promote else KEEP,
        metric=PRIMARY_METRIC,
        challenger=challenger,
        champion=champion,
        baselines=baselines,
        reasons=(*reasons, _verdict(promote=promote, has_champion=champion is not None)),
    )


def _against_champion(report: EvaluationReport, challenger: float, champion: float | None) -> str:
    if champion is not None:
        return _compared(challenger, champion, "the champion") + _surely(report, CHAMPION)
    if report.champion_lost:
        return f"There was no champion to beat, since its files are lost: {report.champion_lost}"
    return "There was no champion to beat"


def _against_baselines(report: EvaluationReport, challenger: float, baselines: Mapping[str, float]) -> list[str]:
    """Markov counts, and what is better than both counts if anything is."""
    told = []
    if MARKOV in baselines:
        against = _compared(challenger, baselines[MARKOV], "first-order Markov counts") + _surely(report, MARKOV)
        loses = challenger <= baselines[MARKOV]
        told.append(f"{against}: a table of transitions ranks at least as well, for no training" if loses else against)
    best = report.best_baseline
    if best in baselines and best not in (MARKOV, MOST_POPULAR):
        name = f"{best.replace('_', ' ')}, the best baseline"
        told.append(_compared(challenger, baselines[best], name) + _surely(report, best))
    return told


def _surely(report: EvaluationReport, rival: str) -> str:
    """The difference with its interval, where it was measured."""
    for found in report.comparisons:
        if (found.against, found.metric) == (rival, PRIMARY_METRIC):
            return f" ({_interval(found)})"
    return ""


def _interval(found: Comparison) -> str:
    chance = ", which may be chance" if found.may_be_chance else ""
    return f"{found.mean:+.4f}, 95% interval {found.low:+.4f} to {found.high:+.4f}{chance}"


def _score(metrics: dict[str, float], of: str) -> float:
    if PRIMARY_METRIC not in metrics:
        raise _incomplete(f"metrics of {of}", metrics, PRIMARY_METRIC)
    return metrics[PRIMARY_METRIC]


def _incomplete(key: str, held: Mapping[str, object], wanted: str) -> Refused:
    rule = f"{wanted!r} must be among them"
    return Refused("Gate", [Problem(key=key, value=sorted(held), rule=rule, fix="Evaluate with train.evaluate")])


def _compared(challenger: float, other: float, name: str) -> str:
    verb = "beats" if challenger > other else "ties with" if challenger == other else "loses to"
    return f"The model {verb} {name}: {PRIMARY_METRIC} {challenger:.4f} against {other:.4f}"


def _verdict(*, promote: bool, has_champion: bool) -> str:
    if promote:
        return "It becomes the champion" if has_champion else "It becomes the first champion"
    return "The champion stays" if has_champion else "It is registered, and there is still no champion"
