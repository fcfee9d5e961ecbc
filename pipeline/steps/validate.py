"""Apply the rules of ingestion to a run's snapshot, and leave validation.json beside it."""

import argparse
import tempfile
from pathlib import Path

from pipeline import events as ev
from pipeline.artifacts import VALIDATION_FILE
from pipeline.clients import Clients, for_step
from pipeline.command import ExitCode, say
from pipeline.objects import Objects, join
from pipeline.row_rules import Finding
from pipeline.snapshot import read_snapshot
from pipeline.steps.step import run, telling_refusals
from pipeline.validation import ValidationReport, check_events, check_items


def validate(snapshot_uri: str, clients: Clients) -> None:
    objects = Objects(clients.storage)
    with tempfile.TemporaryDirectory(prefix="recsys-validate-") as scratch:
        report = _report(snapshot_uri, objects, Path(scratch))
    objects.write_json(join(snapshot_uri, VALIDATION_FILE), report.model_dump_json(indent=2))
    say(report.text())
    report.require_accepted()


def _report(snapshot_uri: str, objects: Objects, scratch: Path) -> ValidationReport:
    snapshot, events, items = read_snapshot(objects, snapshot_uri, scratch)
    found = ev.fingerprint(events)
    report, events = check_events(
        events, subject=snapshot_uri, unit=snapshot.time_unit, already_dropped=snapshot.dropped_duplicates
    )
    findings = report.findings
    if found != snapshot.fingerprint:
        says = f"the events must be those of snapshot.json, {snapshot.fingerprint}"
        fix = "Start a new run: somebody changed the snapshot"
        findings += (Finding(rule="changed_snapshot", column="*", example=found, says=says, fix=fix),)
    if items is not None and events is not None:
        findings += tuple(check_items(items, ev.distinct_ids(events, "item_id")))
    return report.model_copy(update={"findings": findings})


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.validate", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--snapshot-uri", required=True, help="folder of the snapshot")
    arguments = parser.parse_args()
    clients = for_step(project=arguments.project)
    work = lambda: validate(arguments.snapshot_uri, clients)  # noqa: E731
    return telling_refusals("validate", arguments.snapshot_uri, clients, work)


if __name__ == "__main__":
    run(main)
