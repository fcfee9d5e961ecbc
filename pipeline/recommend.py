"""What the champion recommends to a user: `python -m pipeline.recommend --stack NAME --user ID`.

Owns: finding the champion's serving bundle and the user's history, and showing the answer. The history is that of the
data that the champion was trained on, with what the event log holds of later. Does not own: scores: the bundle's own
program gives them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from contracts.problems import Problem, Refused
from contracts.run_artifacts import BUNDLE_MANIFEST, BUNDLE_PROGRAM
from contracts.stack_outputs import StackOutputs
from contracts.table_schemas import INTERACTIONS_FILE
from pipeline import clients as cl
from pipeline import stack_reader
from pipeline.command import ExitCode, run, say
from pipeline.model_registry import ModelRegistry, ModelVersion
from pipeline.objects import Objects, join

_SHOWN = 10
_MOST = 1000


def champion_of(outputs: StackOutputs, clients: cl.Clients, objects: Objects) -> ModelVersion:
    """Raises `Refused` where there is none, or one without a bundle."""
    champion = ModelRegistry(clients, outputs.model_name).champion()
    if champion is None:
        fix = f"Train one: python -m pipeline.submit --stack {outputs.stack} --wait"
        raise Refused("Model", [Problem(key="model", value=outputs.model_name, rule="has no champion yet", fix=fix)])
    if objects.state(join(champion.uri, BUNDLE_MANIFEST)) is None:
        rule, fix = (
            f"the champion has no {BUNDLE_MANIFEST}",
            f"Make it: python -m train.export --model-uri {champion.uri}",
        )
        raise Refused("Model", [Problem(key="model", value=champion.uri, rule=rule, fix=fix)])
    return champion


def history_of(
    user: str, outputs: StackOutputs, clients: cl.Clients, champion: ModelVersion, scratch: Path
) -> list[str]:
    """The user's items, oldest first. Raises `Refused` where neither the champion's data nor the log knows the user."""
    run_id = champion.uri.rstrip("/").rpartition("/")[2]
    snapshot = join(join(outputs.snapshot_prefix, run_id), INTERACTIONS_FILE)
    path = scratch / INTERACTIONS_FILE
    Objects(clients.storage).download(snapshot, path)
    columns = ["user_id", "item_id", "timestamp"]
    events = pq.read_table(path, columns=columns, filters=[("user_id", "=", user)])
    events = events.sort_by("timestamp")
    items, last = events["item_id"].to_pylist(), events["timestamp"][-1].as_py() if events.num_rows else None
    items += _logged(user, outputs, clients, after=last)
    if not items:
        rule = f"has no event in {snapshot} nor later in {outputs.feedback_table}"
        raise Refused("User", [Problem(key="--user", value=user, rule=rule, fix="Name a user of the training data")])
    return items


def _logged(user: str, outputs: StackOutputs, clients: cl.Clients, *, after: Any) -> list[str]:
    """The user's items in the event log after a moment (None: of all time)."""
    from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter

    later = "and event_time > @after" if after is not None else ""
    query = (
        f"select item_id from `{outputs.project}.{outputs.feedback_table}` "  # noqa: S608 - the stack's own table
        f"where user_id = @user and logged_at is not null {later} order by event_time, event_order"
    )
    parameters = [ScalarQueryParameter("user", "STRING", user)]
    parameters += [ScalarQueryParameter("after", "TIMESTAMP", after)] if after is not None else []
    rows = clients.bigquery.query_and_wait(query, job_config=QueryJobConfig(query_parameters=parameters))
    return [row["item_id"] for row in rows]


def recommend(history: list[str], *, k: int, champion: ModelVersion, objects: Objects, scratch: Path) -> dict[str, Any]:
    """The bundle's answer for one history. Raises `Refused` with what its program says."""
    bundle = scratch / "bundle"
    bundle.mkdir()
    folder = join(champion.uri, BUNDLE_MANIFEST).rpartition("/")[0]
    for uri in objects.list(f"{folder}/"):
        objects.download(uri, bundle / uri.rpartition("/")[2])
    asked, told = scratch / "asked.jsonl", scratch / "told.jsonl"
    asked.write_text(json.dumps({"history": history, "k": k}) + "\n")
    command = [sys.executable, str(bundle / BUNDLE_PROGRAM), "--bundle", str(bundle)]
    done = subprocess.run(
        [*command, "--input", str(asked), "--output", str(told)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        rule = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with {done.returncode}"
        fix = "Run it where torch is installed: make install"
        raise Refused("Bundle", [Problem(key="bundle", value=folder, rule=rule, fix=fix)])
    return json.loads(told.read_text())


def _show(user: str, history: list[str], answer: dict[str, Any], champion: ModelVersion) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"User {user}, by {champion.name.rpartition('/')[2]}", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("item")
    table.add_column("score", justify="right")
    scores = answer["scores"] or [None] * len(answer["items"])
    for place, (item, score) in enumerate(zip(answer["items"], scores, strict=True), 1):
        table.add_row(str(place), item, "popular" if score is None else f"{score:.3f}")
    say(f"{len(history)} events, the newest: {', '.join(reversed(history[-_SHOWN:]))}")
    Console().print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.recommend", description="Show what the champion recommends to a user."
    )
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--outputs", type=Path, help="the stack's outputs as JSON; default: from the stack's state")
    parser.add_argument("--user", required=True, help="the user's id, as in the data")
    parser.add_argument("--k", type=int, default=_SHOWN, help="how many items (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser


def main() -> ExitCode:
    arguments = _parser().parse_args()
    problems = []
    if not arguments.user:
        fix = "Name a user of the training data: make recommend USER=196"
        problems.append(Problem(key="--user", value=arguments.user, rule="must not be empty", fix=fix))
    if not 1 <= arguments.k <= _MOST:
        problems.append(Problem(key="--k", value=arguments.k, rule=f"must be from 1 to {_MOST}", fix="Ask for 10"))
    if problems:
        raise Refused("Arguments", problems)
    outputs = stack_reader.read(arguments.stack, outputs_file=arguments.outputs)
    clients = cl.for_submission(outputs)
    objects = Objects(clients.storage)
    champion = champion_of(outputs, clients, objects)
    with tempfile.TemporaryDirectory(prefix="recommend-") as scratch:
        history = history_of(arguments.user, outputs, clients, champion, Path(scratch))
        answer = recommend(history, k=arguments.k, champion=champion, objects=objects, scratch=Path(scratch))
    if arguments.json:
        say(json.dumps({"user": arguments.user, "model": champion.name, **answer}))
    else:
        _show(arguments.user, history, answer, champion)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
