"""The model card: its verdict follows the measurements, and its page needs nothing but itself."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from train.baselines import MARKOV, MOST_POPULAR, baselines
from train.card import NOT_WORTH, UNCLEAR, WORTH, card, verdict_of
from train.card_page import page
from train.intervals import interval_of
from train.judge import Judge, best_of
from train.plots import Bar, bars, curve, shares

from tests.unit.train.examples import random_sequences

from .test_ranking import FixedScores

TRAINING = {
    "run_id": "run-<1>",
    "cpu_minutes": 12.34,
    "users": 90,
    "curve": [{"seconds": 2.0, "metrics": {"ndcg@10": 0.02}}, {"seconds": 4.0, "metrics": {"ndcg@10": 0.031}}],
    "settings": {"width": 64},
}


def report(scores: str = "oracle", **changes: Any) -> dict[str, Any]:
    """An evaluation's report of a model that knows the future (`oracle`) or nothing."""
    sequences = random_sequences(users=90)
    judge = Judge(sequences, users=sequences.evaluated)
    scores_UV = torch.zeros(len(sequences.users), len(sequences.catalog))
    if scores == "oracle":
        targets = torch.from_numpy(sequences.items_N[sequences.offsets_U1[1:] - 1])
        scores_UV[torch.arange(len(targets)), targets] = 1.0
    judged = judge.rank(FixedScores(sequences, scores_UV))
    known = baselines(sequences)
    ranked = {name: judge.rank(known[name]) for name in (MOST_POPULAR, MARKOV)}
    return {
        "run_id": "run-<1>",
        "model": {"uri": "/m", **judge.scored(judged)},
        "champion": {"uri": "/c", **judge.scored(judged)},
        "baselines": {name: judge.metrics(each) for name, each in ranked.items()},
        "baseline_intervals": {name: interval_of(each.values["ndcg@10"]) for name, each in ranked.items()},
        "baselines_left_out": {"ease": "the catalog has 9,000 items"},
        "best_baseline": best_of(ranked),
        "comparisons": judge.comparisons(judged, judged, ranked),
        "slices": judge.slices(judged, {"champion": judged, **ranked}),
        "shown": judge.shown({"this model": judged, **ranked}),
        "users": len(judge.users),
        "k": 10,
        "protocol": "full ranking",
        "data_fingerprint": "f",
    } | changes


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["better", "better"], WORTH),
        (["better"], WORTH),
        (["better", "alike"], UNCLEAR),
        (["better", "worse"], NOT_WORTH),
        (["alike", "worse"], NOT_WORTH),
        ([], UNCLEAR),
    ],
)
def test_a_model_is_worth_it_where_it_beats_both_by_more_than_chance(verdicts: list[str], verdict: str) -> None:
    assert verdict_of(verdicts) == verdict


def test_the_words_say_against_whom_how_surely_and_at_which_cost() -> None:
    made = card(report(), TRAINING)
    assert made["verdict"] == WORTH
    first = made["words"][0]
    assert first.startswith("This model is worth its machine: on ")
    assert re.search(
        r"beats .*the best baseline.* \(\+0\.\d{4} ndcg@10, 95% interval \+0\.\d{4} to \+0\.\d{4}\)", first
    )
    assert "for 12.3 CPU-minutes of training" in first
    assert "cannot be told from the champion (+0.0000" in made["words"][1]
    assert "unknown time" in card(report(), {})["words"][0]


def test_a_model_that_knows_nothing_is_not_worth_it_and_the_groups_it_loses_are_named() -> None:
    changed = report("nothing")
    groups = changed["slices"]["user_activity"]
    groups[0]["rivals"][changed["best_baseline"]] = groups[0]["interval"][1] + 0.001
    made = card(changed, TRAINING)
    assert made["verdict"] in (NOT_WORTH, UNCLEAR)
    assert f"is better than it for: user activity {groups[0]['name']}" in " ".join(made["words"])


class Page(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [name for name, _ in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.loads += [tag] if tag in ("script", "link", "iframe", "img", "object") else []

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_loads_nothing_is_dark_or_light_and_escapes_what_it_shows() -> None:
    html = page(card(report(), TRAINING))
    read = Page()
    read.feed(html)
    assert read.loads == []
    assert not re.search(r"https?:|@import|url\(", html)
    assert "prefers-color-scheme: dark" in html
    assert "<1>" not in html
    assert html.count("<svg ") == html.count('role="img" aria-label="') == 5
    for words in (
        "worth its machine",
        "item popularity",
        "user activity",
        "ease is left out",
        "12.34",
        "Learning curve",
    ):
        assert words in read.text


def test_a_card_without_a_curve_has_a_page() -> None:
    assert "Learning curve" not in page(card(report(champion=None), {}))


def test_marks_stand_where_their_values_are() -> None:
    drawn = bars([Bar("a", 0.5, (0.4, 0.6), mark=0.3), Bar("b", 0.25)], title="t")
    widths = [float(width) for width in re.findall(r'<rect class="bar" .*?width="([\d.]+)"', drawn)]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    (low, high), (mark,) = (
        next(tuple(map(float, found)) for found in re.findall(r'class="whisker" x1="([\d.]+)" x2="([\d.]+)"', drawn)),
        [float(found) for found in re.findall(r'class="mark" x1="([\d.]+)"', drawn)],
    )
    left = 170
    assert (low - left, high - left, mark - left) == pytest.approx(
        (widths[0] * 0.8, widths[0] * 1.2, widths[0] * 0.6), abs=0.2
    )
    heights = re.findall(
        r"[\d.]+,([\d.]+)", re.findall(r'points="([^"]+)"', curve([(0, 0.1), (5, 0.2)], title="c", x_name="s"))[0]
    )
    assert float(heights[0]) > float(heights[1])
    divided = shares({"one": {"head": 0.25, "tail": 0.75}}, title="s")
    parts = [float(width) for width in re.findall(r'class="part\d" .*?width="([\d.]+)" height="18"', divided)]
    assert parts[1] == pytest.approx(3 * parts[0], abs=0.2)
