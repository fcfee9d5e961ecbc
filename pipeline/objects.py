"""Files in object storage, by gs:// address.

Owns: addresses, whole-file transfer, an object's custom metadata and its generation. Does not own: what is in the
files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from google.api_core.exceptions import NotFound

from contracts.problems import Problem, Refused

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

ABSENT = 0  # the generation to expect of an object that must not exist yet


class ObjectState(NamedTuple):
    """What an object is now: its version, its custom metadata and the version of those."""

    generation: int
    metageneration: int
    metadata: dict[str, str]


class Objects:
    """The objects that one storage client sees."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def state(self, uri: str) -> ObjectState | None:
        """None where there is no such object."""
        bucket, name = split(uri)
        blob = self._client.bucket(bucket).get_blob(name)
        if blob is None:
            return None
        return ObjectState(int(blob.generation or 0), int(blob.metageneration or 0), dict(blob.metadata or {}))

    def read(self, uri: str) -> bytes:
        """The whole object. Raises `FileNotFoundError`."""
        try:
            return self._blob(uri).download_as_bytes()
        except NotFound:
            raise FileNotFoundError(f"{uri} does not exist") from None

    def read_json(self, uri: str) -> Any:
        return json.loads(self.read(uri))

    def write_json(self, uri: str, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        self._blob(uri).upload_from_string(text + "\n", content_type="application/json")

    def list(self, prefix: str) -> list[str]:
        """The addresses that begin with a prefix, in order."""
        bucket, name = split(prefix)
        return sorted(f"gs://{bucket}/{blob.name}" for blob in self._client.list_blobs(bucket, prefix=name))

    def download(self, uri: str, path: Path, *, generation: int | None = None) -> None:
        """The current object, or that generation of it. Raises `FileNotFoundError`, and leaves no file then."""
        try:
            self._blob(uri, generation).download_to_filename(str(path))
        except NotFound:
            path.unlink(missing_ok=True)
            raise FileNotFoundError(f"{uri} does not exist") from None

    def upload(
        self, path: Path, uri: str, *, metadata: Mapping[str, str] | None = None, replaces_generation: int | None = None
    ) -> int:
        """Upload a file; returns its generation. With `replaces_generation`, only over that one (or `ABSENT`)."""
        blob = self._blob(uri)
        blob.metadata = dict(metadata or {}) or None
        blob.upload_from_filename(str(path), if_generation_match=replaces_generation)
        return int(blob.generation or 0)

    def set_metadata(self, uri: str, values: Mapping[str, str], *, generation: int) -> None:
        """Add custom metadata to that generation of an object."""
        blob = self._blob(uri)
        blob.reload(if_generation_match=generation)
        blob.metadata = {**(blob.metadata or {}), **values}
        blob.patch(if_generation_match=generation)

    def delete(self, uri: str) -> None:
        """Delete an object; one that is gone already is fine."""
        try:
            self._blob(uri).delete()
        except NotFound:
            return

    def _blob(self, uri: str, generation: int | None = None) -> "Blob":
        bucket, name = split(uri)
        return self._client.bucket(bucket).blob(name, generation=generation)


def split(uri: str) -> tuple[str, str]:
    """Bucket and object name of a gs:// address."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise Refused(
            "Address",
            [Problem(key="uri", value=uri, rule="an object has an address gs://BUCKET/NAME", fix="Correct it")],
        )
    return bucket, name


def join(folder: str, name: str) -> str:
    """The address of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"
