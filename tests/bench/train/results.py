"""Results as JSON lines, one for each run, appended as soon as it ends: what is there is not run again.

Owns: the key of a result and the file. A line is written in one piece; one that was cut off is told, not read over.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.train.contestants import OURS

RESULTS = Path(__file__).with_name("results.jsonl")


class Key(NamedTuple):
    """What makes two runs the same run."""

    fingerprint: str
    contestant: str
    version: str
    recipe: str
    cap_seconds: float
    seed: int


def key_of(result: dict[str, Any]) -> Key:
    return Key(*(result[name] for name in Key._fields))


def read(file: Path) -> list[dict[str, Any]]:
    """All results, oldest first. Raises ValueError on a line that is none, naming it."""
    found = []
    for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], start=1):
        try:
            result = json.loads(line)
            key_of(result)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}:{number}: {line[:60]!r} is not a result ({error}). Remove the line") from error
        found.append(result)
    return found


def append(file: Path, result: dict[str, Any]) -> None:
    key_of(result)
    with file.open("a") as stream:
        stream.write(json.dumps(result) + "\n")


def newest(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of runs that differ in version, recipe or, but for ours, the cap alone, the last; in the order in which they were
    run.
    """
    last = {_alike(result): result for result in results}
    return [result for result in results if last[_alike(result)] is result]


def _alike(result: dict[str, Any]) -> Key:
    key = key_of(result)
    return key._replace(version="", recipe="", cap_seconds=key.cap_seconds if result["kind"] == OURS else 0.0)
