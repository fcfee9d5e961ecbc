"""The parquet files that hold a folder's interactions, on this machine's disk.

Owns: which files these are, and reading them batch by batch. Does not own: what is in them (data.py).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from train.problems import Problem, Refused
from train.storage import Folder, join, open_folder

INTERACTIONS_FILE = "interactions.parquet"
_SHARD_FOLDER = "interactions"
_SUFFIX = ".parquet"
_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Shard:
    """A file: where it came from, and where it lies."""

    uri: str
    path: Path

    def open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path, memory_map=True)
        except pa.ArrowException as error:
            raise self._unreadable(error) from error

    def batches(self, file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        try:
            yield from file.iter_batches(_ROWS_AT_ONCE, columns=list(columns))
        except pa.ArrowException as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: pa.ArrowException) -> Refused:
        rule = f"is not a readable parquet file ({str(error).splitlines()[0]})"
        size = f"{self.path.stat().st_size} bytes"
        return Refused("data", [Problem(self.uri, size, rule, "Write the file again")])


def fetch_shards(folder: Folder, scratch: Path) -> list[Shard]:
    """The folder's files of interactions, those of a bucket copied to `scratch`; refused where there are none."""
    whole = folder.file(INTERACTIONS_FILE, scratch)
    if whole is not None:
        return [Shard(join(folder.uri, INTERACTIONS_FILE), whole)]
    below = open_folder(join(folder.uri, _SHARD_FOLDER))
    for place, start in ((folder, _SHARD_FOLDER), (below, "")):
        names = [name for name in place.names() if name.startswith(start) and name.endswith(_SUFFIX)]
        files = [(join(place.uri, name), place.file(name, scratch)) for name in names]
        if files:
            return [Shard(uri, path) for uri, path in files if path is not None]
    fix = "Point STAGING_PREFIX at a folder that holds it, interactions*.parquet or interactions/*.parquet"
    raise Refused("data", [Problem(INTERACTIONS_FILE, folder.uri, "no such file", fix)])


def sha256(shards: Sequence[Shard]) -> str:
    """Of the files' content, one after another."""
    digest = hashlib.sha256()
    for shard in shards:
        with shard.path.open("rb") as file:
            while content := file.read(1 << 20):
                digest.update(content)
    return digest.hexdigest()
