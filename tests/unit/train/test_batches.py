"""Training windows: what an epoch holds, and that it is a function of seed and epoch."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from train.batches import Batches
from train.data import Sequences

from tests.unit.train.examples import random_sequences, sequences_of


def pairs_of_epoch(batches: Batches, number: int) -> list[tuple[int, int]]:
    """Every (input item, target item) of an epoch."""
    epoch = batches.epoch(number)
    pairs = []
    for index in range(len(epoch)):
        batch = batches.batch(epoch, index)
        inputs = batch.items_BL.flatten()[batch.places_T]
        pairs += list(zip(inputs.tolist(), batch.targets_T.tolist(), strict=True))
    return pairs


def pairs_to_learn(sequences: Sequences) -> list[tuple[int, int]]:
    pairs = []
    for start, length in zip(sequences.offsets_U1[:-1], sequences.train_lengths_U, strict=True):
        learned = sequences.items_N[start : start + length].tolist()
        pairs += list(pairwise(learned))
    return pairs


@given(st.integers(1, 20), st.integers(1, 200), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_every_learnable_event_is_a_target_once_an_epoch(window: int, tokens: int, number: int) -> None:
    sequences = random_sequences()
    batches = Batches(sequences, window=window, tokens=tokens, seed=0)
    assert Counter(pairs_of_epoch(batches, number)) == Counter(pairs_to_learn(sequences))


def test_batches_keep_to_window_and_tokens_with_little_padding(shop: Sequences) -> None:
    batches = Batches(shop, window=10, tokens=128, seed=0)
    epoch = batches.epoch(0)
    places = 0
    for index in range(len(epoch)):
        batch = batches.batch(epoch, index)
        assert batch.items_BL.shape[1] <= 10
        assert batch.items_BL.numel() <= 128
        places += batch.items_BL.numel()
    assert epoch.targets == batches.targets
    assert places <= 1.1 * epoch.targets


def test_an_epoch_is_the_same_for_a_seed_and_another_for_the_next(shop: Sequences) -> None:
    first, again, other_seed = (Batches(shop, window=10, tokens=128, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.epoch(3).starts_W, again.epoch(3).starts_W)
    assert not np.array_equal(first.epoch(3).starts_W, first.epoch(4).starts_W)
    assert not np.array_equal(first.epoch(3).starts_W, other_seed.epoch(3).starts_W)


def test_long_histories_are_cut_at_another_place_each_epoch() -> None:
    batches = Batches(sequences_of([[f"i{item:03d}" for item in range(60)]]), window=10, tokens=1_000, seed=0)
    cuts = {tuple(sorted(batches.epoch(number).starts_W.tolist())) for number in range(10)}
    assert len(cuts) > 3


@pytest.mark.parametrize("histories", [[["a", "b", "c"]], [["a"], ["b", "c", "d", "a"]]])
def test_short_histories_make_no_empty_batch(histories: list[list[str]]) -> None:
    batches = Batches(sequences_of(histories), window=5, tokens=10, seed=0)
    assert len(pairs_of_epoch(batches, 0)) == batches.targets
