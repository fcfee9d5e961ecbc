"""`python -m plan`: the plan of a stack with what it does to capacity, money and data. Offline, without an account."""

import argparse
import gc
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from engine.display import Text
from engine.errors import EngineError
from engine.outcome import Result, presentable
from engine.run import preview
from engine.session import Options
from plan import policies
from plan.page import sections


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m plan", description=__doc__)
    add = parser.add_argument
    add("--cwd", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)")
    add("--stack", required=True, metavar="NAME", help="the stack")
    add("--state", type=Path, metavar="FILE", help="compare with this state: the output of `pulumi stack export`")
    add("--policies", action="store_true", help="tell what the policies have against it, and nothing else")
    add("--json", action="store_true", help="print the engine's plan as JSON in place of text")
    return parser


def answer_of(result: Result) -> dict:
    """The engine's JSON, with the outputs that the state has."""
    old = {key: presentable(value) for key, value in result.old_outputs.items()}
    return {**result.as_json(), "oldOutputs": old}


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    display = Text(outputs=False)
    options = Options(
        cwd=arguments.cwd, stack=arguments.stack, state_file=arguments.state, environment=dict(os.environ)
    )
    try:
        result = preview(options) if arguments.json or arguments.policies else preview(options, display)
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    answer = answer_of(result)
    broken = policies.broken(answer["steps"])
    if arguments.policies:
        sys.stdout.write("\n".join([*result.errors, *policies.lines(broken)]) + "\n")
    elif arguments.json:
        sys.stdout.write(json.dumps(answer, indent=1) + "\n")
    else:
        sys.stdout.write(sections(answer, now=datetime.now(UTC)))
    return 0 if result.ok and not policies.refused(broken) else 1


if __name__ == "__main__":
    gc.disable()  # the process ends before there is anything worth collecting, and imports make it collect for nothing
    sys.exit(main())
