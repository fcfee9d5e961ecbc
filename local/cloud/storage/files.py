"""The bytes of objects, as files.

Owns: where content lies, how it gets there, and reading it safely. Does not own: which object is the live one
(objects.py).

An object whose name can be a path lies at `storage/BUCKET/NAME`, so that a bucket is a directory that programs can use.
Everything else lies under `storage-kept/GENERATION`: versions that are no longer live, and objects whose name is no
path (`a//b`, `..`, a name that ends in a slash) or whose path is taken (`a` beside `a/b`). Uploads are written under
`storage-staged/` and moved when they are acknowledged; nothing of an object's name is ever part of a path outside its
bucket's directory.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.cloud.storage.content import Claim, Draft

_MOST_SEGMENT_BYTES = 255


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one content of a path from the next without reading it."""

    size: int
    mtime_ns: int


class Files:
    def __init__(self, root: Path) -> None:
        root = root.resolve()
        self.claim: Claim = lambda _: None
        self.tree = root / "storage"
        self._tree = str(self.tree)
        self._kept = root / "storage-kept"
        self._staged = root / "storage-staged"
        self._uploads = root / "storage-uploads"
        for folder in (self.tree, self._kept, self._staged, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)

    def draft(self) -> Draft:
        return Draft(self._staged / f"draft-{secrets.token_hex(8)}", self.claim)

    def upload_path(self, upload: str) -> Path:
        """Where a resumable upload gathers its bytes; `upload` is an id of ours."""
        return self._uploads / upload

    def bucket_path(self, bucket: str) -> Path:
        return self.tree / bucket

    def path_of(self, bucket: str, name: str) -> Path | None:
        """Where a file of that name would lie; None for a name that can be no path."""
        path = f"{bucket}/{name}"
        return self.tree.joinpath(path) if _is_path(path) else None

    def kept_path(self, generation: int) -> Path:
        return self._kept / str(generation)

    def staged_path(self, generation: int) -> Path:
        return self._staged / str(generation)

    def stamp(self, bucket: str, name: str) -> Stamp | None:
        """Of the regular file at the name's path; None where there is none, or a symbolic link leads there."""
        if not _is_path(f"{bucket}/{name}"):
            return None
        try:
            found = os.lstat(f"{self._tree}/{bucket}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode) or self._leads_elsewhere(bucket, name):
            return None
        return Stamp(found.st_size, found.st_mtime_ns)

    def _leads_elsewhere(self, bucket: str, name: str) -> bool:
        """Whether a directory on the way to the name's path is a symbolic link."""
        folder = f"{self._tree}/{bucket}"
        for segment in ("", *name.split("/")[:-1]):
            folder = f"{folder}/{segment}" if segment else folder
            if os.path.islink(folder):  # noqa: PTH114 (on the way of every read)
                return True
        return False

    def stage(self, source: Path, generation: int) -> Stamp:
        """Move complete content to its generation's place, with a time of change that no other generation has."""
        os.utime(source, ns=(generation * 1000, generation * 1000))
        target = self.staged_path(generation)
        source.rename(target)
        found = target.stat()
        return Stamp(found.st_size, found.st_mtime_ns)

    def has_room(self, bucket: str, name: str) -> bool:
        """Whether a file can lie at the name's path: no directory is there and no file is on the way to it."""
        path = self.path_of(bucket, name)
        if path is None:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (NotADirectoryError, FileExistsError, OSError) as error:
            if isinstance(error, (NotADirectoryError, FileExistsError)) or error.errno == errno.ENAMETOOLONG:
                return False
            raise
        if self._leads_elsewhere(bucket, name):
            return False
        if path.is_dir() and not path.is_symlink():
            _remove_empty(path)
            return not path.exists()
        return True

    def put_in_tree(self, bucket: str, name: str, generation: int) -> None:
        """Move staged content to the name's path, over what is there."""
        path = self.path_of(bucket, name)
        if path is None:
            raise ValueError(f"{name!r} is no path")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.staged_path(generation).replace(path)

    def put_in_kept(self, generation: int) -> None:
        self.staged_path(generation).replace(self.kept_path(generation))

    def keep_from_tree(self, bucket: str, name: str, generation: int) -> None:
        """Give the file at the name's path a second name, under its generation, that outlives the first."""
        path, kept = self.path_of(bucket, name), self.kept_path(generation)
        if path is None:
            raise ValueError(f"{name!r} is no path")
        kept.unlink(missing_ok=True)
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:
            shutil.copy2(path, kept, follow_symlinks=False)

    def remove_from_tree(self, bucket: str, name: str) -> None:
        """Remove the file at the name's path, and the directories above it that are empty then."""
        path = self.path_of(bucket, name)
        if path is None:
            return
        path.unlink(missing_ok=True)
        bucket_path = self.bucket_path(bucket)
        for folder in path.parents:
            if folder == bucket_path:
                break
            try:
                folder.rmdir()
            except OSError:
                break

    def open(self, path: Path, expected: Stamp) -> int | None:
        """A descriptor of the file if it is what is expected; a symbolic link is not followed."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if Stamp(found.st_size, found.st_mtime_ns) == expected:
            return descriptor
        os.close(descriptor)
        return None

    def walk(self, bucket: str, prefix: str) -> Iterator[tuple[str, Stamp]]:
        """Names and stamps of the regular files below `prefix`, in no order. Links are not followed."""
        folder, _, _ = prefix.rpartition("/")
        top = self.path_of(bucket, folder) if folder else self.bucket_path(bucket)
        if top is None or top.resolve() != top:
            return
        pending = [(str(top), f"{folder}/" if folder else "")]
        while pending:
            path, name_prefix = pending.pop()
            try:
                entries = list(os.scandir(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                name = name_prefix + entry.name
                if not (name.startswith(prefix) or prefix.startswith(f"{name}/")):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{name}/"))
                elif entry.is_file(follow_symlinks=False) and name.startswith(prefix) and _is_text(name):
                    found = _stat(entry)
                    if found:
                        yield name, found

    def make_bucket(self, bucket: str) -> None:
        self.bucket_path(bucket).mkdir(exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        shutil.rmtree(self.bucket_path(bucket), ignore_errors=True)

    def staged_generations(self) -> list[int]:
        """What a crash left between its acknowledgement and its place; drafts that no one waits for are removed."""
        generations = []
        for path in self._staged.iterdir():
            if path.name.isdigit():
                generations.append(int(path.name))
            else:
                path.unlink(missing_ok=True)
        return generations

    def kept_generations(self) -> list[int]:
        return [int(path.name) for path in self._kept.iterdir() if path.name.isdigit()]

    def uploads(self) -> list[str]:
        return [path.name for path in self._uploads.iterdir()]


def _is_path(name: str) -> bool:
    """Whether a file can have the name: no segment is empty, `.`, `..` or longer than file systems take."""
    if not name or "\0" in name:
        return False
    for segment in name.split("/"):
        if segment in ("", ".", "..") or (4 * len(segment) > _MOST_SEGMENT_BYTES and _is_long(segment)):
            return False
    return True


def _is_long(segment: str) -> bool:
    return len(segment.encode()) > _MOST_SEGMENT_BYTES


def _stat(entry: "os.DirEntry[str]") -> Stamp | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def _is_text(name: str) -> bool:
    """Object names are UTF-8; a file name that is not cannot be one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\n" not in name and "\r" not in name


def _remove_empty(folder: Path) -> None:
    """Remove a directory that holds no file, however deep; leave it if it holds one."""
    for path, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            try:
                Path(path, name).rmdir()
            except OSError:
                return
    try:
        folder.rmdir()
    except OSError:
        return
