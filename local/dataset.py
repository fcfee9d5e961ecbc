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
    """`oracle` holds the best reachable metrics where they are known: for a generated shop."""

    folder: Path
    description: str
    oracle: dict[str, float] | None = None


def prepare(layout: Layout, data: str) -> Dataset:
    """Raises Refused where `data` is neither a folder with interactions.parquet nor a file that can be imported."""
    if not data:
        return _generated(layout)
    path = Path(data).expanduser().absolute()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _imported(layout, path)
    raise _refused(data, "does not exist", "Pass a folder with interactions.parquet, or a ratings file")


def _folder(path: Path) -> Dataset:
    if not (path / INTERACTIONS_FILE).is_file():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
        rule = f"holds no {INTERACTIONS_FILE} (found: {found})"
        raise _refused(str(path), rule, "Pass a folder that has one, or the path of a ratings file to import")
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
    key = hashlib.sha256(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = layout.data / f"import-{key}"
    _once(folder, "train.import_ratings", str(path))
    return Dataset(folder, path.name)


def _once(folder: Path, module: str, *arguments: str) -> None:
    """Run `python -m module … --out folder`, unless it has been; a half-made folder is never taken for a whole one."""
    if folder.exists():
        return
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, *arguments, "--out", str(draft)]
    if subprocess.run(command, check=False).returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise _refused(" ".join(arguments), f"`python -m {module}` could not read it", "Its message is above")
    draft.rename(folder)


def _refused(value: str, rule: str, fix: str) -> Refused:
    return Refused("DATA", [Problem(key="DATA", value=value, rule=rule, fix=fix)])
