"""The training loop: it learns, stops when it should, and resumes bit for bit."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from train.baselines import MOST_POPULAR, baselines
from train.data import Sequences
from train.evaluate import evaluate
from train.loop import Interrupted, TrainingLoop
from train.metrics import PRIMARY
from train.model import SHAPES, ModelConfig, NextItemModel
from train.presets import Settings, Statistics, epoch_seconds, preset, resolve, statistics
from train.problems import Refused
from train.ranking import Histories
from train.steadiness import TrainingDiverged
from train.successors import STRENGTHS, feature_sizes, strengths_around
from train.validation import validation_users

from tests.unit.train.examples import QUICK, quiet_log, random_sequences

REVIEWS = Statistics(
    users=19_000, items=12_000, interactions=168_000, targets=110_000, median_length=4.0, events_per_item=10.8
)


def new_model(sequences: Sequences, settings: Settings) -> NextItemModel:
    torch.manual_seed(settings.seed)
    shape = {name: getattr(settings, name) for name in SHAPES}
    model = NextItemModel(ModelConfig(items=len(sequences.catalog), feature_sizes=feature_sizes(sequences), **shape))
    model.start_from_popularity(sequences.train_counts_V)
    model.successors.fit(sequences)
    return model


def loop_of(sequences: Sequences, settings: Settings = QUICK, **options: Any) -> tuple[TrainingLoop, NextItemModel]:
    model = new_model(sequences, settings)
    return TrainingLoop(model, sequences, settings, log=quiet_log(), **options), model


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that moves on by `seconds` whenever it is read."""
    time = [0.0]

    def clock() -> float:
        time[0] += seconds
        return time[0]

    return clock


def test_epochs_of_another_number_of_steps_do_not_change_the_learning_rates_course(shop: Sequences) -> None:
    """Windows are cut elsewhere in each epoch, and so are batches: a run that went on in a longer one planned anew."""
    settings = QUICK.model_copy(update={"window": 5, "batch_tokens": 64, "max_epochs": 4})
    whole, _ = loop_of(shop, settings)
    lengths = {number: len(whole._batches.epoch(number)) for number in range(settings.max_epochs)}
    longer = next(number for number, length in lengths.items() if length != lengths[0])
    planned = whole.progress.total_steps

    state = whole.state()
    state["progress"] = whole.progress.model_copy(update={"epoch": longer, "step": 1}).model_dump_json()
    resumed, _ = loop_of(shop, settings)
    resumed.restore(state)

    assert resumed.progress.total_steps == planned


def equal_states(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal_states(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal_states, one, other))
    return one == other


@pytest.mark.parametrize("stop_at", [1, 17, 40])
def test_an_interrupted_run_resumes_to_the_same_bits_as_an_uninterrupted_one(shop: Sequences, stop_at: int) -> None:
    clock = ticking(0.0)
    whole, model = loop_of(shop, clock=clock)
    whole.run()

    saved: list[dict[str, Any]] = []
    first, _ = loop_of(
        shop,
        clock=clock,
        save=lambda state, _step: saved.append(copy.deepcopy(state)),
        interrupted=lambda: first.progress.step >= stop_at,
    )
    with pytest.raises(Interrupted):
        first.run()
    assert first.progress.step == stop_at
    torch.manual_seed(12345)  # another process starts with other random numbers
    second, resumed = loop_of(shop, clock=clock)
    torch.rand(7)
    second.restore(saved[-1])
    second.run()

    assert equal_states(second.state(), whole.state())
    assert equal_states(resumed.state_dict(), model.state_dict())
    assert second.progress == whole.progress


def test_training_beats_popularity_on_a_small_shop(shop: Sequences) -> None:
    settings = QUICK.model_copy(update={"max_epochs": 8, "width": 32})
    loop, model = loop_of(shop, settings)
    progress = loop.run()
    popular = evaluate(shop, baselines(shop)[MOST_POPULAR])[PRIMARY]
    assert evaluate(shop, model.scores)[PRIMARY] > 1.25 * popular
    assert progress.curve[-1]["train_loss"] < progress.curve[0]["train_loss"]
    assert progress.stopped_by == "max_epochs"


def test_the_model_ends_with_the_best_weights_and_strength(shop: Sequences) -> None:
    loop, model = loop_of(shop)
    progress = loop.run()
    best = max(point["metrics"][PRIMARY] for point in progress.curve)
    assert progress.best == best
    assert float(model.successors.strength) == progress.chosen_strength
    again = loop._validation.look(loop._average)
    assert again.metrics[PRIMARY] <= best


def test_a_finished_run_goes_on_where_its_epochs_or_minutes_are_more_now(shop: Sequences) -> None:
    def ended(settings: Settings, state: dict[str, Any] | None = None, **options: Any) -> TrainingLoop:
        loop, _ = loop_of(shop, settings, save=lambda state, _step: saved.append(copy.deepcopy(state)), **options)
        if state is not None:
            loop.restore(state)
        loop.run()
        return loop

    saved: list[dict[str, Any]] = []
    first = ended(QUICK).progress
    assert ended(QUICK, saved[-1]).progress == first
    longer = ended(QUICK.model_copy(update={"max_epochs": 5}), saved[-1]).progress
    assert longer.epoch + 1 == 5
    assert longer.step == longer.total_steps
    assert (longer.stopped_by, longer.step > first.step) == ("max_epochs", True)

    endless = QUICK.model_copy(update={"max_epochs": 10_000, "patience_epochs": 10_000.0})
    short = ended(endless, clock=ticking(0.01), seconds=3.0).progress
    assert short.stopped_by == "max_minutes"
    same = ended(endless, saved[-1], clock=ticking(0.01), seconds=3.0).progress
    assert same.step == short.step
    more = ended(endless, saved[-1], clock=ticking(0.01), seconds=6.0).progress
    assert more.step > short.step


def test_the_loss_is_logged_between_evaluations_and_both_losses_at_them(shop: Sequences) -> None:
    heard: list[tuple[str, float, int]] = []
    log = quiet_log()
    log.observers.append(lambda name, value, step: heard.append((name, value, step)))
    settings = QUICK.model_copy(update={"max_epochs": 2, "batch_tokens": 64})
    loop = TrainingLoop(new_model(shop, settings), shop, settings, log=log)
    curve = loop.run().curve
    evaluated = {point["step"] for point in curve}
    between = [step for name, _, step in heard if name == "train_loss" and step not in evaluated]
    assert between[:2] == [50, 100]
    assert {step for name, _, step in heard if name == "validation_loss"} == evaluated
    assert all(0 < point["validation_loss"] < 2 * math.log(240) for point in curve)


def test_the_validation_loss_is_the_networks_own_on_the_validation_items(shop: Sequences) -> None:
    loop, model = loop_of(shop)
    users = validation_users(shop, QUICK)
    ends_U = shop.offsets_U1[users + 1] - 2
    histories = Histories(shop.items_N, shop.offsets_U1[users], ends_U)
    model.eval()
    with torch.no_grad():
        chances_UV = model.scores(histories, strength=0.0).double().softmax(1)
    targets_U = shop.items_N[ends_U]
    expected = -chances_UV[torch.arange(len(users)), torch.from_numpy(targets_U)].log().mean()
    assert loop._validation.look(loop._average).network_loss == pytest.approx(float(expected), rel=1e-4)


def test_the_time_budget_stops_training_before_it_is_over(shop: Sequences) -> None:
    settings = QUICK.model_copy(update={"max_epochs": 10_000})
    loop, _ = loop_of(shop, settings, clock=ticking(0.01), seconds=3.0)
    progress = loop.run()
    assert progress.stopped_by == "max_minutes"
    assert progress.seconds <= 3.1
    assert progress.total_steps < 10_000
    assert math.isfinite(progress.best)


def test_weights_that_are_judged_first_are_trained_at_the_rate_of_any_others(shop: Sequences) -> None:
    """The evaluation before the first step says nothing of how long a step takes."""
    planned: list[int] = []

    def watched() -> bool:
        if loop.progress.step:
            planned.append(loop.progress.total_steps)
        return False

    settings = QUICK.model_copy(update={"max_epochs": 10_000})
    loop, _ = loop_of(shop, settings, clock=ticking(0.01), seconds=3.0, interrupted=watched)
    loop.judge_the_start()
    progress = loop.run()
    assert progress.curve[0]["step"] == 0
    assert len(progress.curve) > 1
    assert min(planned) > 20


def test_training_stops_early_when_nothing_improves(shop: Sequences) -> None:
    settings = QUICK.model_copy(update={"max_epochs": 500, "patience_epochs": 2.0, "learning_rate": 1e-7})
    loop, _ = loop_of(shop, settings)
    assert loop.run().stopped_by == "early_stopping"


def test_a_loss_that_is_not_finite_stops_with_the_step(shop: Sequences) -> None:
    loop, model = loop_of(shop)
    with torch.no_grad():
        model.item_bias[0] = float("nan")
    with pytest.raises(TrainingDiverged, match="nan at step"):
        loop.run()


def test_evaluations_are_at_the_same_steps_whatever_the_clock(shop: Sequences) -> None:
    curves = []
    for seconds in (0.0, 0.5):
        loop, _ = loop_of(shop, clock=ticking(seconds))
        curves.append([point["step"] for point in loop.run().curve])
    assert curves[0] == curves[1]


def test_checkpoints_come_at_the_cadence(shop: Sequences) -> None:
    steps: list[int] = []
    loop, _ = loop_of(shop, clock=ticking(0.1), save=lambda _state, step: steps.append(step), save_every_seconds=2.0)
    loop.run()
    assert len(steps) > 3
    assert steps == sorted(set(steps))


def test_validation_takes_all_users_or_as_many_as_asked(shop: Sequences) -> None:
    assert len(validation_users(shop, QUICK)) == len(shop.evaluated)
    some = validation_users(shop, QUICK.model_copy(update={"validation_users": 50}))
    assert len(set(some.tolist())) == 50
    assert some.tolist() == validation_users(shop, QUICK.model_copy(update={"validation_users": 50})).tolist()


def test_the_preset_depends_on_the_data_and_flags_win(shop: Sequences) -> None:
    data = statistics(shop)
    assert data.targets == int(shop.train_lengths_U.sum() - len(shop.users))
    dense, sparse = (data.model_copy(update={"events_per_item": events}) for events in (60.0, 5.0))
    assert preset(dense) != preset(sparse)
    assert resolve(data, {"dropout": 0.35, "layers": None}).dropout == 0.35
    with pytest.raises(Refused, match=r"--dropout = 1\.5"):
        resolve(data, {"dropout": 1.5})
    with pytest.raises(Refused) as refused:
        resolve(data, {"seed": -1, "average_decay": 1.0, "warmup_steps": -1, "patience_epochs": math.nan})
    assert {p.key for p in refused.value.problems} == {
        "--seed",
        "--average-decay",
        "--warmup-steps",
        "--patience-epochs",
    }
    with pytest.raises(Refused, match="--recency-slope = nan"):
        resolve(data, {"recency_slope": math.nan})
    with pytest.raises(Refused, match="--heads = 3"):
        resolve(data, {"heads": 3})


@pytest.mark.parametrize(("minutes", "members", "dropout"), [(1, 1, 0.2), (2, 1, 0.3), (10, 4, 0.3), (60, 4, 0.4)])
def test_more_time_is_spent_on_members_and_on_forgetting(minutes: int, members: int, dropout: float) -> None:
    """On the size of a 5-core set of reviews: 12,000 items, each seen ten times."""
    found = preset(REVIEWS, core_seconds=60 * minutes)
    assert (found["members"], found["dropout"], found["negatives"]) == (members, dropout, 0)


def test_without_a_budget_the_preset_is_that_of_a_long_one() -> None:
    assert preset(REVIEWS) == preset(REVIEWS, core_seconds=1e9)


def test_a_catalog_too_large_for_the_full_softmax_is_sampled_and_validated_on_fewer_users() -> None:
    large = preset(REVIEWS.model_copy(update={"items": 1_000_000}))
    assert (large["negatives"] > 0, large["members"], large["validation_users"]) == (True, 1, 1000)
    per_target = [
        epoch_seconds(REVIEWS.model_copy(update={"items": items})) for items in (30_000, 60_000, 100_000, 1_000_000)
    ]
    assert per_target[1] > per_target[0] > per_target[2] == per_target[3]


def test_a_catalog_of_one_item_trains() -> None:
    sequences = random_sequences(users=10, items=1)
    loop, model = loop_of(sequences, QUICK.model_copy(update={"max_epochs": 1}))
    loop.run()
    assert evaluate(sequences, model.scores)["hr@10"] == 1.0


def test_the_strength_is_chosen_finely_on_every_user_where_only_some_validated(shop: Sequences) -> None:
    settings = QUICK.model_copy(update={"validation_users": 60})
    loop, model = loop_of(shop, settings)
    progress = loop.run()
    around = strengths_around(progress.best_strength)
    found = loop._validation.metrics_by_strength(shop.evaluated, around, [])
    assert found[progress.chosen_strength][PRIMARY] == max(metrics[PRIMARY] for metrics in found.values())
    assert float(model.successors.strength) == progress.chosen_strength
    hurried, _ = loop_of(shop, settings, clock=ticking(0.01), seconds=3.0)
    progress = hurried.run()
    assert progress.chosen_strength == progress.best_strength


def test_fine_strengths_lie_around_every_coarse_one() -> None:
    assert strengths_around(0.0) == (0.0, 0.125, 0.25)
    for strength in STRENGTHS:
        assert strength in strengths_around(strength)
