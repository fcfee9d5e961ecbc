"""What every step shares: its files in and out, and how it ends when it refuses its input.

Owns: the file that tells whoever follows the run why a step refused. Does not own: what steps do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel

from contracts.problems import Problem, Refused
from pipeline import command
from pipeline.artifacts import refusal_file
from pipeline.clients import Clients
from pipeline.command import ExitCode
from pipeline.objects import Objects, join

Kind = TypeVar("Kind", bound=BaseModel)


def write_output(path: Path, value: str) -> None:
    """A KFP output parameter: the file whose path the pipeline passed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)


def telling_refusals(name: str, folder: str, clients: Clients, work: Callable[[], None]) -> ExitCode:
    """Do a step's work; a refusal is also left in the run's `folder`, where the follower finds it."""
    try:
        work()
    except Refused as refused:
        uri = join(folder, refusal_file(name))
        Objects(clients.storage).write_json(uri, {"step": name, "text": str(refused)})
        raise
    return ExitCode.DONE


def read_input(objects: Objects, uri: str, kind: type[Kind]) -> Kind:
    """A file that a step before left. Raises `Refused` where it is missing or not what it should be."""
    try:
        return kind.model_validate(objects.read_json(uri))
    except FileNotFoundError:
        rule = "the step before must have left this file"
    except ValueError as error:
        rule = f"must be a {kind.__name__}: {'; '.join(str(error).splitlines()[:3])}"
    raise Refused("Input", [Problem(key="file", value=uri, rule=rule, fix="Start a new run")])


def run(main: Callable[[], ExitCode]) -> NoReturn:
    command.run(main)
