"""The checkpoints of a run in one folder: files, and the index that commits them.

Owns: names, the index, checksums and how many are kept. Does not own: what a state holds, or when one is written
(checkpoint.py).

A state is one file named by its step and by a serial number, so that no file is ever written twice. `latest.json` is
written after it and names the newest files with their sha256, newest first: what it names is committed. Where it cannot
be read, the whole ones among the files take its place. An index of another format is refused, not passed over: what a
run has learned is not thrown away without a word.
"""

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from train.problems import Problem, refuse_if
from train.steadiness import STEPS_A_WINDOW
from train.storage import Folder, LocalFolder

_STRETCH = 2 * STEPS_A_WINDOW
LATEST_FILE = "latest.json"
_FORMAT = 2
_FIRST_FORMAT_ENTRY = {"file", "step", "sha256"}
_STEP_FILE = re.compile(r"step-(\d{9,})-(\d{6,})\.pt")


class Entry(NamedTuple):
    """A committed state."""

    file: str
    step: int
    serial: int
    sha256: str


class CheckpointFolder:
    """`lineage` tells one history of a run from another that had its name: a copy elsewhere counts if it agrees."""

    def __init__(self, folder: Folder, *, kept: int, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._kept = kept
        self._warn = warn

    def lineage(self) -> str:
        """ "" where no index can be read."""
        index = self._index()
        return str(index.get("lineage", "")) if index else ""

    def begin(self, lineage: str, entries: list[Entry]) -> None:
        """Writes the index."""
        index = {"format": _FORMAT, "lineage": lineage, "checkpoints": [entry._asdict() for entry in entries]}
        self.folder.write(LATEST_FILE, json.dumps(index).encode())

    def commit(self, entry: Entry, *, lineage: str, file: Path | None) -> None:
        """Names a state in the index; `file` is what to copy there first, None where it is there already."""
        entries = [entry, *(other for other in self.entries() if other.file != entry.file)]
        if file is not None:
            self.folder.copy_in(entry.file, file)
        kept = {each.file for each in (*entries[: self._kept], *_to_go_back_to(entries))}
        self.begin(lineage, [each for each in entries if each.file in kept])
        for old in entries:
            if old.file not in kept:
                self.folder.delete(old.file)

    def holds_any(self) -> bool:
        """Whether anything of a run lies there, readable or not."""
        return bool(self.folder.names())

    def entries(self) -> list[Entry]:
        """Newest first."""
        index = self._index()
        refuse_if("checkpoint", self._of_another_format(index))
        try:
            if index is not None:
                return [Entry(**entry) for entry in index["checkpoints"]]
        except (KeyError, TypeError):
            self._warn(f"{LATEST_FILE} in {self.folder.uri} is damaged: the newest whole checkpoint beside it is taken")
        return self._found()

    @contextmanager
    def whole(self, entry: Entry) -> Iterator[Path | None]:
        """The entry's file on this machine for the time of the block; None where it is missing or damaged."""
        with self._here(entry.file) as file:
            yield file if file is not None and sha256_of(file) == entry.sha256 else None

    def sweep(self, named: set[str]) -> None:
        """Removes files of writes that were cut off, before the index named them or amid the writing."""
        try:
            if isinstance(self.folder, LocalFolder):
                self.folder.remove_partial()
            for name in self._step_files():
                if name not in named:
                    self.folder.delete(name)
        except Exception as error:
            self._warn(f"files of unfinished checkpoints stay in {self.folder.uri}: {error}")

    def _of_another_format(self, index: dict[str, Any] | None) -> list[Problem]:
        held = _format_of(index or {})
        if held == _FORMAT:
            return []
        rule = f"its checkpoints are of format {held!r}, and this image reads format {_FORMAT}"
        fix = "Continue with the image that made them, choose another RUN_ID, or remove the folder"
        return [Problem("RUN_ID", self.folder.uri, rule, fix)]

    def _index(self) -> dict[str, Any] | None:
        content = self.folder.read(LATEST_FILE)
        if content is None:
            return None
        try:
            index = json.loads(content)
        except ValueError:
            return {}
        return index if isinstance(index, dict) else {}

    def _found(self) -> list[Entry]:
        """Entries of the whole files that lie there, as the index would name them."""
        entries = []
        for name in self._step_files():
            matched = _STEP_FILE.fullmatch(name)
            with self._here(name) as file:
                if matched and file is not None and _is_whole(file):
                    entries.append(Entry(name, int(matched[1]), int(matched[2]), sha256_of(file)))
        return sorted(entries, key=lambda entry: -entry.serial)

    def _step_files(self) -> list[str]:
        return [name for name in self.folder.names() if _STEP_FILE.fullmatch(name)]

    @contextmanager
    def _here(self, name: str) -> Iterator[Path | None]:
        if isinstance(self.folder, LocalFolder):
            file = self.folder.path / name
            yield file if file.is_file() else None
            return
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as scratch:
            file = Path(scratch) / name
            yield file if self.folder.copy_out(name, file) else None


def _to_go_back_to(entries: list[Entry]) -> list[Entry]:
    """Of entries, newest first, the first of the newest stretch of steps and of the one before: a loss is seen to
    diverge a window of steps late, when the newest states may all be of after it began.
    """
    stretches = [entry.step // _STRETCH for entry in entries]
    wanted = {stretches[0], stretches[0] - 1}
    return [entries[len(stretches) - 1 - stretches[::-1].index(each)] for each in wanted if each in stretches]


def _format_of(index: dict[str, Any]) -> Any:
    """The first format did not name itself. A damaged index counts as one of this."""
    if "format" in index:
        return index["format"]
    try:
        return 1 if set(index["checkpoints"][0]) == _FIRST_FORMAT_ENTRY else _FORMAT
    except (KeyError, IndexError, TypeError):
        return _FORMAT


def file_name(*, step: int, serial: int) -> str:
    return f"step-{step:09d}-{serial:06d}.pt"


def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _is_whole(file: Path) -> bool:
    """Whether every part of the archive has its checksum."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        return False
