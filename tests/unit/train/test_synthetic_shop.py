"""The generated shop: the same for a seed, and an oracle that is the truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from train.baselines import baselines
from train.data import Sequences, read_folder
from train.evaluate import evaluate
from train.metrics import PRIMARY
from train.ranking import Histories
from train.storage import open_folder
from train.synthetic_shop import Shop, ShopSize, draw_events, main, make_shop, open_shop, oracle, true_probabilities

SMALL = ShopSize(users=400, items=120, events=4_800)


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())]


def test_a_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make_shop(tmp_path / name, seed=seed, size=SMALL)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_the_files_hold_what_was_asked(tmp_path: Path) -> None:
    summary = make_shop(tmp_path, seed=0, size=SMALL)
    events = pq.read_table(tmp_path / "interactions.parquet")
    items = pq.read_table(tmp_path / "items.parquet")
    assert events.column_names == ["user_id", "item_id", "timestamp", "rating"]
    assert len(events["user_id"].unique()) == SMALL.users
    assert items.num_rows == SMALL.items
    assert abs(events.num_rows - SMALL.events) < 0.15 * SMALL.events
    assert summary["interactions"] == events.num_rows
    assert json.loads((tmp_path / "shop.json").read_text()) == summary
    pairs = set(zip(events["user_id"].to_pylist(), events["item_id"].to_pylist(), strict=True))
    assert len(pairs) == events.num_rows  # nobody gets an item twice
    assert np.all(np.diff(events["timestamp"].to_numpy()) >= 0)


def drawn_shop(seed: int = 0, size: ShopSize = SMALL) -> tuple[Shop, np.random.Generator]:
    random = np.random.default_rng(seed)
    return open_shop(size, random), random


def test_events_follow_the_true_probabilities() -> None:
    """What users got third, over many draws of the same shop, is what the formula says: chi-squared on pooled items."""
    size = ShopSize(users=4_000, items=40, events=24_000)
    shop, random = drawn_shop(size=size)
    shop = Shop(**{**vars(shop), "taste_UC": np.tile(shop.taste_UC[:1], (size.users, 1))})
    events = draw_events(shop, size, random)
    third = events.starts_U1[:-1] + 2
    probabilities_UV = true_probabilities(
        shop, np.arange(size.users), events.items_N[third - 1], events.items_N[third - 2], events.periods_N[third]
    )
    for before in (1, 2):
        probabilities_UV[np.arange(size.users), events.items_N[third - before]] = 0
    probabilities_UV /= probabilities_UV.sum(1, keepdims=True)
    expected_V = probabilities_UV.sum(0)
    observed_V = np.bincount(events.items_N[third], minlength=size.items)
    spread_V = (probabilities_UV * (1 - probabilities_UV)).sum(0)
    assert np.abs((observed_V - expected_V) / np.sqrt(spread_V)).max() < 4.5


def test_probabilities_sum_to_one_before_seen_items_are_struck_out() -> None:
    shop, random = drawn_shop()
    users = np.arange(50)
    last, before = (random.integers(0, SMALL.items, 50) for _ in range(2))
    total_B = true_probabilities(shop, users, last, before, np.zeros(50, dtype=int)).sum(1)
    np.testing.assert_allclose(total_B, 1.0)


def test_the_oracle_on_what_happened_agrees_with_its_expectation() -> None:
    size = ShopSize(users=3_000, items=150, events=24_000)
    shop, random = drawn_shop(size=size)
    found = oracle(shop, draw_events(shop, size, random))
    for name in ("ndcg@10", "hr@10"):
        assert found["oracle"][name] == pytest.approx(found["oracle_expected"][name], abs=0.03)


def test_no_model_beats_the_oracle_and_the_truth_reaches_it(tmp_path: Path) -> None:
    make_shop(tmp_path, seed=3, size=ShopSize(users=1_500, items=150, events=15_000))
    best = json.loads((tmp_path / "shop.json").read_text())["oracle"][PRIMARY]
    sequences = read_folder(open_folder(str(tmp_path)))
    found = {name: evaluate(sequences, scorer)[PRIMARY] for name, scorer in baselines(sequences).items()}
    assert 0 < found["most_popular"] < found["markov"] < best


def test_a_scorer_with_the_true_probabilities_scores_what_the_oracle_says(shop: Sequences, shop_folder: Path) -> None:
    """The oracle ranks by the same protocol as the evaluation of a model does."""
    said = json.loads((shop_folder / "shop.json").read_text())
    size = ShopSize(**said["asked"])
    truth, random = drawn_shop(said["seed"], size)
    events = draw_events(truth, size, random)
    item_of_catalog = np.array([int(item[1:]) for item in shop.catalog.to_pylist()])
    user_of_start = dict(zip(shop.offsets_U1[:-1].tolist(), range(len(shop.users)), strict=True))

    def scores(histories: Histories) -> torch.Tensor:
        users = np.array([user_of_start[start] for start in histories.starts_B.tolist()])
        place = events.starts_U1[users + 1] - 1
        items = events.items_N
        all_BV = true_probabilities(truth, users, items[place - 1], items[place - 2], events.periods_N[place])
        return torch.from_numpy(all_BV[:, item_of_catalog])

    found = evaluate(shop, scores)
    assert found[PRIMARY] == pytest.approx(
        said["oracle"][PRIMARY], abs=2e-3
    )  # items without events do not compete here
    assert found["hr@10"] == pytest.approx(said["oracle"]["hr@10"], abs=4e-3)


def test_an_impossible_size_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "shop"), "--users", "100", "--events", "200", "--items", "5"]) == 2
    said = capsys.readouterr().err
    assert "--events = 200" in said
    assert "--items = 5" in said
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_out_of_range_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: str) -> None:
    assert main(["--out", str(tmp_path / "shop"), "--seed", seed]) == 2
    assert f"--seed = {seed}: must be between 0 and" in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()
