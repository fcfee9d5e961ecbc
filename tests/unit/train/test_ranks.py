"""One, two and four ranks make the same model of the same global batches; what they agree on, and how they part."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from train.batches import Batches
from train.data import Sequences
from train.evaluate import evaluate
from train.learner import learner_of
from train.loop import Interrupted, TrainingLoop
from train.model import NextItemModel
from train.presets import Settings
from train.ranks import ALONE, RankLost, Ranks

from tests.unit.train.examples import QUICK, quiet_log
from tests.unit.train.several import on_ranks
from tests.unit.train.test_loop import new_model

EXACT = QUICK.model_copy(update={"dropout": 0.0, "members": 2})
SAMPLED = EXACT.model_copy(update={"negatives": 40})
_STEPS = 12


def parameters(model: NextItemModel) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in model.parameters()]


def learned(ranks: Ranks, sequences: Sequences, settings: Settings) -> tuple[list[float], list[np.ndarray]]:
    """Losses and weights of a few steps, in double precision: Adam makes much of a gradient's last bits."""
    model = new_model(sequences, settings).double()
    learner = learner_of(model, settings, counts_V=sequences.train_counts_V, ranks=ranks)
    learner._low_precision = False  # bfloat16 rounds each rank's part by itself
    batches = Batches(sequences, window=settings.window, tokens=settings.batch_tokens, seed=settings.seed)
    epoch = batches.epoch(0)
    model.train()
    losses = []
    for step in range(_STEPS):
        torch.manual_seed(step)
        losses.append(float(learner.step(batches.batch(epoch, step), share=1.0)))
    return losses, parameters(model)


def assert_same(one: tuple[list[float], list[np.ndarray]], other: tuple[list[float], list[np.ndarray]]) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for ours, theirs in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("settings", [EXACT, SAMPLED], ids=["full", "sampled"])
@pytest.mark.parametrize("count", [2, 4])
def test_ranks_learn_from_their_parts_what_one_learns_from_the_whole(
    shop: Sequences, settings: Settings, count: int
) -> None:
    alone = learned(ALONE, shop, settings)
    together = on_ranks(count, functools.partial(learned, sequences=shop, settings=settings))
    assert_same(together[0], alone)
    for other in together[1:]:
        assert other[0] == together[0][0]
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(other[1], together[0][1], strict=True))


@pytest.mark.parametrize("settings", [EXACT, SAMPLED], ids=["full", "sampled"])
def test_gradients_of_parts_add_up_to_those_of_the_whole_batch(shop: Sequences, settings: Settings) -> None:
    whole = learned(ALONE, shop, settings)
    assert_same(learned(ALONE, shop, settings.model_copy(update={"accumulate": 3})), whole)
    for ranks in on_ranks(
        2, functools.partial(learned, sequences=shop, settings=settings.model_copy(update={"accumulate": 2}))
    ):
        assert_same(ranks, whole)


def test_parts_of_a_batch_hold_each_target_once_behind_its_own_history(shop: Sequences) -> None:
    batches = Batches(shop, window=8, tokens=256, seed=0)
    batch = batches.batch(batches.epoch(0), 3)
    parts = [batch.part(number, 3) for number in range(3)]

    def pairs(part: Any) -> list[tuple[int, ...]]:
        rows = part.places_T // part.items_BL.shape[1]
        inputs = part.items_BL.flatten()[part.places_T]
        lines = zip(part.items_BL[rows].tolist(), inputs.tolist(), part.targets_T.tolist(), strict=True)
        return sorted((*history, item, target) for history, item, target in lines)

    assert sorted(line for part in parts for line in pairs(part)) == pairs(batch)
    nobody = batch.part(len(batch.items_BL), len(batch.items_BL) + 1)
    assert len(nobody.targets_T) == 0


def run_of(ranks: Ranks, sequences: Sequences, **options: Any) -> Any:
    model = new_model(sequences, QUICK)
    told = (lambda: ranks.rank == options["stopped"]) if "stopped" in options else (lambda: False)
    saved: list[int] = []
    limit = {"seconds": options["seconds"]} if "seconds" in options else {}
    loop = TrainingLoop(
        model,
        sequences,
        QUICK,
        log=quiet_log(),
        ranks=ranks,
        interrupted=told,
        save=lambda _state, step: saved.append(step),
        **limit,
    )
    try:
        progress = loop.run()
    except Interrupted:
        return "interrupted", sorted(set(saved))
    return progress.step, progress.curve, evaluate(sequences, model.scores, ranks=ranks), parameters(model)


def test_ranks_validate_together_and_end_with_the_same_model(shop: Sequences) -> None:
    alone = run_of(ALONE, shop)
    first, second = on_ranks(2, functools.partial(run_of, sequences=shop))
    assert first[:3] == second[:3]
    assert all(np.array_equal(one, other) for one, other in zip(first[3], second[3], strict=True))
    assert first[0] == alone[0]
    assert first[2]["ndcg@10"] == pytest.approx(alone[2]["ndcg@10"], rel=0.25)  # other dropout masks


def test_a_time_budget_ends_all_ranks_at_the_same_step(shop: Sequences) -> None:
    first, second = on_ranks(2, functools.partial(run_of, sequences=shop, seconds=0.3))
    assert first[:3] == second[:3]


def test_a_rank_that_is_told_to_stop_stops_all_at_the_same_step(shop: Sequences) -> None:
    assert on_ranks(2, functools.partial(run_of, sequences=shop, stopped=1)) == [("interrupted", [0])] * 2


def lost(ranks: Ranks) -> str:
    if ranks.rank == 1:
        return "gone"
    try:
        while True:
            ranks.add(torch.zeros(1))
    except RankLost as error:
        return str(error)


def test_a_rank_that_ends_is_noticed_at_once() -> None:
    first, _ = on_ranks(2, lost)
    assert first.startswith("rank 0 lost another rank")


def told(ranks: Ranks) -> Any:
    mine = torch.full((2,), float(ranks.rank + 1))
    return (
        ranks.add(mine.clone()).tolist(),
        ranks.greatest(mine.clone()).tolist(),
        [part.tolist() for part in ranks.gathered(mine)],
        ranks.of_first(float(ranks.rank + 5)),
        ranks.decided(lambda: {"rank": ranks.rank}),
        ranks.same("one"),
        ranks.same(str(ranks.rank)),
        ranks.divided(np.arange(5), lambda users: users[np.newaxis] * 10).tolist(),
        ranks.divided(np.arange(1), lambda users: users[np.newaxis] + 7).tolist(),
    )


def test_what_ranks_tell_one_another_is_the_same_on_all() -> None:
    both = ([3.0, 3.0], [2.0, 2.0], [[1.0, 1.0], [2.0, 2.0]], 5.0, {"rank": 0}, True, False)
    assert on_ranks(2, told) == [(*both, [[0.0, 10.0, 20.0, 30.0, 40.0]], [[7.0]])] * 2
