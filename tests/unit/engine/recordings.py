"""The recordings of the real provider (tests/data/provider), in the forms that tests compare with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from engine.gcp.checking import Checker, Failure, without_defaults
from engine.gcp.resource import Settings
from engine.gcp.table import TYPES, resource_type
from engine.values import Properties, from_json, reveal

FOLDER = Path(__file__).parents[2] / "data" / "provider"
PROGRAM = FOLDER / "stack"
SETTINGS = Settings(project="acme-recsys", region="europe-west1")


@cache
def load(name: str) -> Any:
    path = FOLDER / name
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return json.loads(path.read_text())


def recorded_types() -> set[str]:
    """The types of the engine's tables that the recordings have."""
    return {token for token in TYPES if token in load("provider_outputs.json")}


def recorded_resources() -> list[tuple[str, str]]:
    """The recorded resources whose types the engine's tables have: type and name."""
    return [(token, name) for token in sorted(recorded_types()) for name in load("provider_outputs.json")[token]]


def outputs_of(token: str, name: str, which: str = "properties") -> Properties:
    """The recorded outputs, without the bridge's own keys and without secret wrappers."""
    body = reveal(from_json(load("provider_outputs.json")[token][name][which]))
    return {key: value for key, value in body.items() if not key.startswith("__")}


def program_inputs(token: str, name: str) -> Properties:
    """The inputs as the program gave them; the one file's path is made this machine's."""
    inputs = from_json(load("provider_inputs.json")[token][name]["program_inputs"])
    if name == "readme":
        inputs["source"].fields["path"] = str(PROGRAM / "readme.txt")
    return inputs


def checked_inputs(token: str, name: str) -> Properties:
    """The recorded inputs after the provider's Check."""
    return reveal(from_json(load("provider_inputs.json")[token][name]["checked_inputs"]))


def check(token: str, name: str, inputs: Properties, old: Properties | None = None) -> tuple[Properties, list[Failure]]:
    failures: list[Failure] = []
    table = resource_type(token)
    assert table is not None
    return Checker(name, old or {}, failures).check(table.fields, inputs), failures


def planned_inputs(token: str, name: str) -> Properties:
    return without_defaults(reveal(check(token, name, program_inputs(token, name))[0]))


def loose(value: Any) -> Any:
    """The value with what the provider itself treats as equal made equal: null, empty and zero; the order of sets."""
    if isinstance(value, dict):
        kept = {key: loose(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", 0, False, [], {})}
    if isinstance(value, list):
        items = [loose(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=repr))
    return value
