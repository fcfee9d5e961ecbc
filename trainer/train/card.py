"""The model card: what a model is, how good, how surely, and whether it is worth its machine, in words.

Owns: the verdict and card.json. Does not own: the measurements (evaluation.json) or the page (card_page.py). Pure: from
the two documents that a run leaves to a third.
"""

from collections.abc import Mapping
from typing import Any

from train.baselines import MARKOV
from train.judge import CHAMPION

CARD_FILE = "card.json"
CARD_PAGE = "card.html"
WORTH, NOT_WORTH, UNCLEAR = "worth its machine", "not worth its machine", "not proven to be worth its machine"
_NAMES = {MARKOV: "first-order Markov counts", CHAMPION: "the champion"}


def card(report: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """card.json. `report` is evaluation.json's content, `training` training.json's or {}."""
    rivals = [found for found in report["comparisons"] if found["against"] != CHAMPION]
    verdict = verdict_of([found["verdict"] for found in rivals])
    return {
        "run_id": report["run_id"],
        "verdict": verdict,
        "words": [
            _against_baselines(verdict, rivals, report, training),
            *_against_champion(report),
            *_where_it_loses(report),
            _exposure(report),
        ],
        "cpu_minutes": training.get("cpu_minutes"),
        "quality": {
            key: report[key]
            for key in ("model", "champion", "baselines", "baseline_intervals", "comparisons", "slices")
        },
        "shown": report["shown"],
        "left_out": report["baselines_left_out"],
        "data": {
            **{key: training[key] for key in ("users", "items", "interactions") if key in training},
            "fingerprint": report["data_fingerprint"],
            "evaluated_users": report["users"],
            "protocol": report["protocol"],
        },
        "training": {
            key: training[key]
            for key in ("git_sha", "started", "seconds", "steps", "stopped_by", "trained_on", "start", "settings")
            if key in training
        },
        "curve": training.get("curve", []),
        "use": {
            "for": "the next item of a user with at least one known item; others get the most popular items",
            "not_for": "claims beyond the held-out events: these were logged under whatever chose what users saw then",
        },
    }


def verdict_of(verdicts: list[str]) -> str:
    """From how the model stands against Markov counts and the best baseline: by more than chance or not."""
    if "worse" in verdicts:
        return NOT_WORTH
    return WORTH if verdicts and set(verdicts) == {"better"} else UNCLEAR


def _against_baselines(
    verdict: str, rivals: list[dict[str, Any]], report: Mapping[str, Any], training: Mapping[str, Any]
) -> str:
    told = " and ".join(_difference(found, _name(found["against"], report["best_baseline"])) for found in rivals)
    minutes = training.get("cpu_minutes")
    cost = "an unknown time of training" if minutes is None else f"{minutes:.1f} CPU-minutes of training"
    return f"This model is {verdict}: on {report['users']:,} held-out items it {told}, for {cost}."


def _name(rival: str, best: str) -> str:
    name = _NAMES.get(rival, rival.replace("_", " "))
    return f"{name}, the best baseline" if rival == best else name


def _difference(found: Mapping[str, Any], name: str) -> str:
    verb = {"better": "beats", "worse": "loses to", "alike": "cannot be told from"}[found["verdict"]]
    interval = f"95% interval {found['low']:+.4f} to {found['high']:+.4f}"
    return f"{verb} {name} ({found['mean']:+.4f} {found['metric']}, {interval})"


def _against_champion(report: Mapping[str, Any]) -> list[str]:
    return [
        f"It {_difference(found, 'the champion')}, on the same users and catalog."
        for found in report["comparisons"]
        if found["against"] == CHAMPION
    ]


def _where_it_loses(report: Mapping[str, Any]) -> list[str]:
    """Groups in which the best baseline is above the model's interval."""
    best = report["best_baseline"]
    lost = [
        f"{kind.replace('_', ' ')} {group['name']}"
        for kind, groups in report["slices"].items()
        for group in groups
        if group["rivals"][best] > group["interval"][1]
    ]
    return [f"{best.replace('_', ' ')} is better than it for: {'; '.join(lost)}."] if lost else []


def _exposure(report: Mapping[str, Any]) -> str:
    model, wanted = report["shown"]["this model"], report["shown"]["held-out items"]
    coverage = report["model"]["metrics"][f"coverage@{report['k']}"]
    return (
        f"It shows {coverage:.0%} of the catalog in somebody's first {report['k']}. "
        f"Best-sellers get {model['head']:.0%} of those places and are {wanted['head']:.0%} of what users chose."
    )
