"""One process for each root.

Owns: the lock that keeps a second cloud off a folder; the system releases it when its holder dies.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
