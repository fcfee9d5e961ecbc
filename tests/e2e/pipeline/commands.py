"""The package's commands, as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[3]


def python_m(module: str, *arguments: object, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`python -m module …` from another folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(_REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
