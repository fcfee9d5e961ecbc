"""Who becomes the champion, and in which words."""

from typing import Any

import pytest

from contracts.problems import Refused
from contracts.run_artifacts import EvaluationReport, ScoredModel
from pipeline.gate import KEEP, PROMOTE, decide


def evaluation(
    model: float, popular: float, *, champion: float | None = None, markov: float | None = None, **changes: Any
):
    scored = {"uri": "gs://acme/models/new", "metrics": {"ndcg@10": model}}
    baselines = {"most_popular": {"ndcg@10": popular}} | ({} if markov is None else {"markov": {"ndcg@10": markov}})
    values = {
        "run_id": "recsys-1",
        "model": scored,
        "champion": None if champion is None else {"uri": "gs://acme/models/old", "metrics": {"ndcg@10": champion}},
        "baselines": baselines,
        "users": 943,
        "items": 1682,
        "k": 10,
        "protocol": "leave-one-out",
        "data_fingerprint": "f" * 64,
    }
    return EvaluationReport.model_validate(values | changes)


@pytest.mark.parametrize(
    ("model", "popular", "champion", "decision"),
    [
        (0.10, 0.05, None, PROMOTE),
        (0.10, 0.05, 0.09, PROMOTE),
        (0.10, 0.05, 0.11, KEEP),
        (0.10, 0.05, 0.10, KEEP),
        (0.10, 0.12, None, KEEP),
        (0.10, 0.12, 0.09, KEEP),
        (0.10, 0.10, 0.05, KEEP),
    ],
)
def test_a_model_must_beat_champion_and_most_popular(
    model: float, popular: float, champion: float | None, decision: str
) -> None:
    assert decide(evaluation(model, popular, champion=champion)).decision == decision


def test_a_first_run_says_that_there_was_no_champion() -> None:
    decision = decide(evaluation(0.1, 0.05))
    assert "There was no champion to beat" in decision.reasons
    assert decision.champion is None


def test_losing_to_markov_counts_is_said_and_does_not_decide() -> None:
    decision = decide(evaluation(0.06, 0.05, markov=0.0766))
    assert decision.promote
    told = next(reason for reason in decision.reasons if "Markov" in reason)
    assert "loses to first-order Markov counts: ndcg@10 0.0600 against 0.0766" in told
    assert "ranks at least as well" in told


def test_beating_markov_counts_is_said_without_a_warning() -> None:
    told = next(reason for reason in decide(evaluation(0.1, 0.05, markov=0.07)).reasons if "Markov" in reason)
    assert told == "The model beats first-order Markov counts: ndcg@10 0.1000 against 0.0700"


def test_differences_are_told_with_their_intervals_and_the_best_baseline_by_name() -> None:
    def against(name: str, low: float, high: float) -> dict[str, Any]:
        return {"against": name, "metric": "ndcg@10", "mean": (low + high) / 2, "low": low, "high": high}

    decision = decide(
        evaluation(
            0.1,
            0.05,
            champion=0.09,
            markov=0.07,
            baselines={name: {"ndcg@10": value} for name, value in (("most_popular", 0.05), ("ease", 0.11))},
            best_baseline="ease",
            comparisons=[against("champion", -0.001, 0.021), against("ease", -0.015, -0.005)],
        )
    )
    assert decision.promote
    assert decision.reasons[1:3] == (
        "The model beats the champion: ndcg@10 0.1000 against 0.0900"
        " (+0.0100, 95% interval -0.0010 to +0.0210, which may be chance)",
        "The model loses to ease, the best baseline: ndcg@10 0.1000 against 0.1100"
        " (-0.0100, 95% interval -0.0150 to -0.0050)",
    )


def test_a_refused_first_model_leaves_no_champion() -> None:
    assert decide(evaluation(0.01, 0.05)).reasons[-1] == "It is registered, and there is still no champion"


def test_an_evaluation_without_the_primary_metric_is_refused() -> None:
    report = evaluation(0.1, 0.05)
    report = report.model_copy(update={"model": ScoredModel(uri="gs://m", metrics={"hr@10": 0.2})})
    with pytest.raises(Refused, match=r"hr@10.*ndcg@10"):
        decide(report)


def test_an_evaluation_without_the_popular_baseline_is_refused() -> None:
    with pytest.raises(Refused, match=r"markov.*most_popular"):
        decide(evaluation(0.1, 0.05, baselines={"markov": {"ndcg@10": 0.1}}))


def test_a_champion_whose_files_are_lost_counts_as_none_and_the_reasons_say_so() -> None:
    decision = decide(evaluation(0.1, 0.05, champion_lost="gs://acme/models/old: holds no manifest.json"))
    assert decision.decision == PROMOTE
    assert any("its files are lost: gs://acme/models/old" in reason for reason in decision.reasons)
