"""A sample of `make chaos-train`: five kills, on a folder and in a bucket, and every bit as if nothing had happened."""

from pathlib import Path

from tests.chaos import training


def test_a_training_that_is_killed_five_times_ends_with_the_weights_of_one_that_is_not(tmp_path: Path) -> None:
    told: list[str] = []

    problems, _ = training.run(tmp_path, kills=5, seed=3, tell=told.append)

    assert problems == []
    assert len(told) >= 1
