"""Where this process stands among the ranks of a job, from torchrun's variables, Vertex AI's CLUSTER_SPEC or neither,
and the further ranks that one machine starts.

Owns: the reading of either contract and processes of the same machine. Does not own: what ranks tell one another
(ranks.py). Vertex AI's pools 0 and 1 are ranks in their order; pools 2 and 3 are reduction servers and evaluators,
which run images of their own.

Source: https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict

from train.problems import Problem

_TORCH = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_LOOPBACK = "127.0.0.1"
_POOLS_OF_RANKS = ("workerpool0", "workerpool1")
_SECONDS_TO_END = 30


class Place(BaseModel):
    """One rank among `size`, and where they meet; a single rank meets nobody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    address: str = ""
    port: int = 0

    def variables(self) -> dict[str, str]:
        """The place as torchrun writes it."""
        values = (self.rank, self.size, self.address, self.port, self.local_rank)
        return {name: str(value) for name, value in zip((*_TORCH, "LOCAL_RANK"), values, strict=True)}


def place_of(given: Mapping[str, str]) -> tuple[Place, list[Problem]]:
    """The place that an environment names, or why it names none. torchrun's variables win: all four, or none."""
    named = [name for name in _TORCH if given.get(name)]
    if len(named) == len(_TORCH):
        return _from_torch(given)
    if given.get("CLUSTER_SPEC"):
        return _from_cluster(given["CLUSTER_SPEC"])
    if "RANK" in named or "WORLD_SIZE" in named:
        lacking = [name for name in _TORCH if name not in named]
        fix = "Start ranks by torchrun, by --processes, or by a job of several replicas"
        return Place(), [Problem(name, "", f"{', '.join(named)} need it too", fix) for name in lacking]
    return Place(), []


def _from_torch(given: Mapping[str, str]) -> tuple[Place, list[Problem]]:
    numbers = {name: given.get(name) or "0" for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "LOCAL_RANK")}
    problems = [
        Problem(name, value, "must be a whole number", "Leave it to torchrun")
        for name, value in numbers.items()
        if not value.isdecimal()
    ]
    if problems:
        return Place(), problems
    rank, size, port, local = (int(value) for value in numbers.values())
    if not 0 <= rank < size:
        rule = f"must be below WORLD_SIZE, {size}"
        return Place(), [Problem("RANK", rank, rule, "Number the ranks from 0")]
    return _at(rank, size, given["MASTER_ADDR"], port, local_rank=local), []


def _from_cluster(text: str) -> tuple[Place, list[Problem]]:
    try:
        spec = json.loads(text)
        pools: dict[str, Any] = spec["cluster"]
        addresses = [address for pool in _POOLS_OF_RANKS for address in pools.get(pool, [])]
        if len(addresses) <= 1:
            return Place(), []
        pool, index = spec["task"]["type"], int(spec["task"]["index"])
        host, _, port = addresses[0].rpartition(":")
        place = _at(index + (pool != "workerpool0"), len(addresses), host, int(port))
    except (ValueError, KeyError, TypeError, AttributeError):
        fix = "Leave it out for one worker"
        return Place(), [Problem("CLUSTER_SPEC", text, "must be the JSON that Vertex AI sets", fix)]
    if pool not in _POOLS_OF_RANKS or place.rank >= place.size:
        rule = f"has this process as task {index} of {pool!r}, which is no rank"
        return Place(), [Problem("CLUSTER_SPEC", text, rule, "Run the trainer in worker pools 0 and 1 alone")]
    return place, []


def _at(rank: int, size: int, address: str, port: int, *, local_rank: int = 0) -> Place:
    return Place(rank=rank, size=size, local_rank=local_rank, address=address, port=port) if size > 1 else Place()


def places_here(place: Place, processes: int) -> list[Place]:
    """The places of `processes` ranks on this machine, where `place` counts machines. This process takes the first."""
    if processes == 1:
        return [place]
    address, port = (place.address, place.port) if place.size > 1 else (_LOOPBACK, _free_port())
    ranks = range(place.rank * processes, (place.rank + 1) * processes)
    size = place.size * processes
    return [_at(rank, size, address, port, local_rank=local) for local, rank in enumerate(ranks)]


@contextmanager
def further_ranks(places: Sequence[Place], argv: Sequence[str], *, run_id: str) -> Iterator[None]:
    """Runs the trainer once more for each place. They end with the ranks that they work with, or are ended."""
    path = {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for place in places:
            environment = {**os.environ, **path, **place.variables(), "RUN_ID": run_id}
            started.append(
                subprocess.Popen([sys.executable, "-m", "train.main", *argv, "--processes", "1"], env=environment)
            )
        yield
    finally:
        for process in started:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as listener:
        return listener.getsockname()[1]
