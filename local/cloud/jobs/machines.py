"""Where replicas run: one keeper for fresh processes, and a warm one for each image on each pool.

A warm keeper is started with the first job that wants it; that job waits for it and is the first to be forked from it.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from local.cloud.jobs.commands import PythonCommand
from local.cloud.jobs.environment import image_environment
from local.cloud.jobs.images import RuntimeManifest, digest_of
from local.cloud.jobs.keepers import (
    Exited,
    Keeper,
    KeeperEvent,
    Lost,
    Ready,
    ReplicaProcess,
    Started,
    cold_keeper,
    warm_keeper,
)
from local.cloud.jobs.spec import PoolSlot

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")
_LOG = logging.getLogger(__name__)


@dataclass
class _Warm:
    keeper: Keeper
    ready: Ready | None = None
    waiting: list[tuple[ReplicaProcess, PythonCommand]] = field(default_factory=list)


class Machines:
    """All keepers of one cloud. Not thread-safe: one thread calls it and hands it what `post` was given."""

    def __init__(self, folder: Path, post: Callable[[Keeper, KeeperEvent], None]) -> None:
        self._folder = folder
        self._post = post
        self._cold: Keeper | None = None
        self._warm: dict[tuple[PoolSlot, str], _Warm] = {}
        self._placed: dict[str, Keeper] = {}

    def run_cold(self, replica: ReplicaProcess) -> None:
        """Run the replica's argv as a fresh process."""
        if self._cold is None:
            self._cold = cold_keeper(self._post, folder=self._folder)
        self._placed[replica.id] = self._cold
        self._cold.start(replica)

    def run_warm(
        self, replica: ReplicaProcess, python: PythonCommand, *, slot: PoolSlot, image: str, runtime: RuntimeManifest
    ) -> None:
        """Run `python` in a fork of the image's warm process on `slot`, or cold where that process is not fit."""
        try:
            warm = self.warm(slot=slot, image=image, runtime=runtime)
        except OSError:  # no such interpreter or folder: starting the job says so
            self.run_cold(replica)
            return
        if warm.ready is None:
            warm.waiting.append((replica, python))
            self._placed[replica.id] = warm.keeper
        else:
            self._fork(warm, replica, python)

    def warm(self, *, slot: PoolSlot, image: str, runtime: RuntimeManifest) -> _Warm:
        """The image's warm process on `slot`, started if need be. Raises OSError where it cannot be."""
        warm = self._warm.get((slot, image))
        if warm is None:
            warm = self._warm[slot, image] = _Warm(self._start_warm(slot, image, runtime))
        return warm

    def handle(self, keeper: Keeper, event: KeeperEvent) -> Started | Exited | None:
        """Take note of an event; returns it where it is about a replica."""
        if isinstance(event, Started):
            return event
        if isinstance(event, Exited):
            self._placed.pop(event.id, None)
            return event
        if keeper is self._cold:
            self._cold = None if isinstance(event, Lost) else keeper
        for key, warm in list(self._warm.items()):
            if warm.keeper is keeper:
                self._settle(key, warm, event)
        return None

    def signal(self, replica_id: str, number: int) -> None:
        """Signal the replica's process group. Returns silently where it has ended."""
        keeper = self._placed.get(replica_id)
        if keeper is not None:
            keeper.signal(replica_id, number)

    def withdraw(self, replica_id: str) -> bool:
        """Forget a replica that waits for its warm process; False where it has been started."""
        for warm in self._warm.values():
            kept = [entry for entry in warm.waiting if entry[0].id != replica_id]
            if len(kept) < len(warm.waiting):
                warm.waiting = kept
                self._placed.pop(replica_id, None)
                return True
        return False

    def cool(self, resource: str) -> None:
        """End the warm processes of a persistent resource that is rebooted or gone."""
        for key in [key for key in self._warm if key[0].resource == resource]:
            self._warm.pop(key).keeper.close()

    def warm_processes(self) -> dict[tuple[PoolSlot, str], int]:
        """The process id of each warm process that is ready, by pool and image."""
        return {key: warm.keeper.pid for key, warm in self._warm.items() if warm.ready}

    def close(self) -> None:
        for keeper in [warm.keeper for warm in self._warm.values()] + ([self._cold] if self._cold else []):
            keeper.close()
        self._warm.clear()
        self._cold = None

    def _settle(self, key: tuple[PoolSlot, str], warm: _Warm, event: Ready | Lost) -> None:
        """A warm keeper is ready, or has died: what waits for it starts now."""
        waiting, warm.waiting = warm.waiting, []
        if isinstance(event, Lost):
            del self._warm[key]
            for replica, _ in waiting:
                self.run_cold(replica)
        else:
            warm.ready = event
            if event.threads:
                threads = ", ".join(event.threads)
                _LOG.warning("the warm process of %s has threads that its forks will lack: %s", key[1], threads)
            for problem in event.problems:
                _LOG.warning("jobs of %s on %s run in fresh processes: %s", key[1], key[0].resource, problem)
            for replica, python in waiting:
                self._fork(warm, replica, python)

    def _start_warm(self, slot: PoolSlot, image: str, runtime: RuntimeManifest) -> Keeper:
        pool = _NOT_PLAIN.sub("_", slot.pool)  # an id is any text, and no path
        name = f"{slot.resource.rsplit('/', 1)[-1]}-{pool[:64]}-{digest_of(image)}.log"
        return warm_keeper(self._post, runtime, env=image_environment(runtime), log=self._folder / "keepers" / name)

    def _fork(self, warm: _Warm, replica: ReplicaProcess, python: PythonCommand) -> None:
        if warm.ready is None or warm.ready.problems:
            self.run_cold(replica)
            return
        self._placed[replica.id] = warm.keeper
        warm.keeper.start(replace(replica, python=python))
