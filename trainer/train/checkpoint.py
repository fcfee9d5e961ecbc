"""Checkpoints that survive a kill at any moment, and that training does not wait for.

Owns: copying a training state, writing it in the background, finding the newest whole one, and the cadence. Does not
own: what is in a state, whether a run may continue from it (continuation.py), or how a folder holds several
(checkpoint_folder.py).

A state is copied in memory, which is all that training waits for. A thread writes the copy to this machine's disk, and
from there to the bucket where CHECKPOINT_DIR is one. On return the newest one of both places that is whole is taken: a
process that starts again on its machine has lost nothing even where the bucket was out of reach.
"""

import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch

from train.checkpoint_folder import CheckpointFolder, Entry, file_name, sha256_of
from train.environment import storage_emulator
from train.storage import Folder, LocalFolder

# Enough that one of them is from before a loss that is seen to diverge.
KEPT = 3
# Checkpoints may take this share of one core, whichever thread works for them.
_SHARE = 0.015
_NICE = 5
_ALONE = "alone-"  # how a history is called that began while the bucket was out of reach


class Saved(NamedTuple):
    """A state, and what it was said to belong to."""

    identity: dict[str, Any]
    state: dict[str, Any]


class NotFinite(ValueError):
    """A state with numbers that are not finite: nothing good can follow from it."""


class Checkpoints:
    """The checkpoints of one run. `stored` hears of each that is safe: step, seconds of writing."""

    def __init__(
        self,
        folder: Folder,
        *,
        warn: Callable[[str], None],
        stored: Callable[[int, float], None] = lambda _step, _seconds: None,
        kept: int = KEPT,
        scratch: str | None = None,
    ) -> None:
        self._uri = folder.uri
        self._warn = warn
        self._stored = stored
        near = folder if isinstance(folder, LocalFolder) else LocalFolder(scratch or _scratch(folder.uri))
        self._near = CheckpointFolder(near, kept=kept, warn=warn)
        self._near_folder = near
        self._far = None if near is folder else CheckpointFolder(folder, kept=kept, warn=warn)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint", initializer=_step_back)
        self._pending: Future[None] | None = None
        self._is_stored = False
        self.written_in = 0.0  # CPU seconds, of the newest
        self._copy: Any = None
        self._serial = 0
        self._lineage = ""

    def save(self, state: dict[str, Any], *, step: int, identity: dict[str, Any], wait: bool = True) -> bool:
        """Copies the state now and writes it in the background. Where the one before is still being written, this one
        waits for it, or is left out (False) with `wait=False`.

        `identity` says what the state belongs to: data, settings.
        """
        if not wait and self.is_writing:
            return False
        self.flush()
        self._copy = _copied(state, self._copy, {})
        self._pending = self._thread.submit(self._write, step, json.dumps(identity))
        return True

    @property
    def is_writing(self) -> bool:
        return self._pending is not None and not self._pending.done()

    def flush(self) -> bool:
        """Waits for the write under way; whether the newest state is stored. A failed one warns: training is worth more
        than one checkpoint.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return self._is_stored
        try:
            pending.result()
            self._is_stored = True
        except Exception as error:
            self._warn(f"a checkpoint was not stored in {self._uri}: {error}")
            self._is_stored = False
        return self._is_stored

    def load(self, *, at_most_step: int | None = None) -> Saved | None:
        """The newest state that is whole, of those up to a step where one is given; None where there is none."""
        self.flush()
        self._join()
        places = [place for place in (self._near, self._far) if place is not None]
        held = [(entry, place) for place in places for entry in place.entries()]
        held.sort(key=lambda pair: -pair[0].serial)  # stable: this machine's copy comes first
        self._serial = max([self._serial, *(entry.serial for entry, _ in held)])
        saved = self._newest([pair for pair in held if at_most_step is None or pair[0].step <= at_most_step])
        for place in places:
            place.sweep({entry.file for entry, of in held if of is place})
        return saved

    def discard_scratch(self) -> None:
        """Removes this machine's copies where the bucket has the newest; for a run that has ended."""
        if self._far is not None and self._is_stored:
            shutil.rmtree(self._near_folder.path, ignore_errors=True)

    def _join(self) -> None:
        """Finds out which history of this run's name is continued; copies of another one here are dropped."""
        if self._lineage:
            return
        first = self._far or self._near
        lineage = first.lineage()
        self._lineage = lineage or self._left_here() or uuid.uuid4().hex
        if not lineage:
            entries = first.entries()
            try:
                first.begin(self._lineage, entries)
            except Exception as error:
                self._lineage = _ALONE + self._lineage.removeprefix(_ALONE)
                self._warn(f"checkpoints cannot be stored in {self._uri}: {error}")
        if self._far is not None and self._near.lineage() != self._lineage:
            shutil.rmtree(self._near_folder.path, ignore_errors=True)

    def _left_here(self) -> str:
        """The history of this machine's copies where the bucket does not say which is its own: it was out of reach when
        they began, or its index was lost. Where the bucket's folder is empty, somebody wants to begin anew.
        """
        here = self._near.lineage() if self._far is not None else ""
        return here if here.startswith(_ALONE) or (self._far is not None and self._far.holds_any()) else ""

    def _newest(self, held: list[tuple[Entry, CheckpointFolder]]) -> Saved | None:
        for entry, place in held:
            with place.whole(entry) as file:
                if file is not None:
                    saved = torch.load(file, weights_only=True)
                    return Saved(json.loads(saved["identity"]), saved["state"])
            self._warn(f"checkpoint {entry.file} is missing or damaged: the one before it is taken")
        return None

    def _write(self, step: int, identity: str) -> None:
        """In the thread: the copy to this machine's disk, then to the bucket. Each is committed by its index."""
        begun, begun_cpu = time.monotonic(), time.thread_time()
        if not _is_finite(self._copy):
            raise NotFinite(f"the state after step {step} is not finite")
        self._join()
        self._serial += 1
        name = file_name(step=step, serial=self._serial)
        content = {"identity": identity, "state": self._copy}
        try:
            entry = self._write_here(content, name, step)
        except OSError as error:
            if self._far is None:
                raise
            self._warn(f"no copy of a checkpoint on this machine ({error}): it goes to the bucket alone")
            self._write_there(self._far, content, name, step)
        else:
            if self._far is not None:
                self._far.commit(entry, lineage=self._lineage, file=self._near_folder.path / name)
        self.written_in = time.thread_time() - begun_cpu
        self._stored(step, time.monotonic() - begun)

    def _write_here(self, content: dict[str, Any], name: str, step: int) -> Entry:
        with self._near_folder.writing(name) as partial:
            torch.save(content, partial)
        entry = Entry(name, step, self._serial, sha256_of(self._near_folder.path / name))
        self._near.commit(entry, lineage=self._lineage, file=None)
        return entry

    def _write_there(self, far: CheckpointFolder, content: dict[str, Any], name: str, step: int) -> None:
        """To the bucket by way of memory."""
        buffer = io.BytesIO()
        torch.save(content, buffer)
        far.folder.write(name, buffer.getvalue())
        entry = Entry(name, step, self._serial, sha256(buffer.getvalue()).hexdigest())
        far.commit(entry, lineage=self._lineage, file=None)


class Cadence:
    """When a checkpoint is due: after so many seconds or steps. The seconds are stretched where copying a state, which
    training waits for, and writing it, which may want its core, would take more than a share of them. `written_in`: the
    CPU seconds that the newest was written in.
    """

    def __init__(
        self,
        *,
        seconds: float,
        steps: int,
        step: int,
        clock: Callable[[], float],
        written_in: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._seconds, self._steps, self._clock, self._written_in = seconds, steps, clock, written_in
        self._step = step
        self._ended, self._paused = clock(), 0.0

    def is_due(self, step: int) -> bool:
        if self._steps and step - self._step >= self._steps:
            return True
        return self._clock() >= self._ended + max(self._seconds, (self._paused + self._written_in()) / _SHARE)

    def run(self, save: Callable[[], object], step: int) -> None:
        """Saves, and counts from there."""
        begun = self._clock()
        save()
        self._ended = self._clock()
        self._paused, self._step = self._ended - begun, step


def _copied(value: Any, into: Any, copies: dict[tuple[Any, ...], torch.Tensor]) -> Any:
    """A copy of a state in this machine's memory; `into` is the copy before, whose memory is used again. A tensor that
    occurs twice is copied once, to `copies`: a large table is its own average.
    """
    if isinstance(value, torch.Tensor):
        place = (value.data_ptr(), value.dtype, value.shape, value.stride())
        if place not in copies:
            fits = isinstance(into, torch.Tensor) and (into.shape, into.dtype) == (value.shape, value.dtype)
            copies[place] = into.copy_(value.detach()) if fits else value.detach().to("cpu", copy=True)
        return copies[place]
    if isinstance(value, dict):
        before = into if isinstance(into, dict) else {}
        return {key: _copied(item, before.get(key), copies) for key, item in value.items()}
    if isinstance(value, list | tuple):
        held = into if isinstance(into, list | tuple) and len(into) == len(value) else [None] * len(value)
        return [_copied(item, before, copies) for item, before in zip(value, held, strict=True)]
    return value


def _is_finite(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value.sum(dtype=torch.float64)))
    if isinstance(value, dict):
        return all(_is_finite(item) for item in value.values())
    return all(_is_finite(item) for item in value) if isinstance(value, list | tuple) else True


def _scratch(uri: str) -> str:
    """This machine's place for the checkpoints of a bucket's folder."""
    name = sha256(f"{storage_emulator()} {uri}".encode()).hexdigest()[:24]
    user = os.getuid() if hasattr(os, "getuid") else 0
    return str(Path(tempfile.gettempdir()) / f"recsys-checkpoints-{user}" / name)


def _step_back() -> None:
    """The thread yields to training where both want the same core. Only Linux has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
