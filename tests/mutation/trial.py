"""One mutant held against the tests, in a process that was forked from one where everything dear is imported already.

The mutant's source is imported in the place of the file's, so that nothing is written and several can run at a time.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]
TESTS = Path("tests/unit/infra")
# Where the guards of a file are tested that has no tests of its own, or more than those.
_LIKELY = {
    "access.py": ("identity", "storage"),
    "dashboard.py": ("order",),
    "encryption.py": ("order",),
    "federation.py": ("order",),
    "identity.py": ("order",),
    "log_metrics.py": ("order",),
    "operations.py": ("order",),
    "platform.py": ("order", "encryption", "storage"),
    "rules.py": ("settings", "schedules", "hibernation"),
}
_KILLED, _SURVIVED = 1, 0  # pytest's own: some test failed, all passed


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    status: int

    @property
    def killed(self) -> bool:
        return self.status == _KILLED

    @property
    def broken(self) -> bool:
        """Neither killed nor survived: the tests could not be run."""
        return self.status not in (_KILLED, _SURVIVED)


def warm() -> None:
    """Import what every trial needs and no mutant changes."""
    import kfp  # noqa: F401 (for the children)
    import pulumi_docker_build  # noqa: F401
    import pulumi_gcp as gcp

    _ = (gcp.vertex, gcp.storage, gcp.bigquery, gcp.colab, gcp.projects, gcp.serviceaccount, gcp.artifactregistry)
    if any(name == "infra" or name.startswith("infra.") for name in sys.modules):
        raise RuntimeError("infra is imported already: its mutants could not take its place")


def files_for(mutant: Mutant) -> tuple[list[str], list[str]]:
    """The test files that are the likeliest to notice, last of them the file's own, and all others."""
    stems = (*_LIKELY.get(mutant.file, ()), mutant.file.removesuffix(".py"))
    named = [TESTS / f"test_{stem}.py" for stem in stems]
    first = [str(path) for path in named if (ROOT / path).exists()]
    every = sorted(str(path.relative_to(ROOT)) for path in (ROOT / TESTS).glob("test_*.py"))
    return first, [path for path in every if path not in first]


def start(mutant: Mutant) -> int:
    """Fork a trial; its process id. The child's status is pytest's."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = _run(mutant)
        finally:
            os._exit(status)
    return child


def _run(mutant: Mutant) -> int:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(ROOT)
    sys.meta_path.insert(0, _Instead(f"infra.{Path(mutant.file).stem}", mutant.source))
    status = _SURVIVED
    for files in files_for(mutant):
        if status == _SURVIVED and files:
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]))
    return status


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, whose source is given."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        origin = str(ROOT / f"{fullname.replace('.', '/')}.py")
        return importlib.util.spec_from_loader(fullname, self, origin=origin)

    def exec_module(self, module: ModuleType) -> None:
        origin: Any = module.__spec__ and module.__spec__.origin
        module.__file__ = origin
        exec(compile(self._source, origin, "exec"), module.__dict__)  # noqa: S102 (our own source, less a guard)
