"""What `DATA` names, made into a folder with interactions.parquet.

A folder is taken as it is, a ratings file is imported, and without DATA a shop is generated.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from contracts.problems import Problem, Refused
from contracts.table_schemas import INTERACTIONS_FILE
from local.layout import Layout

_SHOP_FILE = "shop.json"
_SEED = 0


@dataclass(frozen=True)
class Dataset:
    """`path`: a folder or one parquet file. `oracle`: the best reachable metrics, known for a generated shop."""

    path: Path
    description: str
    oracle: dict[str, float] | None = None


def prepare(layout: Layout, data: str) -> Dataset:
    """Raises Refused where `data` is neither a folder with interactions.parquet nor a file that can be imported."""
    if not data:
        return _generated(layout)
    path = Path(data).expanduser().absolute()
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return Dataset(path, path.name) if _is_parquet(path) else _imported(layout, path)
    except PermissionError as error:
        raise _refused(data, f"may not be read ({error})", f"Allow it: chmod -R u+rX {path}") from None
    raise _refused(data, "does not exist", "Pass a folder with interactions.parquet, or a ratings file")


def _folder(path: Path) -> Dataset:
    found = sorted(entry.name for entry in path.iterdir())
    if not (path / INTERACTIONS_FILE).is_file():
        rule = f"holds no file {INTERACTIONS_FILE} (found: {', '.join(found[:8]) or 'nothing'})"
        raise _refused(str(path), rule, "Pass a folder that has one, or the path of a ratings file to import")
    (path / INTERACTIONS_FILE).open("rb").close()  # raises where it may not be read
    shop = path / _SHOP_FILE
    oracle = json.loads(shop.read_text()).get("oracle") if shop.exists() else None
    return Dataset(path, path.name, oracle)


def _generated(layout: Layout) -> Dataset:
    """A shop made once per seed and version of the generator."""
    generator = layout.root / "trainer" / "train" / "synthetic_shop.py"
    version = hashlib.sha256(generator.read_bytes()).hexdigest()[:8]
    folder = layout.data / f"shop-{_SEED}-{version}"
    _once(folder, "train.synthetic_shop", "--seed", str(_SEED))
    return Dataset(folder, f"generated shop, seed {_SEED}", _folder(folder).oracle)


def _imported(layout: Layout, path: Path) -> Dataset:
    stat = path.stat()
    key = hashlib.sha256(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    for module in ("import_ratings", "ratings_files"):
        key.update((layout.root / "trainer" / "train" / f"{module}.py").read_bytes())
    folder = layout.data / f"import-{key.hexdigest()[:12]}"
    _once(folder, "train.import_ratings", str(path))
    return Dataset(folder, path.name)


def _is_parquet(path: Path) -> bool:
    """By its first bytes, since a file that is cut off shall be refused as parquet. Raises PermissionError."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _once(folder: Path, module: str, *arguments: str) -> None:
    """Run `python -m module … --out folder`, unless it has been; a half-made folder is never taken for a whole one."""
    if folder.exists():
        return
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, *arguments, "--out", str(draft)]
    try:
        # In a process group of its own: Ctrl-C is ours to tell.
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, process_group=0, check=False)
        if done.returncode:
            fix = f"Repair it, or make the folder by hand: python -m {module} --help"
            raise _refused(arguments[-1], f"cannot be imported\n{_last_words(done.stderr)}\n   ", fix)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _last_words(stderr: str) -> str:
    """What a command said at its end; of a traceback the error alone."""
    lines = stderr.strip().splitlines() or ["no message"]
    return "\n".join(f"    {line}" for line in (lines[-1:] if "Traceback" in stderr else lines[-8:]))


def _refused(value: str, rule: str, fix: str) -> Refused:
    return Refused("DATA", [Problem(key="DATA", value=value, rule=rule, fix=fix)])
