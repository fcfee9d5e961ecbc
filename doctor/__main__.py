"""`python -m doctor`: whether a stack can be brought up, each finding with its fix as a command."""

import argparse
import os
import sys
from pathlib import Path

from google.auth.exceptions import GoogleAuthError

from contracts.problems import Refused
from doctor.checks import Finding, examine
from doctor.google import Rest
from doctor.stack_file import read_config


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m doctor", description=__doc__)
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack")
    parser.add_argument(
        "--cwd", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)"
    )
    arguments = parser.parse_args(argv)
    try:
        config = read_config(arguments.cwd, arguments.stack)
        found = examine(Rest(os.environ), config)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 3
    except GoogleAuthError as error:
        found = [Finding("credentials", "wrong", str(error), "gcloud auth application-default login")]
    sys.stdout.write("\n".join(line for finding in found for line in finding.lines()) + "\n")
    return 1 if any(finding.verdict == "wrong" for finding in found) else 0


if __name__ == "__main__":
    sys.exit(main())
