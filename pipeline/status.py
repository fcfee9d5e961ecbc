"""How a stack stands against what it declared: `python -m pipeline.status --stack NAME`; 5 if anything differs.

Owns: the command. Does not own: what is looked at (standing.py). Reads, and changes nothing.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from pipeline import clients as cl
from pipeline import stack_reader, standing
from pipeline.command import ExitCode, run, say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.status",
        description="Hold a stack's pools, schedules and runs against what was declared.",
        epilog="Exit status: 0 all is as declared, 5 something differs.",
    )
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--outputs", type=Path, help="the stack's outputs as JSON; default: from the stack's state")
    return parser


def main() -> ExitCode:
    arguments = _parser().parse_args()
    outputs = stack_reader.read(arguments.stack, outputs_file=arguments.outputs)
    found = standing.examine(outputs, cl.for_submission(outputs), now=datetime.now(UTC))
    say("\n".join(line for finding in found for line in finding.lines()))
    return ExitCode.DIFFERS if any(finding.verdict == "DIFFERS" for finding in found) else ExitCode.DONE


if __name__ == "__main__":
    run(main)
