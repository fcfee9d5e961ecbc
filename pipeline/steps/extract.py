"""Freeze what a run works on: the snapshot of the data, and the champion to start from and to compare with."""

import argparse
from pathlib import Path

from pipeline.clients import Clients, for_step
from pipeline.command import ExitCode, say
from pipeline.feedback_log import FeedbackLog
from pipeline.model_registry import ModelRegistry
from pipeline.objects import Objects
from pipeline.snapshot import take_snapshot
from pipeline.staging import Staging
from pipeline.steps.step import run, telling_refusals, write_output


def extract(arguments: argparse.Namespace, clients: Clients) -> None:
    objects = Objects(clients.storage)
    staging = Staging(objects, arguments.staging_uri)
    log = FeedbackLog(clients, arguments.feedback_table)
    champion = ModelRegistry(clients, arguments.model_name).champion()
    champion_uri = champion.uri if champion else ""
    snapshot = take_snapshot(objects, staging, log, arguments.snapshot_uri, champion_uri=champion_uri)
    say(snapshot.model_dump_json(indent=2))
    say(f"champion: {champion.name if champion else 'none yet'}")
    write_output(arguments.champion_uri_file, champion_uri)
    write_output(arguments.champion_version_file, champion.name if champion else "")


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.extract", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--model-name", required=True, help="the model's id in the registry")
    parser.add_argument("--staging-uri", required=True, help="folder of the staging files")
    parser.add_argument("--feedback-table", required=True, help="dataset.table")
    parser.add_argument("--snapshot-uri", required=True, help="folder to write the snapshot to")
    parser.add_argument("--champion-uri-file", required=True, type=Path)
    parser.add_argument("--champion-version-file", required=True, type=Path)
    arguments = parser.parse_args()
    clients = for_step(project=arguments.project, region=arguments.region)
    return telling_refusals("extract", arguments.snapshot_uri, clients, lambda: extract(arguments, clients))


if __name__ == "__main__":
    run(main)
