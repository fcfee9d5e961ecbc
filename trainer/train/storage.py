"""Files by URI: one interface hides whether a folder is a bucket's prefix (gs://…) or a plain directory.

Owns: reading, atomic writing and listing of named files in a folder. Does not own: what the files mean.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from train.environment import storage_emulator
from train.problems import Problem, Refused

_PROBE = "probe"
_KINDS = {".json": "application/json", ".html": "text/html; charset=utf-8"}


class Folder(Protocol):
    """A place that holds files by relative name. Writes replace a file as a whole: a reader sees the old or the new
    one.
    """

    uri: str

    def read(self, name: str) -> bytes | None:
        """The file's content; None where there is no such file."""
        ...

    def file(self, name: str, scratch: Path) -> Path | None:
        """The file on this machine's disk, copied to `scratch` from elsewhere; None where there is no such file."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def copy_in(self, name: str, file: Path) -> None:
        """Writes what a file on this machine holds, without reading it into memory."""
        ...

    def copy_out(self, name: str, file: Path) -> bool:
        """Writes the content to a file on this machine; False where there is no such file here."""
        ...

    def names(self) -> list[str]:
        """The files directly in the folder, sorted; empty where there is no folder."""
        ...

    def delete(self, name: str) -> None:
        """Remove the file if it is there."""
        ...


def open_folder(uri: str) -> Folder:
    """The folder at a gs:// URI or a path; neither is created or touched yet."""
    if uri.startswith("gs://"):
        return BucketFolder(uri)
    if "://" in uri and not uri.startswith("file://"):
        raise Refused(
            "storage",
            [Problem("uri", uri, "only gs:// and plain folders can be used", "Write gs://bucket/prefix or a path")],
        )
    return LocalFolder(uri.removeprefix("file://"))


def join(uri: str, *names: str) -> str:
    """`uri` with path parts appended."""
    return "/".join([uri.rstrip("/"), *names])


def probe(folder: Folder) -> None:
    """Writes a file and removes it; raises whatever keeps it from that."""
    folder.write(_PROBE, b"")
    folder.delete(_PROBE)


class LocalFolder:
    """A plain directory."""

    def __init__(self, path: str) -> None:
        self.uri = path.rstrip("/") or "/"
        self.path = Path(self.uri)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def file(self, name: str, scratch: Path) -> Path | None:  # noqa: ARG002 - it lies here already
        path = self.path / name
        return path if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        with self.writing(name) as partial:
            partial.write_bytes(content)

    def copy_in(self, name: str, file: Path) -> None:
        with self.writing(name) as partial:
            shutil.copyfile(file, partial)

    def copy_out(self, name: str, file: Path) -> bool:
        try:
            shutil.copyfile(self.path / name, file)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A file to write, which becomes `name` at the end if nothing was raised; on disk before it is seen, so that a
        machine that loses its power has the old or the new one, too.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f".{name}.partial"
        try:
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(self.path / name)
        finally:
            partial.unlink(missing_ok=True)

    def remove_partial(self) -> None:
        """Files that a process which was killed was writing."""
        for partial in self.path.glob(".*.partial"):
            partial.unlink(missing_ok=True)

    def names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(file.name for file in self.path.iterdir() if file.is_file() and not file.name.startswith("."))

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)


class BucketFolder:
    """A prefix of a Cloud Storage bucket. Uploads are atomic by the service's own rule: an object appears when it is
    complete.
    """

    def __init__(self, uri: str) -> None:
        bucket, _, prefix = uri.removeprefix("gs://").rstrip("/").partition("/")
        self.uri = uri.rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket = _storage_client().bucket(bucket)

    def read(self, name: str) -> bytes | None:
        from google.api_core.exceptions import NotFound

        try:
            return self._bucket.blob(self._prefix + name).download_as_bytes()
        except NotFound:
            return None

    def file(self, name: str, scratch: Path) -> Path | None:
        path = scratch / name
        return path if self.copy_out(name, path) else None

    def write(self, name: str, content: bytes) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
        self._bucket.blob(self._prefix + name).upload_from_string(content, content_type=kind, retry=DEFAULT_RETRY)

    def copy_in(self, name: str, file: Path) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._bucket.blob(self._prefix + name).upload_from_filename(str(file), retry=DEFAULT_RETRY)

    def copy_out(self, name: str, file: Path) -> bool:
        from google.api_core.exceptions import NotFound

        try:
            self._bucket.blob(self._prefix + name).download_to_filename(str(file))
        except NotFound:
            return False
        return True

    def names(self) -> list[str]:
        blobs = self._bucket.client.list_blobs(self._bucket, prefix=self._prefix, delimiter="/")
        return sorted(blob.name.removeprefix(self._prefix) for blob in blobs)

    def delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        try:
            self._bucket.blob(self._prefix + name).delete()
        except NotFound:
            return


_CLIENTS: dict[str, Any] = {}


def _storage_client() -> Any:
    """One client a process. A stand-in server still gets the job's token: the client alone would go anonymous there."""
    from google.cloud import storage

    emulator = storage_emulator()
    if emulator not in _CLIENTS:
        credentials, project = default_credentials(anonymous_allowed=bool(emulator))
        _CLIENTS[emulator] = storage.Client(project=project or "-", credentials=credentials)
    return _CLIENTS[emulator]


def default_credentials(*, anonymous_allowed: bool) -> tuple[Any, str | None]:
    """Application default credentials and their project; anonymous ones where none are found and that is allowed."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        if anonymous_allowed:
            return AnonymousCredentials(), None
        fix = "Run as a Vertex AI job, or gcloud auth application-default login"
        raise Refused("storage", [Problem("credentials", None, "no Google credentials were found", fix)]) from error
