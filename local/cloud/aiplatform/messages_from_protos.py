"""Writes messages.json from the protos of the installed google-cloud-aiplatform: `python -m` this module.

Not imported by the cloud: those protos take seconds to import. A test holds the file equal to what this would write.
"""

import importlib
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("messages.json")
ROOTS = (
    "AddContextArtifactsAndExecutionsRequest",
    "AddContextChildrenRequest",
    "AddExecutionEventsRequest",
    "Artifact",
    "Context",
    "CustomJob",
    "Execution",
    "ImportModelEvaluationRequest",
    "MergeVersionAliasesRequest",
    "MetadataStore",
    "Model",
    "PersistentResource",
    "PipelineJob",
    "RemoveContextChildrenRequest",
    "Schedule",
    "Tensorboard",
    "TensorboardExperiment",
    "TensorboardRun",
    "TensorboardTimeSeries",
    "BatchCreateTensorboardRunsRequest",
    "BatchCreateTensorboardTimeSeriesRequest",
    "UpdateExplanationDatasetRequest",
    "UploadModelRequest",
    "WriteTensorboardExperimentDataRequest",
    "WriteTensorboardRunDataRequest",
)
_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "int64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "int32",
}
_MESSAGE, _ENUM = 11, 14


def build() -> dict[str, Any]:
    """The messages and enums reachable from ROOTS; the fields of v1beta1 and of v1 together."""
    aiplatform_v1 = importlib.import_module("google.cloud.aiplatform_v1")
    aiplatform_v1beta1 = importlib.import_module("google.cloud.aiplatform_v1beta1")
    messages: dict[str, dict[str, list[Any]]] = {}
    enums: dict[str, dict[str, int]] = {}
    for version in (aiplatform_v1, aiplatform_v1beta1):
        for root in ROOTS:
            if hasattr(version, root):
                _collect(getattr(version, root).pb().DESCRIPTOR, messages, enums, set())
    return {"enums": dict(sorted(enums.items())), "messages": dict(sorted(messages.items()))}


def _collect(descriptor: Any, messages: dict[str, Any], enums: dict[str, Any], seen: set[str]) -> None:
    name = _short(descriptor.full_name)
    if name in seen:
        return
    seen.add(name)
    fields = messages.setdefault(name, {})
    for field in descriptor.fields:
        inner = field.message_type
        is_map = bool(inner and inner.GetOptions().map_entry)
        shape = "map" if is_map else "list" if field.is_repeated else "one"
        fields[field.json_name] = [
            shape,
            _type(inner.fields_by_name["value"] if is_map else field, messages, enums, seen),
        ]


def _type(field: Any, messages: dict[str, Any], enums: dict[str, Any], seen: set[str]) -> str:
    if field.type == _ENUM:
        name = _short(field.enum_type.full_name)
        enums.setdefault(name, {}).update({value.name: value.number for value in field.enum_type.values})
        return f"enum {name}"
    if field.type != _MESSAGE:
        return _SCALARS[field.type]
    if field.message_type.full_name.startswith("google.cloud.aiplatform."):
        _collect(field.message_type, messages, enums, seen)
    return _short(field.message_type.full_name)


def _short(full_name: str) -> str:
    """`Model.ExportFormat` of `google.cloud.aiplatform.v1.Model.ExportFormat`; other packages' names whole."""
    package, _, name = full_name.partition("google.cloud.aiplatform.")
    return name.partition(".")[2] if not package and name else full_name


if __name__ == "__main__":
    TARGET.write_text(json.dumps(build(), indent=None, separators=(",", ":"), sort_keys=True) + "\n")
