"""The local stack from nothing to a trained model: `python -m local.stack up`, and how it is stopped and taken down.

Owns: the order of the chain. Each link is the one that Google Cloud's stacks use too: the engine on the one program,
ingestion and submission from stack outputs. Does not own: any of the links.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.problems import Refused
from local import dataset, engines, images, server
from local.layout import STACK, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.outcome import Outcome

_REFUSED = 3


class StageError(Exception):
    """A link of the chain ended with an error, which it has told itself."""

    def __init__(self, stage: str, reason: str, *, code: int = 1) -> None:
        super().__init__(reason)
        self.stage = stage
        self.code = code


def up(layout: Layout, *, data: str, engine: engines.EngineName, began: float, parameters: list[str]) -> int:
    """Bring the stack up, bring the data in, train, report. `began`: when `make` did, in seconds since the epoch."""
    from local.outcome import Outcome

    outcome = Outcome(engine=engine, seconds={"install": max(0.0, time.time() - began)})
    try:
        run_name, outputs = _chain(layout, outcome, data=data, engine=engine, parameters=parameters)
        outcome.seconds["total"] = time.time() - began
        succeeded = outcome.write_run(layout, outputs, run_name)
    except (StageError, Refused, server.CloudError, engines.EngineError) as error:
        outcome.seconds["total"] = time.time() - began
        stage = error.stage if isinstance(error, StageError) else "bring-up"
        outcome.write_failure(layout, stage, str(error))
        _say(f"\n{error}\nReport: {_shown(layout.report_json)}", error=True)
        return error.code if isinstance(error, StageError) else _REFUSED if isinstance(error, Refused) else 1
    _say(f"\nReport: {_shown(layout.report_html)} and {_shown(layout.report_json)}")
    _say("The local cloud keeps running (`make stop` ends it and keeps its state, `make down` takes the stack down).")
    return 0 if succeeded else 1


def _chain(layout: Layout, outcome: "Outcome", *, data: str, engine: engines.EngineName, parameters: list[str]):
    """Every link up to the end of the run; returns the run's name and the stack's outputs."""
    prepared = dataset.prepare(layout, data)
    outcome.data_description, outcome.oracle = prepared.description, prepared.oracle or {}
    with _step("Local cloud"):
        address = server.ensure_started(layout)
        images.register(layout, address, _repository(layout))
    environment = address.environment()
    with _step(f"Stack ({engine} engine)"):
        outcome.engine_result = engines.up(engine, layout, environment)
        outcome.seconds["plan"] = outcome.engine_result.plan_seconds
        outcome.seconds["apply"] = outcome.engine_result.apply_seconds
    outputs = _outputs(layout)
    images.warm(address, outputs)
    with _step(f"Data ({prepared.description})"):
        outcome.ingestion = _ingest(layout, prepared.folder)
    with _step("Training run"):
        return _submit(parameters, outputs), outputs


def _ingest(layout: Layout, folder: Path) -> dict | None:
    answer = layout.home / "ingestion.json"
    answer.unlink(missing_ok=True)
    done = _module("pipeline.ingest", "--data", str(folder), "--json", str(answer), "--replace")
    found = json.loads(answer.read_text()) if answer.exists() else None
    if done.returncode:
        raise StageError("validate", "The data were refused, nothing was loaded; see above", code=done.returncode)
    return found


def _submit(parameters: list[str], outputs) -> str:
    """Submit and follow; the run's own failure is no error here, since its report tells it."""
    from pipeline.submit import submit

    name = submit(outputs, parameters)
    _say(f"Submitted {name}")
    _module("pipeline.submit", "--follow", name)
    return name


def _outputs(layout: Layout):
    from pipeline import stack_reader

    os.environ["PULUMI_BACKEND_URL"] = f"file://{layout.state}"
    return stack_reader.read(STACK)


def _module(module: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, "--stack", STACK, *arguments], check=False)


def _repository(layout: Layout) -> str:
    import yaml

    from infra.naming import Names

    config = yaml.safe_load((layout.root / f"Pulumi.{STACK}.yaml").read_text())["config"]
    return Names(project=config["gcp:project"], region=config["gcp:region"]).repository_url


def stop(layout: Layout) -> int:
    """End the local cloud and keep its state."""
    stopped = server.stop(layout)
    _say("The local cloud is stopped; `make up` starts it again with its state." if stopped else "No local cloud runs.")
    return 0


def down(layout: Layout, *, engine: engines.EngineName) -> int:
    """Destroy the stack, then end the cloud and forget the project: what the jobs left in it goes too."""
    import shutil

    try:
        if engines.stack_exists(layout):
            address = server.ensure_started(layout)
            images.register(layout, address, _repository(layout))
            engines.destroy(engine, layout, address.environment())
        server.stop(layout)
    except (server.CloudError, engines.EngineError) as error:
        _say(f"\n{error}", error=True)
        return 1
    for folder in (layout.cloud, layout.images):
        shutil.rmtree(folder, ignore_errors=True)
    _say("The stack is down.")
    return 0


@contextmanager
def _step(title: str) -> "Iterator[None]":
    began = time.monotonic()
    _say(f"\n── {title}")
    yield
    _say(f"   {time.monotonic() - began:.1f} s")


def _say(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.stack", description="The platform on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bring_up = verbs.add_parser("up", help="bring the stack up, train and report", description=up.__doc__)
    bring_up.add_argument(
        "--data", default="", help="a folder with interactions.parquet or a ratings file; default: a shop"
    )
    bring_up.add_argument(
        "--began", type=float, default=None, help="when the command began, in seconds since the epoch"
    )
    bring_up.add_argument("parameters", nargs="*", metavar="name=value", help="pipeline parameters")
    verbs.add_parser("stop", help="end the local cloud, keep its state", description=stop.__doc__)
    take_down = verbs.add_parser("down", help="destroy the stack", description=down.__doc__)
    for verb in (bring_up, take_down):
        verb.add_argument("--engine", choices=["embedded", "pulumi"], default="embedded")
    return parser


def main() -> int:
    options, layout = _parser().parse_args(), Layout()
    if options.verb == "stop":
        return stop(layout)
    if options.verb == "down":
        return down(layout, engine=options.engine)
    began = options.began or time.time()
    return up(layout, data=options.data, engine=options.engine, began=began, parameters=options.parameters)


if __name__ == "__main__":
    sys.exit(main())
