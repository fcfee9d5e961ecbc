"""Vertex AI: the persistent resource (the warm pool), the metadata store and TensorBoards."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.resource import Call, RestType
from engine.values import Properties


class AiPersistentResource(RestType):
    """Almost every change replaces it. Updates are sent as the provider sends them: a PUT, which Google's
    documentation does not know.
    """

    type_name = "gcp:vertex/aiPersistentResource:AiPersistentResource"
    noun = "PersistentResource"
    service = "VERTEX_AI"
    services = {"VERTEX_AI"}
    identity = "projects/{project}/locations/{location}/persistentResources/{name}"
    collection = "projects/{project}/locations/{location}/persistentResources"
    create_query = {"persistentResourceId": "{name}"}
    update_method = "PUT"
    masked = False
    table = """
    createTime str out
    deletionPolicy str kept api=-
    displayName str
    effectiveLabels map out replace api=labels sent
    encryptionSpec obj replace
      kmsKeyName str required
    errors objs out tf=error
      code int out
      message str out
    labels map api=-
    location str replace api=-
    name str required replace auto
    network str replace
    project str kept replace api=-
    pscInterfaceConfig obj replace
      dnsPeeringConfigs objs
        domain str required replace
        targetNetwork str required replace
        targetProject str required replace
      networkAttachment str replace
    pulumiLabels map out api=- tf=terraform_labels
    reservedIpRanges strs replace
    resourcePools objs required
      autoscalingSpec obj replace
        maxReplicaCount str replace
        minReplicaCount str replace
      diskSpec obj kept replace
        bootDiskSizeGb int kept replace
        bootDiskType str kept replace
      id str kept replace
      machineSpec obj required replace
        acceleratorCount int replace
        acceleratorType str replace
        machineType str replace
      replicaCount str
      usedReplicaCount str out
    resourceRuntimes objs out tf=resource_runtime
      accessUris map out
    resourceRuntimeSpec obj replace
      serviceAccountSpec obj replace
        enableCustomServiceAccount bool required replace sent
    satisfiesPzi bool out
    satisfiesPzs bool out
    startTime str out
    state str out
    updateTime str out
    """

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        outputs["name"] = known.get("name") or str(answer.get("name", "")).rsplit("/", 1)[-1]


class AiMetadataStore(RestType):
    """The store that experiments and pipeline lineage need; every change replaces it."""

    type_name = "gcp:vertex/aiMetadataStore:AiMetadataStore"
    noun = "MetadataStore"
    service = "VERTEX_AI"
    services = {"VERTEX_AI"}
    identity = "{name}"
    import_identity = "projects/{project}/locations/{region}/metadataStores/{name}"
    collection = "projects/{project}/locations/{region}/metadataStores"
    create_query = {"metadataStoreId": "{name}"}
    table = """
    createTime str out
    deletionPolicy str kept api=-
    description str replace
    encryptionSpec obj replace
      kmsKeyName str replace
    name str replace auto api=-
    project str kept replace api=-
    region str kept replace api=-
    states objs out tf=state
      diskUtilizationBytes str out
    updateTime str out
    """

    def path(self, identity: str, known: Properties) -> str:
        return f"projects/{known['project']}/locations/{known['region']}/metadataStores/{identity}"

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        return plan


class AiTensorboard(RestType):
    """A TensorBoard, read by the name that its creation answers, which has the project's number."""

    type_name = "gcp:vertex/aiTensorboard:AiTensorboard"
    noun = "Tensorboard"
    service = "VERTEX_AI"
    services = {"VERTEX_AI"}
    identity = "projects/{project}/locations/{region}/tensorboards/{name}"
    collection = "projects/{project}/locations/{region}/tensorboards"
    waits = frozenset({"create", "update", "delete"})
    table = """
    blobStoragePathPrefix str out
    createTime str out
    deletionPolicy str kept api=-
    description str
    displayName str required
    effectiveLabels map out api=labels sent
    encryptionSpec obj replace
      kmsKeyName str required replace
    labels map api=-
    name str out
    project str kept replace api=-
    pulumiLabels map out api=- tf=terraform_labels
    region str kept replace api=-
    runCount str out
    updateTime str out
    """
