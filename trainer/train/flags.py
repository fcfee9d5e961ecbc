"""The flags of `python -m train.main`: what a run may be told beside its environment.

Owns: the flags that are about the run, and their rules. Does not own: the model's and training's (presets.py), or how a
run starts (warm_start.py).
"""

import argparse

import torch

from train import warm_start
from train.checkpoint import KEPT
from train.presets import MOST_THREADS, add_flags
from train.problems import Problem

_MOST_PROCESSES = 256


def add_run_flags(result: argparse.ArgumentParser) -> None:
    """The run's flags, and those of its start, of model and training."""
    result.add_argument(
        "--max-minutes", type=float, help="time budget of the whole run, evaluation included (default: none)"
    )
    result.add_argument(
        "--source", choices=("parquet", "bigquery"), default="parquet", help="read STAGING_PREFIX or FEEDBACK_TABLE"
    )
    result.add_argument("--device", default="auto", help="auto, cpu or cuda")
    result.add_argument("--threads", type=int, default=1, help="CPU threads; one is the fastest for small models")
    result.add_argument(
        "--processes", type=int, default=1, help="ranks on this machine, each with its threads (on GPUs: one for each)"
    )
    result.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, help="time between checkpoints; more where they are dear"
    )
    result.add_argument("--checkpoint-steps", type=int, default=0, help="steps between them (default: any number)")
    result.add_argument(
        "--checkpoint-keep", type=int, default=KEPT, help="how many of the newest are kept, beside two older"
    )
    result.add_argument(
        "--health-port", type=int, help="serve /healthz and /metrics (default: HEALTH_PORT, else nothing)"
    )
    result.add_argument(
        "--export",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="store a serving bundle beside the model (default: yes)",
    )
    result.add_argument(
        "--estimate", action="store_true", help="only tell what memory and time the run would take, in a table"
    )
    warm_start.add_flags(result)
    add_flags(result)


def flag_problems(flags: argparse.Namespace) -> list[Problem]:
    problems = warm_start.flag_problems(flags)
    if flags.max_minutes is not None and not 0 < flags.max_minutes <= 60 * 24 * 30:
        problems.append(
            Problem(
                "--max-minutes", flags.max_minutes, "must be above 0 and at most 30 days", "Leave it out for no limit"
            )
        )
    if flags.device not in ("auto", "cpu", "cuda"):
        problems.append(Problem("--device", flags.device, "must be auto, cpu or cuda", "Leave it out for auto"))
    if flags.device == "cuda" and not torch.cuda.is_available():
        problems.append(
            Problem("--device", flags.device, "no CUDA device is available here", "Leave it out, or ask for cpu")
        )
    if not 1 <= flags.threads <= MOST_THREADS:
        problems.append(Problem("--threads", flags.threads, f"must be between 1 and {MOST_THREADS}", "Leave it out"))
    if not 1 <= flags.processes <= _MOST_PROCESSES:
        rule = f"must be between 1 and {_MOST_PROCESSES}"
        problems.append(Problem("--processes", flags.processes, rule, "Ask for as many as this machine has cores"))
    elif flags.device == "cuda" and flags.processes > torch.cuda.device_count():
        rule = f"this machine has {torch.cuda.device_count()} CUDA device(s), and each rank needs its own"
        problems.append(Problem("--processes", flags.processes, rule, "Ask for as many as there are"))
    if not 0 < flags.checkpoint_seconds <= 60 * 60 * 24 * 30:
        rule = "must be above 0 and at most 30 days"
        problems.append(Problem("--checkpoint-seconds", flags.checkpoint_seconds, rule, "Leave it out"))
    if not 0 <= flags.checkpoint_steps <= 10**9:
        rule = "must be between 0 (no limit) and 1,000,000,000"
        problems.append(Problem("--checkpoint-steps", flags.checkpoint_steps, rule, "Leave it out"))
    if not 1 <= flags.checkpoint_keep <= 1000:
        problems.append(
            Problem("--checkpoint-keep", flags.checkpoint_keep, "must be between 1 and 1000", "Leave it out")
        )
    if flags.health_port is not None and not 0 < flags.health_port < 65536:
        problems.append(
            Problem("--health-port", flags.health_port, "must be a port between 1 and 65535", "Leave it out")
        )
    return problems
