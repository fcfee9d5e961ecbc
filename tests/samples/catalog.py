"""The compiled pipelines of a folder: what each is, whether it can run here, and how it should end.

Owns: reading, classification and the parameters that a sample is given. A sample that needs more than stock images is
skipped with a reason; what a sample does by intention (fail, sleep) stands in one table.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from local.cloud.aiplatform.stock_images import is_stock

PROJECT = "acme-samples"
LOCATION = "us-central1"
_BY_NAME: Mapping[str, Any] = {"project": PROJECT, "location": LOCATION}
_CONTROL_FLOW = ("parameterIterator", "artifactIterator", "taskFinalStatus", "triggerPolicy", "valueFromOneof")
_BY_TYPE: Mapping[str, Any] = {
    "STRING": "text",
    "NUMBER_INTEGER": 3,
    "NUMBER_DOUBLE": 0.5,
    "BOOLEAN": True,
    "LIST": ["1", "2"],
    "STRUCT": {"a": "1"},
}


@dataclass(frozen=True)
class Intent:
    """What the authors of a sample mean it to do, where its file does not say it.

    `why` explains the state, `edits` are made to the file's text, `skip` is why it cannot run here.
    """

    state: str = "SUCCEEDED"
    why: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, str] = field(default_factory=dict)
    skip: str = ""


# The authors' tests replace the pinned kfp by the one under test, without which these two cannot run anywhere.
_INSTALLED_KFP = {"kfp==2.14.3": f"kfp=={version('kfp')}", "kfp==2.14.6": f"kfp=={version('kfp')}"}
_FAILS = Intent("FAILED", "a task fails by intention")
_NO_PROGRAM = Intent("FAILED", "its program, my_program, is in no image")
_INTENTS: Mapping[str, Intent] = {
    "fail_v2": _FAILS,
    "pipeline_with_exit_handler": _FAILS,
    "pipeline_with_multiple_exit_handlers": _FAILS,
    "pipeline_as_exit_task": _FAILS,
    "pipeline_with_task_using_ignore_upstream_failure": _FAILS,
    "local_execution_pipeline_with_ignore_upstream_failure": _FAILS,
    "pipeline_with_task_final_status": _FAILS,
    "no_name": Intent("REFUSED", "its pipeline has no name"),
    "invalid_yaml": Intent("REFUSED", "its components are misspelt"),
    "take_nap_pipeline_root_compiled": Intent(parameters={"naptime_secs": 1}),
    "take_nap_compiled": Intent(parameters={"naptime_secs": 1}),
    "long-running": Intent(edits={"sleep 300": "sleep 1"}),
    "env-var": Intent(parameters={"env_var": "HOME"}),
    "embedded_artifact": Intent(edits=_INSTALLED_KFP),
    "pipeline_with_artifact_custom_path": Intent(edits=_INSTALLED_KFP),
    "pipeline_with_input_status_state": Intent(
        "FAILED", "asserts the state COMPLETE of open-source KFP, which Vertex AI calls SUCCEEDED"
    ),
    "pipeline_with_placeholders": Intent(
        "FAILED", "asserts open-source KFP's resource name, which on Vertex AI is projects/…/pipelineJobs/…"
    ),
    "container_io": _NO_PROGRAM,
    "container_with_concat_placeholder": _NO_PROGRAM,
    "container_with_if_placeholder": _NO_PROGRAM,
    "container_with_placeholder_in_fstring": _NO_PROGRAM,
    "component_with_task_final_status_GH-12033": Intent(
        "FAILED", "kubeflow/pipelines issue 12033: it is given no status"
    ),
    "parallel_for_mount_pvc": Intent("FAILED", "its volume is made by Kubernetes (argostub/createpvc)"),
    "parameters_simple": Intent("FAILED", "its image jetbrainsinfra/jq is not here"),
    "modelcar": Intent(skip="needs a registry with a model image (oci://)"),
    "ray_integration_compiled": Intent(skip="needs a Kubernetes cluster with Ray"),
    "upload_download_compiled": Intent(skip="needs a MinIO server"),
    "pipeline_with_artifact_upload_download": Intent(skip="downloads from the Hugging Face Hub"),
    "pipeline_with_google_artifact_type": Intent(skip="installs 'aiplatform', which the package index does not have"),
    "xgboost_sample_pipeline": Intent(skip="needs byrnedo/alpine-curl, and Python 3.7 for xgboost 1.1.1"),
}
# What of the Kubernetes part of a spec its tasks find missing where there is no Kubernetes.
_KUBERNETES = ("secretAsEnv", "secretAsVolume", "configMapAsEnv", "configMapAsVolume", "pvcMount", "podMetadata")


@dataclass(frozen=True)
class Sample:
    """`why_not` is empty for a sample that can run; `error` for one that was read."""

    name: str
    spec: Mapping[str, Any]
    platform: Mapping[str, Any]
    why_not: str
    intent: Intent

    @property
    def objects(self) -> list[str]:
        """The gs:// objects of other people's buckets that it reads."""
        return sorted(set(re.findall(r"gs://[\w.-]+/[\w./-]+", json.dumps(self.spec))))

    @property
    def control_flow(self) -> bool:
        """Whether it has more than tasks one after another."""
        return bool(_keys(self.spec) & set(_CONTROL_FLOW))

    def parameters(self) -> dict[str, Any]:
        """Values for the parameters that have no default."""
        declared = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        needed = {name: each for name, each in declared.items() if "defaultValue" not in each}
        given = {
            name: _BY_NAME.get(name, _BY_TYPE[each["parameterType"]])
            for name, each in needed.items()
            if not each.get("isOptional") and each.get("parameterType") in _BY_TYPE
        }
        return {**given, **self.intent.parameters}

    def artifacts(self) -> dict[str, Mapping[str, Any]]:
        """The artifacts that the pipeline itself is given, by name: their declared types."""
        declared = self.spec["root"].get("inputDefinitions", {}).get("artifacts", {})
        return {name: each["artifactType"] for name, each in declared.items() if not each.get("isOptional")}


def samples_in(folder: Path, *, online: bool = True) -> list[Sample]:
    """Every YAML or JSON file of a folder, in order of their names. `online`: whether packages can be installed."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml", ".json"})
    return [_read(path, str(path.relative_to(folder)), online=online) for path in files]


def _read(path: Path, name: str, *, online: bool) -> Sample:
    intent = _INTENTS.get(path.stem, Intent())
    try:
        text = path.read_text()
        for before, after in intent.edits.items():
            text = text.replace(before, after)
        if not online:
            text = re.sub(r"\bkfp==[\d.]+", f"kfp=={version('kfp')}", text)
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return Sample(name, {}, {}, f"cannot be read: {type(error).__name__}", intent)
    if not documents or not isinstance(documents[0], dict):
        return Sample(name, {}, {}, "holds no pipeline", intent)
    spec = documents[0].get("pipelineSpec", documents[0])
    if "deploymentSpec" not in spec:
        return Sample(name, {}, {}, "holds no PipelineSpec", intent)
    platform = documents[1].get("platforms", {}) if len(documents) > 1 else {}
    reason = intent.skip or ("" if intent.why else why_not(spec, platform))
    return Sample(name, spec, platform, reason or ("" if online else _not_offline(spec)), intent)


def why_not(spec: Mapping[str, Any], platform: Mapping[str, Any]) -> str:
    """Why a spec cannot run on stock images alone, or an empty string.

    A control-flow sample is run without its Kubernetes part: what it shows does not depend on that.
    """
    needed = sorted({image for image in _images(spec) if not is_stock(image)})
    if needed:
        return f"needs {', '.join(needed)}"
    kubernetes = sorted(_keys(platform) & set(_KUBERNETES))
    if kubernetes and not _keys(spec) & set(_CONTROL_FLOW):
        return f"needs Kubernetes ({', '.join(kubernetes)})"
    return ""


def _not_offline(spec: Mapping[str, Any]) -> str:
    """Which packages, beside kfp itself, a spec's tasks install."""
    containers = [each.get("container", {}) for each in spec["deploymentSpec"].get("executors", {}).values()]
    words = [word for each in containers for word in [*each.get("command", []), *each.get("args", [])]]
    commands = [found for word in words for found in re.findall(r"pip install(.*?)&&", word, re.DOTALL)]
    installed = [
        shlex.split(re.sub(r"--(index-url|trusted-host|extra-index-url)\s+\S+", "", each)) for each in commands
    ]
    own = ("-", "kfp==", "typing-extensions")
    wanted = sorted({each for packages in installed for each in packages if not each.startswith(own)})
    return f"installs {', '.join(wanted)}, and the package index cannot be reached" if wanted else ""


def _images(spec: Mapping[str, Any]) -> Iterator[str]:
    for executor in spec["deploymentSpec"].get("executors", {}).values():
        if "container" in executor:
            yield executor["container"]["image"]


def _keys(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set(value).union(*(_keys(each) for each in value.values()))
    return set().union(*(_keys(each) for each in value)) if isinstance(value, list) else set()


def slug(name: str) -> str:
    """A sample's name as part of a pipeline job's id."""
    return re.sub(r"[^a-z0-9]+", "-", name.rsplit(".", 1)[0].lower()).strip("-")[-100:].strip("-")
