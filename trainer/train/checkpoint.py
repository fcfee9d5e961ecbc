"""Checkpoints that survive a kill at any moment.

Owns: writing a training state under CHECKPOINT_DIR/RUN_ID and finding the newest whole one. Does not own: what is in
it.

A state is one file named by its step; `latest.json` is written after it and names the newest files with their sha256,
newest first. A file that is missing, cut short or altered is passed over for the one before. Where `latest.json` itself
cannot be read, the whole ones among the files take its place. What nothing names is removed when a run continues.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from train.problems import Problem, refuse_if
from train.storage import Folder

LATEST_FILE = "latest.json"
_KEPT = 2
_ENTRY = ("file", "step", "sha256")
_STEP_FILE = re.compile(r"step-\d{9,}\.pt")


class Checkpoints:
    """The checkpoints of one run. Uploads happen in a thread of their own; `flush` waits for them, and `stored` hears
    of each step whose state is safe.
    """

    def __init__(
        self, folder: Folder, *, warn: Callable[[str], None], stored: Callable[[int], None] = lambda _step: None
    ) -> None:
        self._folder = folder
        self._warn = warn
        self._stored = stored
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._is_stored = False

    def save(self, state: dict[str, Any], *, step: int, identity: dict[str, Any]) -> None:
        """Copies the state now and uploads it in the background, after the upload before it.

        `identity` says what the state belongs to (data, settings): only a run with the same may continue from it.
        """
        self.flush()
        buffer = io.BytesIO()
        torch.save({"identity": json.dumps(identity), "state": state}, buffer)
        self._pending = self._thread.submit(self._upload, buffer.getvalue(), step)

    def flush(self) -> bool:
        """Waits for the upload under way; whether the newest state is stored. A failed upload warns: training is worth
        more than one checkpoint.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return self._is_stored
        try:
            pending.result()
            self._is_stored = True
        except Exception as error:
            self._warn(f"a checkpoint was not stored in {self._folder.uri}: {error}")
            self._is_stored = False
        return self._is_stored

    def load(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """The newest state that is whole; None where there is none. Refuses one that belongs to something else."""
        entries = self._entries()
        state = self._newest(entries, identity)
        self._sweep({entry["file"] for entry in entries})
        return state

    def _newest(self, entries: list[dict[str, Any]], identity: dict[str, Any]) -> dict[str, Any] | None:
        for entry in entries:
            content = self._folder.read(entry["file"])
            if content is not None and hashlib.sha256(content).hexdigest() == entry["sha256"]:
                saved = torch.load(io.BytesIO(content), weights_only=True)
                self._refuse_other(json.loads(saved["identity"]), identity)
                return saved["state"]
            self._warn(f"checkpoint {entry['file']} is missing or damaged: the one before it is taken")
        return None

    def _sweep(self, named: set[str]) -> None:
        """Removes files of uploads that were cut off before `latest.json` named them."""
        try:
            for name in self._step_files():
                if name not in named:
                    self._folder.delete(name)
        except Exception as error:
            self._warn(f"files of unfinished checkpoints stay in {self._folder.uri}: {error}")

    def _refuse_other(self, held: dict[str, Any], asked: dict[str, Any]) -> None:
        fix = "Choose another RUN_ID, or remove the folder"
        problems = [
            Problem(
                "RUN_ID",
                self._folder.uri,
                f"its checkpoint was made with {name} {held.get(name)!r}, not {value!r}",
                fix,
            )
            for name, value in json.loads(json.dumps(asked)).items()
            if held.get(name) != value
        ]
        refuse_if("checkpoint", problems)

    def _entries(self) -> list[dict[str, Any]]:
        latest = self._folder.read(LATEST_FILE)
        if latest is not None:
            try:
                return [{key: entry[key] for key in _ENTRY} for entry in json.loads(latest)["checkpoints"]]
            except (ValueError, KeyError, TypeError):
                self._warn(f"{LATEST_FILE} is damaged: the newest whole checkpoint beside it is taken")
        return self._found()

    def _found(self) -> list[dict[str, Any]]:
        """Entries of the whole files that lie there, newest first, as `latest.json` would name them."""
        entries = []
        for name in reversed(self._step_files()):
            content = self._folder.read(name)
            if content is not None and _is_whole(content):
                step = int(name.removeprefix("step-").removesuffix(".pt"))
                entries.append({"file": name, "step": step, "sha256": hashlib.sha256(content).hexdigest()})
        return entries

    def _step_files(self) -> list[str]:
        return [name for name in self._folder.names() if _STEP_FILE.fullmatch(name)]

    def _upload(self, content: bytes, step: int) -> None:
        name = f"step-{step:09d}.pt"
        entry = {"file": name, "step": step, "sha256": hashlib.sha256(content).hexdigest()}
        entries = [entry, *(other for other in self._entries() if other["file"] != name)]
        self._folder.write(name, content)
        self._folder.write(LATEST_FILE, json.dumps({"checkpoints": entries[:_KEPT]}).encode())
        self._stored(step)
        for old in entries[_KEPT:]:
            self._folder.delete(old["file"])


def _is_whole(content: bytes) -> bool:
    """Whether every part of the archive has its checksum."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        return False
