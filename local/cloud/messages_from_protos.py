"""Writes the tables of messages from the protos of Google's installed client libraries: `python -m` this module.

Not imported by the cloud: those protos take seconds to import, and most are installed for the tests alone. A test holds
the tables equal to what this would write. Names are full ones, but Vertex AI's, whose two versions are one there.
"""

import importlib
import json
from pathlib import Path
from typing import Any

VERTEX_TABLE = Path(__file__).parent / "aiplatform/messages.json"
TABLE = Path(__file__).with_name("messages.json")
_VERTEX_ROOTS = (
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
    "TrainingPipeline",
    "BatchCreateTensorboardRunsRequest",
    "BatchCreateTensorboardTimeSeriesRequest",
    "UpdateExplanationDatasetRequest",
    "UploadModelRequest",
    "WriteTensorboardExperimentDataRequest",
    "WriteTensorboardRunDataRequest",
)
_ROOTS = {
    "google.cloud.artifactregistry_v1": ("Repository",),
    "google.cloud.billing.budgets_v1": ("Budget",),
    "google.cloud.eventarc_v1": ("Trigger",),
    "google.cloud.kms_v1": (
        *("CryptoKey", "CryptoKeyVersion", "KeyRing"),
        *("DecryptRequest", "EncryptRequest", "UpdateCryptoKeyPrimaryVersionRequest"),
    ),
    "google.cloud.logging_v2.types": ("LogMetric", "LogSink", "WriteLogEntriesRequest"),
    "google.cloud.monitoring_dashboard_v1": ("Dashboard",),
    "google.cloud.monitoring_v3": ("AlertPolicy", "NotificationChannel"),
    "google.pubsub_v1": (
        *("Topic", "Subscription", "PublishRequest", "PullRequest", "AcknowledgeRequest"),
        *("ModifyAckDeadlineRequest", "ModifyPushConfigRequest", "SeekRequest", "Snapshot", "CreateSnapshotRequest"),
    ),
    "google.cloud.run_v2": ("Job", "Service"),
    "google.cloud.scheduler_v1": ("Job",),
    "google.cloud.secretmanager_v1": ("AddSecretVersionRequest", "Secret"),
}
_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "int64",
    5: "int32",
    6: "int64",
    7: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "int32",
}
_MESSAGE, _ENUM = 11, 14

Tables = dict[str, dict[str, Any]]


def build_vertex() -> dict[str, Any]:
    """The messages and enums reachable from Vertex AI's roots; the fields of v1beta1 and of v1 together."""
    aiplatform_v1 = importlib.import_module("google.cloud.aiplatform_v1")
    aiplatform_v1beta1 = importlib.import_module("google.cloud.aiplatform_v1beta1")
    tables: Tables = {"enums": {}, "messages": {}}
    for version in (aiplatform_v1, aiplatform_v1beta1):
        for root in _VERTEX_ROOTS:
            if hasattr(version, root):
                _collect(getattr(version, root).pb().DESCRIPTOR, tables, set(), "google.cloud.aiplatform.")
    return _sorted(tables)


def build() -> dict[str, Any]:
    """Those of the other services."""
    tables: Tables = {"enums": {}, "messages": {}}
    for module, roots in _ROOTS.items():
        for root in roots:
            message = getattr(importlib.import_module(module), root)
            _collect(message.pb().DESCRIPTOR if hasattr(message, "pb") else message.DESCRIPTOR, tables, set(), "")
    return _sorted(tables)


def _sorted(tables: Tables) -> dict[str, Any]:
    return {name: dict(sorted(table.items())) for name, table in tables.items()}


def _collect(descriptor: Any, tables: Tables, seen: set[str], package: str) -> None:
    """Add a message and all that it holds. Of other packages than `package`, where one is given, only the name."""
    name = _short(descriptor.full_name)
    if name in seen:
        return
    seen.add(name)
    fields = tables["messages"].setdefault(name, {})
    for field in descriptor.fields:
        inner = field.message_type
        is_map = bool(inner and inner.GetOptions().map_entry)
        shape = "map" if is_map else "list" if field.is_repeated else "one"
        value = inner.fields_by_name["value"] if is_map else field
        fields[field.json_name] = [shape, _type(value, tables, seen, package)]


def _type(field: Any, tables: Tables, seen: set[str], package: str) -> str:
    if field.type == _ENUM:
        name = _short(field.enum_type.full_name)
        numbers = {value.name: value.number for value in field.enum_type.values}
        tables["enums"].setdefault(name, {}).update(numbers)
        return f"enum {name}"
    if field.type != _MESSAGE:
        return _SCALARS[field.type]
    name = field.message_type.full_name
    if name.startswith(package) and not name.startswith("google.protobuf."):
        _collect(field.message_type, tables, seen, package)
    return _short(name)


def _short(full_name: str) -> str:
    """`Model.ExportFormat` of `google.cloud.aiplatform.v1.Model.ExportFormat`; other packages' names whole."""
    package, _, name = full_name.partition("google.cloud.aiplatform.")
    return name.partition(".")[2] if not package and name else full_name


if __name__ == "__main__":
    for target, table in ((VERTEX_TABLE, build_vertex()), (TABLE, build())):
        target.write_text(json.dumps(table, indent=None, separators=(",", ":"), sort_keys=True) + "\n")
