"""The memory that a run will need: against sums done by hand."""

import pytest
from train.estimate import estimate, table, too_large
from train.presets import Statistics, resolve


def stats(**changes: float) -> Statistics:
    usual = {"users": 1000, "items": 1000, "interactions": 20_000, "targets": 17_000, "median_length": 18.0}
    return Statistics(**{**usual, "events_per_item": 20.0, **changes})


def test_a_table_of_a_million_items_is_counted_for_each_copy() -> None:
    data = stats(items=1_000_000)
    rows = 1_000_000 * 65 * 4
    full = estimate(data, resolve(data, {"negatives": 0})).host
    sampled = estimate(data, resolve(data, {})).host
    for name, copies in {"weights": 1, "gradients": 1, "optimizer": 2, "average": 1, "best": 1}.items():
        assert full[name] == pytest.approx(copies * rows, rel=0.01)
    assert sampled["weights"] == pytest.approx(rows, rel=0.01)
    assert sampled["optimizer"] < 0.1 * rows
    assert sampled["gradients"] < 0.1 * rows


def test_sharding_divides_what_it_says() -> None:
    data = stats(items=1_000_000)
    settings = resolve(data, {"negatives": 0})
    whole, dense, rows = (
        estimate(data, settings, on_accelerator=True, ranks=8, sharding=sharding).accelerator
        for sharding in ("none", "dense", "table")
    )
    assert dense["optimizer"] == pytest.approx(whole["optimizer"] / 8)
    assert dense["weights"] == whole["weights"]
    for name in ("weights", "gradients", "optimizer", "average", "best"):
        assert rows[name] == pytest.approx(whole[name] / 8, rel=0.02)
    with pytest.raises(ValueError, match="'rows'"):
        estimate(data, settings, sharding="rows")


def test_four_machines_of_eight_a100_hold_a_table_that_one_of_their_gpus_does_not() -> None:
    data = stats(users=50_000_000, items=50_000_000, interactions=2_000_000_000, targets=1_900_000_000)
    settings = resolve(data, {"width": 512})
    free = {"host_free": 1360e9, "accelerator_free": 40e9}
    alone = estimate(data, settings, on_accelerator=True, ranks=32, sharding="none")
    shared = estimate(data, settings, on_accelerator=True, ranks=32, sharding="table")
    (problem,) = too_large(alone, **free)
    assert problem.key == "accelerator memory"
    assert not too_large(shared, **free)


def test_a_run_that_cannot_fit_is_refused_with_what_it_needs_and_what_is_free() -> None:
    data = stats(items=1_000_000)
    found = estimate(data, resolve(data, {}))
    assert not too_large(found, host_free=1e12)
    (problem,) = too_large(found, host_free=1e8)
    assert "only 0.10 GB are free" in problem.rule
    assert "--width" in problem.fix


def test_the_table_names_every_part_and_the_sum() -> None:
    found = estimate(stats(), resolve(stats(), {}))
    shown = table(found)
    assert f"{sum(found.host.values()) / 1e9:.2f} GB" in shown.splitlines()[0]
    assert all(name in shown for name in found.host)
    assert "accelerator" not in shown
