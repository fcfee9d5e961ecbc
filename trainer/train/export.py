"""Turns a trained model into a bundle that is served without the code that trained it: `python -m train.export`.

Owns: the exported program (the best K items of a history, seen ones left out where asked) and the bundle's files. Does
not own: serving them (serve.py, of which a copy goes along), or the model.

Shapes: B histories, L places of the window, S seen items, V items, K answered items.
"""

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from train import serve
from train.artifacts import TRAINING_FILE, read_counts, read_json, read_model
from train.model import NextItemModel, recency_mask
from train.problems import EXIT_REFUSED, Refused
from train.storage import Folder, join, open_folder

_MOST_ANSWERED = 1000
_MOST_HISTORIES = 4096
_MOST_SEEN = 1_000_000


class BestItems(torch.nn.Module):
    """scores_BK and places_BK of the best items after each history, the best first."""

    def __init__(self, model: NextItemModel, most: int) -> None:
        super().__init__()
        self._model, self._most = model, most

    def forward(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, seen_BS: torch.Tensor, exclude_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        counts = self._model.successors
        scores_BV = self._model.last_logits(items_BL, lengths_B)
        scores_BV = counts.add_to(scores_BV, counts.gains(items_BL, lengths_B))
        left_out_BS = torch.where(exclude_B[:, None], -torch.inf, 0.0).expand_as(seen_BS)
        scores_BK, places_BK = scores_BV.scatter_add(1, seen_BS, left_out_BS).topk(self._most)
        return scores_BK, places_BK


def program_of(model: NextItemModel) -> torch.export.ExportedProgram:
    """The model's ranking on the CPU, for any number of histories of any length up to the window."""
    model = model.cpu().eval()
    window = model.config.window
    most = min(_MOST_ANSWERED, model.config.items)
    mask_HLL = model.mask_HLL
    # One place more than is ever read: a slice that may be the whole would be another program.
    model.mask_HLL = recency_mask(model.config.model_copy(update={"window": window + 1}))
    batch = torch.export.Dim("histories", min=1, max=_MOST_HISTORIES)
    length = torch.export.Dim("places", min=1, max=window)
    seen = torch.export.Dim("seen", min=1, max=_MOST_SEEN)
    rows, places = 3, min(window, 5)
    example = (
        torch.zeros(rows, places, dtype=torch.long),
        torch.full((rows,), places),
        torch.zeros(rows, 7, dtype=torch.long),
        torch.ones(rows, dtype=torch.bool),
    )
    shapes = ({0: batch, 1: length} if window > 1 else {0: batch}, {0: batch}, {0: batch, 1: seen}, {0: batch})
    try:
        with torch.no_grad():
            return torch.export.export(BestItems(model, most), example, dynamic_shapes=shapes)
    finally:
        model.mask_HLL = mask_HLL


def write_bundle(
    folder: Folder, *, model: NextItemModel, catalog: pa.StringArray, counts_V: np.ndarray, run_id: str
) -> None:
    """Stores the bundle, its manifest last: without it a folder holds none."""
    program = io.BytesIO()
    torch.export.save(program_of(model), program)
    most = min(_MOST_ANSWERED, len(catalog))
    popular_K = np.argsort(-counts_V, kind="stable")[:most]
    contents = {
        serve.PROGRAM_FILE: program.getvalue(),
        serve.CATALOG_FILE: json.dumps({"items": catalog.to_pylist(), "popular": popular_K.tolist()}).encode(),
        "serve.py": Path(serve.__file__).read_bytes(),
    }
    for name, content in contents.items():
        folder.write(name, content)
    manifest = {
        "format": serve.FORMAT,
        "run_id": run_id,
        "torch": torch.__version__,
        "window": model.config.window,
        "items": len(catalog),
        "most": most,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    folder.write(serve.MANIFEST_FILE, (json.dumps(manifest, indent=1) + "\n").encode())


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m train.export", description="Make a trained model's serving bundle."
    )
    result.add_argument("--model-uri", required=True, help="folder of the model")
    result.add_argument("--output-uri", help=f"where the bundle goes (default: {serve.BUNDLE_FOLDER}/ in that folder)")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    target = options.output_uri or join(options.model_uri, serve.BUNDLE_FOLDER)
    try:
        folder = open_folder(options.model_uri)
        model, catalog = read_model(folder)
        run_id = (read_json(folder, TRAINING_FILE) or {}).get("run_id", "")
        write_bundle(open_folder(target), model=model, catalog=catalog, counts_V=read_counts(folder), run_id=run_id)
    except Refused as refused:
        sys.stderr.write("".join(f"{problem}\n" for problem in refused.problems))
        return EXIT_REFUSED
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
