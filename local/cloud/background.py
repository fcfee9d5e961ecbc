"""Threads that do not belong to a request.

Owns: work in the background and what is repeated. Both end with the cloud; what must survive lies in the store.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_log = logging.getLogger(__name__)


class Background:
    def __init__(self, workers: int = 32) -> None:
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="background")
        self._repeated: list[threading.Thread] = []

    def run(self, work: Callable[[], None]) -> None:
        """Start `work` soon. What it raises is logged: it must tell its own failure where someone waits for it."""
        self._pool.submit(_logged, work)

    def every(self, seconds: float, work: Callable[[], None], name: str) -> None:
        """Repeat `work` until the cloud stops, `seconds` after its last end."""

        def repeat() -> None:
            while not self.stopping.wait(seconds):
                _logged(work)

        thread = threading.Thread(target=repeat, name=name, daemon=True)
        self._repeated.append(thread)
        thread.start()

    def stop(self, *, timeout: float = 5.0) -> None:
        """No new work; wait for repeated work to end its turn."""
        self.stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for thread in self._repeated:
            thread.join(timeout)


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        _log.exception("work in the background failed")
