"""Advances the runs of a cloud, in one thread: when a job has changed, when a retry is due, when asked to cancel."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from local.cloud.pipelines.records import TaskState
from local.cloud.pipelines.run import Run

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT_SECONDS = 5.0  # retries are due by the cloud's clock, which may be moved


class PipelineRunner:
    """`report` is told of a run after it has advanced, `broken` of one that this code could not advance."""

    def __init__(self, report: Callable[[Run], None], broken: Callable[[Run, Exception], None]) -> None:
        self._report = report
        self._broken = broken
        self._runs: dict[str, Run] = {}
        self._inbox: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="pipelines", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Leave every run as it is; its records tell how to go on."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join()

    def add(self, name: str, make: Callable[[], Run]) -> None:
        """Start a run, or take it up again. `make` is called in the runner's thread."""
        self._inbox.put(lambda: self._add(name, make))

    def cancel(self, name: str) -> None:
        self._inbox.put(lambda: self._cancel(name))

    def job_changed(self, job: str) -> None:
        """A custom job has another state."""
        self._inbox.put(lambda: self._advance_those_with(job))

    def _work(self) -> None:
        while True:
            try:
                request = self._inbox.get(timeout=self._patience())
            except queue.Empty:
                self._advance_due()
                continue
            if request is None:
                return
            try:
                request()
            except Exception:
                _LOG.exception("a request to the pipeline runner failed")

    def _patience(self) -> float | None:
        """How long to wait for a request before the next retry is due."""
        due = [wake - run.time() for run in self._runs.values() if (wake := run.wake_at()) is not None]
        return min(max(0.01, min(due)), _LONGEST_WAIT_SECONDS) if due else None

    def _add(self, name: str, make: Callable[[], Run]) -> None:
        run = self._runs[name] = make()
        self._advance(name, run)

    def _cancel(self, name: str) -> None:
        run = self._runs.get(name)
        if run is not None:
            run.cancel()
            self._advance(name, run)

    def _advance_those_with(self, job: str) -> None:
        for name, run in list(self._runs.items()):
            if job in run.jobs():
                self._advance(name, run)

    def _advance_due(self) -> None:
        for name, run in list(self._runs.items()):
            wake = run.wake_at()
            if wake is not None and wake <= run.time():
                self._advance(name, run)

    def _advance(self, name: str, run: Run) -> None:
        began = time.monotonic()
        try:
            run.advance()
            self._report(run)
        except Exception as error:
            _LOG.exception("run %s cannot go on", name)
            del self._runs[name]
            self._broken(run, error)
            return
        if run.state.final:
            del self._runs[name]
        took = time.monotonic() - began
        if took > 1:
            _LOG.warning("run %s took %.1f s to advance (state %s)", name, took, TaskState(run.state).value)
