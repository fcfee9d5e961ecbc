"""One process for each root.

Owns: the lock that keeps a second cloud off a folder, and the end of a cloud whose folder was deleted under it. The
system releases the lock when its holder dies.
"""

import fcntl
import logging
import os
import threading
import time
from pathlib import Path
from types import TracebackType

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 1.0


class RootLock:
    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = root / "lock"
        self._descriptor = -1

    def __enter__(self) -> "RootLock":
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 32).decode().strip()
            os.close(self._descriptor)
            fix = "Stop it (POST /_local/stop or its process), or choose another --root"
            raise SystemExit(
                f"root {str(self._path.parent)!r} is in use by process {holder or 'unknown'}. {fix}"
            ) from None
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())
        return self

    def is_held(self) -> bool:
        """Whether the lock file at the path still is the one that is locked."""
        try:
            return self._path.stat().st_ino == os.fstat(self._descriptor).st_ino
        except OSError:
            return False

    def end_process_when_lost(self) -> None:
        """Without its folder a cloud serves nothing that anybody could find, and nobody could stop it."""
        threading.Thread(target=self._watch, name="root", daemon=True).start()

    def _watch(self) -> None:
        while self.is_held():
            time.sleep(_LOOK_EVERY_SECONDS)
        if self._descriptor < 0:
            return
        _LOG.error("%s is gone, and this cloud with it", self._path.parent)
        # At once: an orderly end would write into a folder that may be another cloud's by now. Jobs end with this.
        os._exit(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
