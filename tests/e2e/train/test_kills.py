"""A sample of `make chaos-train`: five kills, on a folder and in a bucket, and every bit as if nothing had happened.

In an interpreter of its own: it forks, and a process that has computed gradients must not.
"""

import os
import subprocess
import sys


def test_a_training_that_is_killed_five_times_ends_with_the_weights_of_one_that_is_not() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos.training", "--kills", "5", "--seed", "3"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 kills, seed 3" in ended.stdout
    assert "no checkpoint lost, every bit the same" in ended.stdout
