import queue
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud.jobs.images import RuntimeManifest
from local.cloud.jobs.launching import Surroundings
from local.cloud.jobs.runner import JobRunner
from local.cloud.jobs.spec import Job, JobState, JobUpdate, MachineSize, PoolSlot, WorkerPool

IMAGE = "europe-west1-docker.pkg.dev/acme/training/trainer@sha256:" + "a" * 64
SLOT = PoolSlot("projects/acme/locations/europe-west1/persistentResources/warm", "pool-0")


@dataclass
class Lab:
    """A runner with one registered image whose modules are the `.py` files of `code`.

    `offers` are the seconds that jobs' machines take, one an attempt to get them, None for a stock-out; then 0.
    """

    runner: JobRunner
    code: Path
    root: Path
    updates: "queue.Queue[tuple[str, JobUpdate]]" = field(default_factory=queue.Queue)
    seen: dict[str, list[JobUpdate]] = field(default_factory=dict)
    count: int = 0
    offers: list[float | None] = field(default_factory=list)
    size: MachineSize = field(default_factory=MachineSize)

    def module(self, name: str, text: str) -> None:
        (self.code / f"{name}.py").write_text(text)

    def submit(
        self,
        argv: list[str],
        *,
        slot: PoolSlot | None = None,
        env: dict[str, str] | None = None,
        image: str = IMAGE,
        more: tuple[WorkerPool, ...] = (),
        **job: object,
    ) -> str:
        self.count += 1
        name = f"projects/acme/locations/europe-west1/customJobs/{1000 + self.count}"
        first = WorkerPool(1, image, argv, [], env or {}, slot, size=self.size)
        self.runner.submit(Job(name, (first, *more), **job))  # type: ignore[arg-type]
        return name

    def until(self, name: str, done: Callable[[JobUpdate], bool], seconds: float = 30) -> JobUpdate:
        deadline = time.monotonic() + seconds
        while True:
            for update in self.seen.get(name, []):
                if done(update):
                    return update
            who, update = self.updates.get(timeout=max(0.0, deadline - time.monotonic()))
            self.seen.setdefault(who, []).append(update)

    def ends(self, name: str) -> JobUpdate:
        return self.until(name, lambda update: update.state.final)

    def runs(self, name: str) -> None:
        self.until(name, lambda update: update.state is JobState.RUNNING)

    def states(self, name: str) -> list[str]:
        return [update.state.name for update in self.seen[name]]

    def output(self, name: str, task: str = "workerpool0-0", stream: str = "stdout") -> str:
        path = self.runner.logs(name.rsplit("/", 1)[-1]).stream(task, stream)
        return path.read_text() if path.exists() else ""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    yield from make_lab(tmp_path)


def make_lab(
    root: Path,
    *,
    preload: tuple[str, ...] = (),
    limit: int = 1,
    host_limit: int = 8,
    size: MachineSize = MachineSize(),  # noqa: B008 - frozen
) -> Iterator[Lab]:
    code = root / "code"
    code.mkdir()
    runtime = RuntimeManifest(
        interpreter=sys.executable,
        workdir=str(code),
        env={"GIT_SHA": "abc"},
        preload=list(preload),
        entrypoint=["python"],
    )
    registered = {IMAGE: {"runtime": runtime.model_dump()}}
    updates: queue.Queue[tuple[str, JobUpdate]] = queue.Queue()
    offers: list[float | None] = []
    surroundings = Surroundings(
        find_image=registered.get,
        report=lambda name, update: updates.put((name, update)),
        environment=lambda job: {"GCE_METADATA_HOST": f"127.0.0.1:1/{job.id}"},
        objects=root / "objects",
        pool_limit=lambda slot: limit,
        now=lambda: datetime.now(UTC),
        provision=lambda _: offers.pop(0) if offers else 0.0,
    )
    runner = JobRunner(root / "jobs", surroundings, host_limit=host_limit, grace_seconds=1.0)
    runner.start()
    yield Lab(runner, code, root, updates, offers=offers, size=size)
    runner.stop()
