"""`python -m local.cloud fault …`: the commands of a running cloud's faults and clock.

The options of each kind are the fields of its model (kinds.py).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.cloud.faults.kinds import KINDS, Fault
from local.cloud.operator_call import NotAskedError, ask


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        answer = ask(options.root, *request_of(options))
    except NotAskedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    return 0


def request_of(options: argparse.Namespace) -> tuple[str, str, dict[str, Any] | None]:
    """Method, path and body of the call that the options ask for."""
    match options.kind:
        case "list":
            return "GET", "/_local/faults", None
        case "clock":
            return "GET", "/_local/clock", None
        case "clear":
            return "DELETE", f"/_local/faults/{options.id}" if options.id else "/_local/faults", None
        case "seed":
            return "PUT", "/_local/faults/seed", {"seed": options.number}
        case kind:
            told = {name: getattr(options, name) for name in _fields(KINDS[kind])}
            return "POST", "/_local/faults", {"kind": kind, **{key: value for key, value in told.items() if value}}


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--root", type=Path, default=Path(".local/cloud"), help="the cloud's folder (%(default)s)")
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud fault", description="Let something go wrong on a running local cloud."
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, model in KINDS.items():
        summary = (model.__doc__ or "").strip()
        kind = kinds.add_parser(name, parents=[where], help=summary.splitlines()[0], description=summary)
        for field, described in _fields(model).items():
            kind.add_argument(f"--{field.replace('_', '-')}", **described)
    kinds.add_parser("list", parents=[where], help="Print the faults in force, their counts and what they struck.")
    clear = kinds.add_parser("clear", parents=[where], help="End a fault, or all of them.")
    clear.add_argument("id", nargs="?", default="", help="the fault's number (default: all)")
    seed = kinds.add_parser("seed", parents=[where], help="Begin all draws anew from a seed.")
    seed.add_argument("number", type=int, help="the same seed gives the same faults for the same requests")
    kinds.add_parser("clock", parents=[where], help="Print the cloud's time.")
    return parser


def _fields(model: type[Fault]) -> dict[str, dict[str, Any]]:
    """What argparse is told of each of a kind's fields."""
    told: dict[str, dict[str, Any]] = {}
    for name, field in model.model_fields.items():
        default = "" if field.is_required() or field.default in (None, "") else f" (default: {field.default})"
        text = (field.description or "").replace("%", "%%") + default
        told[name] = {"type": _type_of(str(field.annotation)), "required": field.is_required(), "help": text}
    return told


def _type_of(annotation: str) -> type:
    return float if "float" in annotation else int if "int" in annotation else str
