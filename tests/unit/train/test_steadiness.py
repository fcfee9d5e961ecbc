"""A loss that diverges: it is seen, the run goes back and learns slower, or it stops and says so."""

import copy
import math
from typing import Any

import pytest
import torch
from train.data import Sequences
from train.steadiness import STEPS_A_WINDOW, Steadiness, TrainingDiverged

from tests.unit.train.examples import QUICK
from tests.unit.train.test_loop import loop_of

LONG = QUICK.model_copy(update={"max_epochs": 8, "batch_tokens": 128})


def after(losses: list[float]) -> Steadiness:
    """Windows of the given mean losses, summed without a restart."""
    state, total = Steadiness(), 0.0
    for number, loss in enumerate(losses, start=1):
        total += loss * STEPS_A_WINDOW
        state = state.after(number * STEPS_A_WINDOW, loss_sum=total, steps=number * STEPS_A_WINDOW)
    return state


def test_a_falling_loss_is_sound_up_to_its_last_window() -> None:
    state = after([7.0, 6.0, 6.5])
    assert (state.sound_step, state.lowest) == (150, 6.0)


@pytest.mark.parametrize(
    ("losses", "said"), [([5.0, 7.1], r"rose from 5\.00 to 7\.10 at step 100"), ([5.0, math.nan], "nan at step 100")]
)
def test_a_spike_and_a_loss_that_is_not_finite_are_divergence(losses: list[float], said: str) -> None:
    with pytest.raises(TrainingDiverged, match=said):
        after(losses)


def test_a_window_counts_from_the_evaluation_where_the_sum_restarted() -> None:
    state = Steadiness().after(50, loss_sum=50.0, steps=10)  # an evaluation at step 40
    again = state.after(100, loss_sum=30 * 1.5, steps=30)  # and one at 70
    assert again.lowest == 1.5
    with pytest.raises(TrainingDiverged, match=r"from 5\.00 to 7\.50 at step 100"):
        state.after(100, loss_sum=50.0 + 50 * 7.5, steps=60)


def runs_into_trouble(shop: Sequences, *, at_step: int, times: int, **options: Any) -> tuple[Any, list[Any]]:
    """A loop whose weights become nan at a step, so many times; the states that it saved."""
    states: list[tuple[int, Any]] = []
    left = [times]
    loop, model = loop_of(
        shop,
        LONG,
        save=lambda state, step: states.append((step, copy.deepcopy(state))),
        save_every_steps=20,
        rewind=lambda step: next((state for saved, state in reversed(states) if saved <= step), None),
        **options,
    )
    step = loop._step

    def poisoned() -> None:
        step()
        if loop.progress.step == at_step and left[0]:
            left[0] -= 1
            with torch.no_grad():
                model.item_bias.fill_(math.nan)

    loop._step = poisoned  # type: ignore[method-assign]
    return loop, states


def test_a_run_that_diverges_goes_back_to_before_and_learns_slower(shop: Sequences) -> None:
    loop, states = runs_into_trouble(shop, at_step=131, times=1)
    progress = loop.run()
    assert progress.stopped_by == "max_epochs"
    assert (progress.steadiness.rollbacks, progress.steadiness.rate) == (1, 0.5)
    steps = [step for step, _ in states]
    gone_back = next(place for place in range(1, len(steps)) if steps[place] < steps[place - 1])
    assert steps[gone_back] == 100  # the last whose loss was seen to be sound
    assert all(torch.isfinite(value).all() for value in states[-1][1]["parameters"])
    usual, _ = loop_of(shop, LONG)
    assert progress.step == usual.run().step


def test_a_run_that_diverges_again_and_again_stops_and_says_so(shop: Sequences) -> None:
    loop, _ = runs_into_trouble(shop, at_step=31, times=99)
    with pytest.raises(TrainingDiverged, match="the loss is nan at step"):
        loop.run()
    assert loop.progress.steadiness.rate == 0.125


def test_a_run_without_a_state_to_go_back_to_stops(shop: Sequences) -> None:
    loop, _ = runs_into_trouble(shop, at_step=31, times=1)
    loop._rewind = lambda _step: None
    with pytest.raises(TrainingDiverged, match="the loss is nan"):
        loop.run()
