"""Checkpoints that survive a kill at any moment.

Owns: writing a training state under CHECKPOINT_DIR/RUN_ID and finding the newest whole one. Does not own: what is in
it.

A state is one file named by its step; `latest.json` is written after it and names the newest files with their sha256,
newest first. A file that is missing, cut short or altered is passed over for the one before.
"""

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from train.problems import Problem, refuse_if
from train.storage import Folder

LATEST_FILE = "latest.json"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one run. Uploads happen in a thread of their own; `flush` waits for them."""

    def __init__(self, folder: Folder, *, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
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
        for entry in self._entries():
            content = self._folder.read(entry["file"])
            if content is not None and hashlib.sha256(content).hexdigest() == entry["sha256"]:
                saved = torch.load(io.BytesIO(content), weights_only=True)
                self._refuse_other(json.loads(saved["identity"]), identity)
                return saved["state"]
            self._warn(f"checkpoint {entry['file']} is missing or damaged: the one before it is taken")
        return None

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
        if latest is None:
            return []
        try:
            return list(json.loads(latest)["checkpoints"])
        except (ValueError, KeyError, TypeError):
            self._warn(f"{LATEST_FILE} is damaged: no checkpoint can be taken")
            return []

    def _upload(self, content: bytes, step: int) -> None:
        name = f"step-{step:09d}.pt"
        entry = {"file": name, "step": step, "sha256": hashlib.sha256(content).hexdigest()}
        entries = [entry, *(other for other in self._entries() if other["file"] != name)]
        self._folder.write(name, content)
        self._folder.write(LATEST_FILE, json.dumps({"checkpoints": entries[:_KEPT]}).encode())
        for old in entries[_KEPT:]:
            self._folder.delete(old["file"])
