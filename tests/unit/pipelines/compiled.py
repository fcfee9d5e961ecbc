"""Compiles a pipeline function as `kfp` does and reads the result."""

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from kfp import compiler


def compiled(pipeline: Callable[..., Any]) -> dict[str, Any]:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))  # type: ignore[arg-type] # a decorated pipeline
        return next(yaml.safe_load_all(path.read_text()))
