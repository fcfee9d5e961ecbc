"""Decide whether this run's model becomes the champion, and leave gate.json beside the model."""

import argparse
from pathlib import Path

from contracts.run_artifacts import EVALUATION_FILE, EvaluationReport
from pipeline.artifacts import GATE_FILE
from pipeline.clients import Clients, for_step
from pipeline.command import ExitCode, say
from pipeline.gate import decide
from pipeline.objects import Objects, join
from pipeline.steps.step import read_input, run, telling_refusals, write_output


def gate(model_uri: str, decision_file: Path, clients: Clients) -> None:
    objects = Objects(clients.storage)
    decision = decide(read_input(objects, join(model_uri, EVALUATION_FILE), EvaluationReport))
    objects.write_json(join(model_uri, GATE_FILE), decision.model_dump_json(indent=2))
    say("\n".join([f"decision: {decision.decision}", *decision.reasons]))
    write_output(decision_file, decision.decision)


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.gate", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--model-uri", required=True, help="folder of the model")
    parser.add_argument("--decision-file", required=True, type=Path)
    arguments = parser.parse_args()
    clients = for_step(project=arguments.project)
    work = lambda: gate(arguments.model_uri, arguments.decision_file, clients)  # noqa: E731
    return telling_refusals("gate", arguments.model_uri, clients, work)


if __name__ == "__main__":
    run(main)
