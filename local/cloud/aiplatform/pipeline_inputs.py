"""What a pipeline job's runtime config gives its pipeline: parameter values, and artifacts of the metadata store.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#RuntimeConfig
"""

from collections.abc import Mapping
from typing import Any

from local.cloud.aiplatform.metadata import Metadata
from local.cloud.aiplatform.resources import Resource
from local.cloud.pipelines.spec import bound_parameters
from local.cloud.pipelines.values import Artifact, Values


def inputs_of(job: Resource, location: str, metadata: Metadata) -> tuple[Values, list[tuple[str, str]]]:
    """The inputs of a job's pipeline, and what is wrong with them: field and reason of each."""
    root, config = job["pipelineSpec"]["root"], job.get("runtimeConfig", {})
    parameters, wrong = bound_parameters(root, _given(config))
    artifacts, more = _artifacts(root, config, location, metadata)
    return Values(parameters, artifacts), [*wrong, *more]


def _given(config: Resource) -> dict[str, Any]:
    """The parameter values of a runtime config; of the former `parameters`, too."""
    former = {name: next(iter(value.values()), None) for name, value in config.get("parameters", {}).items()}
    return {**former, **config.get("parameterValues", {})}


def _artifacts(
    root: Mapping[str, Any], config: Resource, location: str, metadata: Metadata
) -> tuple[dict[str, list[Artifact]], list[tuple[str, str]]]:
    declared = root.get("inputDefinitions", {}).get("artifacts", {})
    given = config.get("inputArtifacts", {})
    found: dict[str, list[Artifact]] = {}
    wrong: list[tuple[str, str]] = []
    for name in sorted(given.keys() - declared.keys()):
        known = ", ".join(sorted(declared)) or "none"
        wrong.append((_field(name), f"the pipeline has no such artifact; it has {known}"))
    for name, definition in declared.items():
        short = given.get(name, {}).get("artifactId", "")
        if name not in given:
            if not definition.get("isOptional"):
                wrong.append((_field(name), "is required"))
            continue
        artifact = metadata.artifacts.find(f"{location}/metadataStores/default/artifacts/{short}")
        if artifact is None:
            wrong.append((f"{_field(name)}.artifactId", f"{short!r} is no artifact of the default metadata store"))
        else:
            found[name] = [runtime_artifact(artifact, metadata)]
    return found, wrong


def runtime_artifact(artifact: Resource, metadata: Metadata) -> Artifact:
    """An artifact of the metadata store as a task is given it."""
    kind = {"schemaTitle": artifact.get("schemaTitle", ""), "schemaVersion": artifact.get("schemaVersion", "")}
    return {
        "name": metadata.artifacts.shown(artifact)["name"],
        "type": kind,
        "uri": artifact.get("uri", ""),
        "metadata": artifact.get("metadata", {}),
    }


def _field(name: str) -> str:
    return f"runtimeConfig.inputArtifacts[{name!r}]"
