"""`python -m tests.samples SAMPLES=folder`: runs every compiled pipeline of a folder that stock images can run.

Starts a fresh local cloud, submits each sample through the Vertex AI SDK as its users do, waits, compares how it ended
with how it should end, and prints a table. Exit 1 where one of them went wrong.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.contract.cloud_process import CloudProcess
from tests.samples.catalog import Sample, samples_in
from tests.samples.running import Outcome, Runs

_AT_ONCE = 4
_LONGEST_SECONDS = 300.0


def main(argv: list[str]) -> int:
    options = _options(argv)
    online = not options.offline and index_is_reachable()
    found = [each for each in samples_in(options.samples, online=online) if options.only in each.name]
    outcomes = [Outcome(each.name, "skipped", 0.0, each.why_not) for each in found if each.why_not]
    runnable = [each for each in found if not each.why_not]
    with tempfile.TemporaryDirectory(prefix="kfp-samples-") as folder:
        cloud = CloudProcess(options.root or Path(folder) / "cloud", iam="audit").start()
        try:
            outcomes += run_all(Runs(cloud), runnable)
        finally:
            cloud.stop()
    outcomes.sort(key=lambda each: each.name)
    _show(outcomes, {each.name for each in found if each.control_flow})
    if options.out:
        options.out.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
    return int(any(each.verdict == "failed" for each in outcomes) or not runnable)


def run_all(runs: Runs, samples: list[Sample]) -> list[Outcome]:
    """A few at a time, so that the host is busy and not overloaded."""
    waiting, running, ended = list(samples), {}, []
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            sample = waiting.pop(0)
            refused = runs.submit(sample)
            if refused is not None:
                ended.append(refused)
                continue
            running[sample.name] = (sample, time.monotonic())
        for name, (sample, began) in list(running.items()):
            outcome = runs.outcome(sample, time.monotonic() - began, most=_LONGEST_SECONDS)
            if outcome is not None:
                ended.append(outcome)
                del running[name]
                sys.stderr.write(f"{outcome.verdict:8} {outcome.seconds:6.1f} s  {name}  {outcome.reason}\n")
        time.sleep(0.1)
    return ended


def index_is_reachable() -> bool:
    """Whether pip finds its package index."""
    command = [sys.executable, "-m", "pip", "index", "versions", "kfp", "--timeout", "10", "--retries", "0"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _show(outcomes: list[Outcome], control_flow: set[str]) -> None:
    table = Table("sample", "verdict", "seconds", "reason", title="Compiled pipelines on the local cloud")
    for each in outcomes:
        table.add_row(each.name, each.verdict, f"{each.seconds:.1f}" if each.seconds else "", each.reason)
    console = Console(width=200 if not sys.stdout.isatty() else None)
    console.print(table)
    count = {
        verdict: [each for each in outcomes if each.verdict == verdict] for verdict in ("passed", "failed", "skipped")
    }
    skipped = [each.name for each in count["skipped"] if each.name in control_flow]
    console.print(
        f"{len(outcomes)} listed, {len(count['passed']) + len(count['failed'])} ran: {len(count['passed'])} passed, "
        f"{len(count['failed'])} failed; {len(count['skipped'])} skipped, with control flow among them: {len(skipped)}"
    )


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.samples", description=__doc__)
    parser.add_argument("samples", type=_folder, help="a folder of compiled pipelines, also written SAMPLES=folder")
    parser.add_argument("--only", default="", help="those whose name holds this")
    parser.add_argument("--offline", action="store_true", help="install no packages, whether the index is there or not")
    parser.add_argument("--out", type=Path, help="write the outcomes to this file, as JSON")
    parser.add_argument("--root", type=Path, help="keep the cloud's files in this folder")
    return parser.parse_args(argv)


def _folder(text: str) -> Path:
    folder = Path(text.removeprefix("SAMPLES="))
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{str(folder)!r} is no folder. Give a copy of kubeflow/pipelines' test_data")
    return folder


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
