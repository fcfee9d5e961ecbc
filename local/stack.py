"""The local stack from nothing to a trained model: `python -m local.stack up`, and how it is stopped and taken down.

Owns: the order of the chain. Each link is the one that Google Cloud's stacks use too: the engine on the one program,
ingestion and submission from stack outputs. Does not own: any of the links.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.problems import Refused
from local import dataset, engines, images, server, unended
from local.layout import STACK, Layout
from local.turn import turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.stack_outputs import StackOutputs
    from local.outcome import Outcome

_FAILED = 1
_REFUSED = 3
_REFUSED_BY_SERVICE = 4
_INTERRUPTED = 130
_PATIENCE_SECONDS = 2  # the loopback refuses only where nothing listens any more


class DataRefusedError(Exception):
    """The data broke a rule; which one stands above."""


def up(layout: Layout, *, data: str, engine: engines.EngineName, began: float, parameters: list[str]) -> int:
    """Bring the stack up, bring the data in, train, report. `began`: when `make` did, in seconds since the epoch."""
    from local.outcome import Outcome

    outcome = Outcome(engine=engine, seconds={"install": max(0.0, time.time() - began)})
    try:
        outputs = _chain(layout, outcome, data=data, engine=engine, parameters=parameters)
        outcome.seconds["total"] = time.time() - began
        succeeded = outcome.write_run(layout, outputs, outcome.run_name)
    except (Exception, KeyboardInterrupt) as error:
        told = _told(layout, outcome, error)
        if told is None:
            raise
        outcome.seconds["total"] = time.time() - began
        outcome.write_failure(layout, told[0])
        _say(f"\n{told[0]}\nReport: {_shown(layout.report_json)}", error=True)
        return told[1]
    _say(f"\nReport: {_shown(layout.report_html)} and {_shown(layout.report_json)}")
    if layout.card_html.exists():
        _say(f"Model card: {_shown(layout.card_html)}")
    _say("The local cloud keeps running (`make stop` ends it and keeps its state, `make down` takes the stack down).")
    return 0 if succeeded else _FAILED


def _told(layout: Layout, outcome: "Outcome", error: BaseException) -> tuple[str, int] | None:
    """An error in words, and the exit code; None for one that is nobody's but ours."""
    from pipeline.command import told_by_google

    if isinstance(error, KeyboardInterrupt):
        return f"Interrupted. {_how_to_go_on(outcome)}", _INTERRUPTED
    if isinstance(error, server.CloudError):
        return str(error), _FAILED
    if outcome.stage != "data" and server.find(layout) is None:
        reason = f"The local cloud has ended meanwhile; the end of {_shown(layout.cloud_log)} may tell why"
        return f"{reason}. {_how_to_go_on(outcome, runs=False)}", _FAILED
    if isinstance(error, engines.EngineError):
        return str(error), _FAILED
    if isinstance(error, Refused | DataRefusedError):
        return str(error), _REFUSED
    told = told_by_google(error) if isinstance(error, Exception) else None
    return (told, _REFUSED_BY_SERVICE) if told else None


def _how_to_go_on(outcome: "Outcome", *, runs: bool = True) -> str:
    if not outcome.run_name:
        return "Nothing is lost: `make up` goes on from here"
    run_id = outcome.run_name.rpartition("/")[2]
    if runs:
        return f"The run goes on. Follow it: python -m pipeline.submit --stack {STACK} --follow {run_id}"
    return f"Nothing is lost: `make up` starts it again, and run {run_id} is taken up where it was"


def _chain(
    layout: Layout, outcome: "Outcome", *, data: str, engine: engines.EngineName, parameters: list[str]
) -> "StackOutputs":
    """Every link up to the end of the run; returns the stack's outputs."""
    prepared = dataset.prepare(layout, data)
    outcome.data_description, outcome.oracle = prepared.description, prepared.oracle or {}
    with _step(outcome, "cloud", "Local cloud"):
        address = server.ensure_started(layout)
        _require_same_place(layout, address)
        images.register(layout, address, _repository(layout))
    with _step(outcome, "stack", f"Stack ({engine} engine)"):
        outcome.engine_result = engines.up(engine, layout, address.environment())
        outcome.seconds["plan"] = outcome.engine_result.plan_seconds
        outcome.seconds["apply"] = outcome.engine_result.apply_seconds
        _say(", ".join(f"{count} {what}" for what, count in outcome.engine_result.counts().items()))
        outputs = _outputs(layout)
        images.warm(address, outputs)
    _end_earlier(layout, outcome, outputs)
    with _step(outcome, "validate", f"Data ({prepared.description})"):
        _ingest(outcome, outputs, prepared.path)
    with _step(outcome, "run", "Training run"):
        _run(layout, outcome, outputs, parameters)
    return outputs


def _end_earlier(layout: Layout, outcome: "Outcome", outputs: "StackOutputs") -> None:
    """Tell what became of interrupted runs, and let those that go on end: two at a time would race for the champion."""
    from pipeline.follow import follow

    outcome.earlier_runs = unended.states(layout, outputs)
    for run in outcome.earlier_runs:
        _say(unended.told(run))
        if unended.goes_on(run):
            follow(outputs, run["name"], patience_seconds=_PATIENCE_SECONDS)
    ended = {run["name"]: run for run in unended.states(layout, outputs)}
    outcome.earlier_runs = [ended.get(run["name"], run) for run in outcome.earlier_runs]


def _ingest(outcome: "Outcome", outputs: "StackOutputs", path: Path) -> None:
    from pipeline.ingest import ingest

    done = ingest(outputs, path, replace_foreign=True)
    outcome.ingestion = done.model_dump(mode="json")
    _say(done.text())
    if not done.accepted:
        raise DataRefusedError("The data were refused: nothing was loaded, no run was submitted")


def _run(layout: Layout, outcome: "Outcome", outputs: "StackOutputs", parameters: list[str]) -> None:
    """Submit and follow; the run's own failure is no error here, since its report tells it."""
    from pipeline.follow import follow
    from pipeline.submit import submit

    outcome.run_name = submit(outputs, parameters)
    unended.remember(layout, outcome.run_name)
    _say(f"Submitted {outcome.run_name}")
    follow(outputs, outcome.run_name, patience_seconds=_PATIENCE_SECONDS)
    unended.forget(layout, outcome.run_name)


def _outputs(layout: Layout) -> "StackOutputs":
    from pipeline import stack_reader

    os.environ["PULUMI_BACKEND_URL"] = f"file://{layout.state}"
    return stack_reader.read(STACK)


def _require_same_place(layout: Layout, address: "server.Address") -> None:
    """Raise Refused where the stack's state is of another project than its file, or of another cloud."""
    from doctor.guard import require_same_place

    require_same_place(layout.root, STACK, {**os.environ, **address.environment()})


def _repository(layout: Layout) -> str:
    import yaml

    from infra.naming import Names

    config = yaml.safe_load((layout.root / f"Pulumi.{STACK}.yaml").read_text())["config"]
    return Names(project=config["gcp:project"], region=config["gcp:region"]).repository_url


def plan(layout: Layout, *, state: str) -> int:
    """Show what `up` would do to the stack, with the images that the checkout makes; starts and asks no cloud."""
    images.lock(layout, _repository(layout))
    return engines.plan(layout, state=state)


def stop(layout: Layout) -> int:
    """End the local cloud and keep its state."""
    stopped = server.stop(layout)
    _say("The local cloud is stopped; `make up` starts it again with its state." if stopped else "No local cloud runs.")
    return 0


def console(layout: Layout) -> int:
    """Tell the link that opens the console; start the local cloud if it does not run."""
    from local.cloud.console.command import tell
    from local.cloud.console.sessions import PATH

    address = server.find(layout)
    try:
        if address is None:
            with turn(layout, "console"):
                address = server.ensure_started(layout)
        link = address.call("POST", f"{PATH}/tickets")["url"]
    except server.CloudError as error:
        _say(str(error), error=True)
        return _FAILED
    except OSError as error:
        _say(f"The local cloud gives no link ({error}). End it with `make stop`, then try again", error=True)
        return _FAILED
    tell(link, open_it=None)
    return 0


def down(layout: Layout, *, engine: engines.EngineName) -> int:
    """Destroy the stack, then end the cloud and forget the project: what the jobs left in it goes too."""
    import shutil

    try:
        if engines.stack_exists(layout):
            address = server.ensure_started(layout)
            _require_same_place(layout, address)
            images.register(layout, address, _repository(layout))
            engines.destroy(engine, layout, address.environment())
        server.stop(layout)
    except (server.CloudError, engines.EngineError) as error:
        _say(f"\n{error}", error=True)
        return _FAILED
    for folder in (layout.cloud, layout.images):
        shutil.rmtree(folder, ignore_errors=True)
    layout.unended_runs.unlink(missing_ok=True)
    _say("The stack is down.")
    return 0


@contextmanager
def _step(outcome: "Outcome", stage: str, title: str) -> "Iterator[None]":
    began, outcome.stage = time.monotonic(), stage
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
    planned = verbs.add_parser("plan", help="show what up would do to the stack", description=plan.__doc__)
    planned.add_argument("--state", default="", metavar="FILE", help="plan on this state, not on the stack's own")
    verbs.add_parser("stop", help="end the local cloud, keep its state", description=stop.__doc__)
    verbs.add_parser("console", help="open the local cloud's page", description=console.__doc__)
    take_down = verbs.add_parser("down", help="destroy the stack", description=down.__doc__)
    for verb in (bring_up, take_down):
        verb.add_argument("--engine", choices=["embedded", "pulumi"], default="embedded")
    return parser


def main() -> int:
    options, layout = _parser().parse_args(), Layout()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends this command as Ctrl-C does
    try:
        if options.verb in ("stop", "console"):
            return (stop if options.verb == "stop" else console)(layout)
        if options.verb == "plan":
            return plan(layout, state=options.state)
        with turn(layout, options.verb):
            if options.verb == "down":
                return down(layout, engine=options.engine)
            began = options.began or time.time()
            return up(layout, data=options.data, engine=options.engine, began=began, parameters=options.parameters)
    except Refused as refused:
        _say(str(refused), error=True)
        return _REFUSED
    except KeyboardInterrupt:
        _say("\nInterrupted. Nothing is lost: run the command again to go on", error=True)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
