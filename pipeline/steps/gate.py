"""Decide whether this run's model becomes the champion, and leave gate.json beside the model."""

import argparse
from pathlib import Path

from contracts.run_artifacts import EVALUATION_FILE, EvaluationReport
from pipeline.artifacts import GATE_FILE
from pipeline.clients import for_step
from pipeline.command import ExitCode, say
from pipeline.gate import decide
from pipeline.objects import Objects, join
from pipeline.steps.step import run, write_output


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.gate", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--model-uri", required=True, help="folder of the model")
    parser.add_argument("--decision-file", required=True, type=Path)
    arguments = parser.parse_args()
    objects = Objects(for_step(project=arguments.project).storage)
    report = EvaluationReport.model_validate(objects.read_json(join(arguments.model_uri, EVALUATION_FILE)))
    decision = decide(report)
    objects.write_json(join(arguments.model_uri, GATE_FILE), decision.model_dump_json(indent=2))
    say("\n".join([f"decision: {decision.decision}", *decision.reasons]))
    write_output(arguments.decision_file, decision.decision)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
