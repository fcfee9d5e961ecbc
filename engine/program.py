"""Runs a Pulumi Python program in this process, as Pulumi's language host would in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import io
import logging
import os
import runpy
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.config import Project, StackConfig
from engine.errors import EngineError, ProgramError

_RPC_THREADS = 64


class _Lines(io.TextIOBase):
    """A text stream that hands each whole line on."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)

    def close(self) -> None:
        if self._rest:
            self._line(self._rest)
            self._rest = ""
        super().close()


def run_program(
    project: Project, stack: str, config: StackConfig, monitor: Any, *, dry_run: bool, printed: Callable[[str], None]
) -> None:
    """Run the program against a monitor.

    Raises ProgramError for what the program raises, EngineError for what the engine refuses.

    The program's own modules are forgotten afterwards, so that it can run again from the start in this process.
    """
    context = contextvars.Context()
    with _as_main(project.program), _captured(printed):
        context.run(_run, project, stack, config, monitor, dry_run)


def _run(project: Project, stack: str, config: StackConfig, monitor: Any, dry_run: bool) -> None:  # noqa: FBT001 (called through a context)
    import pulumi
    from pulumi.runtime import Settings, configure, run_in_stack, set_all_config

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    configure(
        Settings(
            project=project.name,
            stack=stack,
            monitor=monitor,
            engine=monitor,
            dry_run=dry_run,
            organization="organization",
            root_directory=str(project.folder),
        )
    )
    set_all_config(config.texts, config.secret_keys)
    with (
        warnings.catch_warnings(),
        asyncio.Runner() as runner,
        ThreadPoolExecutor(_RPC_THREADS, thread_name_prefix="rpc") as pool,
        _unawaited(),
    ):
        runner.get_loop().set_default_executor(pool)
        try:
            runner.run(run_in_stack(_main))
        except pulumi.RunError as error:
            raise ProgramError(str(error)) from error
        except EngineError:
            raise
        except SystemExit as error:
            if error.code not in (0, None):
                raise ProgramError(f"the program ended with exit code {error.code!r}") from error
        except Exception as error:
            raise _program_error(project.program, error) from error


@contextlib.contextmanager
def _unawaited() -> Iterator[None]:
    """Where a program ends in an error, the SDK leaves coroutines that it never awaits; Python's warnings of these are
    none of the user's business.
    """
    try:
        yield
    except EngineError:
        warnings.filterwarnings("ignore", r"coroutine .* was never awaited", RuntimeWarning)
        raise


def _main() -> None:
    """Run the program from its source: bytecode would hide an edit of equal size within one second."""
    importlib.invalidate_caches()
    runpy.run_path(str(Path.cwd() / "__main__.py"), run_name="__main__")


def _program_error(folder: Path, error: BaseException) -> EngineError:
    """The engine's own refusal if it lies beneath, else the traceback as far as it is the program's."""
    beneath: BaseException | None = error
    met: set[int] = set()
    while beneath is not None and id(beneath) not in met:
        if isinstance(beneath, EngineError):
            return beneath
        met.add(id(beneath))
        beneath = beneath.__cause__ or beneath.__context__
    frames = traceback.extract_tb(error.__traceback__)
    first = next((index for index, frame in enumerate(frames) if _is_own(frame.filename, folder)), None)
    what = "".join(traceback.format_exception_only(error))
    if first is None:
        return ProgramError(f"Program failed with an unhandled exception:\n{what.rstrip()}")
    text = "".join(traceback.format_list(frames[first:])) + what
    return ProgramError(
        f"Program failed with an unhandled exception:\nTraceback (most recent call last):\n{text.rstrip()}"
    )


def _is_own(filename: str, folder: Path) -> bool:
    if filename.startswith("<"):
        return False
    path = Path(filename)
    path = path if path.is_absolute() else folder / path
    return path.is_relative_to(folder) and "site-packages" not in path.parts


@contextlib.contextmanager
def _as_main(folder: Path) -> Iterator[None]:
    """Be in the program's folder, have it first on the path, and forget its modules at the end."""
    if not (folder / "__main__.py").exists():
        raise EngineError(
            f"{folder} has no __main__.py: name the program's folder in Pulumi.yaml (main:), or give another --cwd"
        )
    before, path, arguments, known = Path.cwd(), list(sys.path), list(sys.argv), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = [str(folder)]
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        sys.argv = arguments
        for name in set(sys.modules) - known:
            if _is_own(getattr(sys.modules[name], "__file__", None) or "/", folder):
                del sys.modules[name]


@contextlib.contextmanager
def _captured(printed: Callable[[str], None]) -> Iterator[None]:
    lines = _Lines(printed)
    with contextlib.redirect_stdout(lines):
        try:
            yield
        finally:
            lines.close()
