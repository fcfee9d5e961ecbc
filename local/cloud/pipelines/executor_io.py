"""The files by which a task's container is told its inputs and tells its outputs.

Source: https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto (ExecutorInput,
ExecutorOutput)
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.cloud.pipelines.values import Artifact, Values, WrongTypeError, adapted, parameter_types, parsed

PathOf = Callable[[str], Path]

_OUTPUT_FILE = "executor_output.json"


class OutputError(ValueError):
    """What a container left is not what its component declares."""


def mounted(uri: str) -> str:
    """Where Vertex AI mounts an object: /gcs/bucket/name."""
    return f"/gcs/{uri[5:]}" if uri.startswith("gs://") else uri


def executor_input(component: Mapping[str, Any], inputs: Values, base: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The ExecutorInput of one execution whose outputs go under `base`; `names` are those of its output artifacts."""
    declared = component.get("outputDefinitions", {})
    outputs = {
        "parameters": {name: {"outputFile": mounted(f"{base}/{name}")} for name in declared.get("parameters", {})},
        "artifacts": {
            name: {"artifacts": [new_artifact(each, f"{base}/{name}", names[name])]}
            for name, each in declared.get("artifacts", {}).items()
        },
        "outputFile": mounted(f"{base}/{_OUTPUT_FILE}"),
    }
    given = {
        "parameterValues": inputs.parameters,
        "artifacts": {name: {"artifacts": artifacts} for name, artifacts in inputs.artifacts.items()},
    }
    return {"inputs": given, "outputs": outputs}


def new_artifact(declared: Mapping[str, Any], uri: str, name: str) -> Artifact:
    return {
        "name": name,
        "type": dict(declared.get("artifactType", {})),
        "uri": uri,
        "metadata": dict(declared.get("metadata", {})),
    }


def prepare(component: Mapping[str, Any], base: str, path_of: PathOf) -> None:
    """Make the folders that the outputs go to, and remove what an earlier attempt left there."""
    declared = component.get("outputDefinitions", {})
    for name in [_OUTPUT_FILE, *declared.get("parameters", {})]:
        path = path_of(f"{base}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            path.unlink()


def read_outputs(component: Mapping[str, Any], told: Mapping[str, Any], base: str, path_of: PathOf) -> Values:
    """What a container that ended well has left. `told` is its ExecutorInput; raises OutputError."""
    path = path_of(f"{base}/{_OUTPUT_FILE}")
    try:
        written = json.loads(path.read_text()) if path.is_file() and path.stat().st_size else {}
    except ValueError as error:
        raise OutputError(f"its {_OUTPUT_FILE} is not JSON: {error}") from None
    types = parameter_types(component, "outputDefinitions")
    parameters = {}
    for name, kind in types.items():
        try:
            value = _parameter(name, kind, written, path_of(f"{base}/{name}"))
        except WrongTypeError as error:
            raise OutputError(f"its output parameter {name!r}: {error}") from None
        if value is not None:
            parameters[name] = value
    artifacts = {}
    for name, planned in told["outputs"]["artifacts"].items():
        changed = written.get("artifacts", {}).get(name, {}).get("artifacts") or [{}]
        artifacts[name] = [_merged(planned["artifacts"][0], each) for each in changed]
        for artifact, each in zip(artifacts[name], changed, strict=True):
            _fetch(each.get("custom_path", ""), artifact["uri"], path_of)
    return Values(parameters, artifacts)


def _parameter(name: str, kind: str, written: Mapping[str, Any], file: Path) -> Any:
    if name in written.get("parameterValues", {}):
        return adapted(written["parameterValues"][name], kind)
    return parsed(file.read_text(), kind) if file.is_file() else None


def _fetch(custom: str, uri: str, path_of: PathOf) -> None:
    """Bring an artifact that a component wrote to a path of its own choice (`set_path`) to where it belongs."""
    source = Path(custom)
    if not custom or not uri.startswith("gs://") or not source.exists():
        return
    target = path_of(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _merged(planned: Artifact, changed: Mapping[str, Any]) -> Artifact:
    metadata = {**planned["metadata"], **(changed.get("metadata") or {})}
    kept = {key: changed[key] for key in ("uri", "type") if changed.get(key)}
    return {**planned, **kept, "name": planned["name"], "metadata": metadata}
