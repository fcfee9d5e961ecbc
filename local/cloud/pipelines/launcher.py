"""Which job a task's container becomes.

A container of Google's own custom-job launcher is not run: Vertex AI launches the job that its payload describes, and
so does this. Any other container becomes a custom job with one replica, on demand.
Source: google_cloud_pipeline_components.container.v1.custom_job
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from local.cloud.pipelines.placeholders import Bindings
from local.cloud.pipelines.surroundings import JobRefusedError, RunContext

_LAUNCHERS = (
    "google_cloud_pipeline_components.container.v1.custom_job.launcher",
    "google_cloud_pipeline_components.container.v1.gcp_launcher.launcher",
)
_UNIMPLEMENTED = 12
_COMPONENTS = "google_cloud_pipeline_components.container."
_NOTIFICATION = f"{_COMPONENTS}v1.vertex_notification_email.executor"
# Components that ask the API with plain requests, which reach this cloud.
_HERE = tuple(f"{_COMPONENTS}v1.{name}." for name in ("bigquery.query_job", "endpoint", "model"))
_E2_CORES = (4, 8, 16, 32)
_E2_GB_A_CORE = 4
_UNITS = {
    "": 1.0,
    "m": 1e-3,
    **{f"{name}{i}": base**power for i, base in (("", 1000), ("i", 1024)) for power, name in enumerate("KMGT", 1)},
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(|m|[KMGT]i?)")


def is_launcher(container: Mapping[str, Any]) -> bool:
    """Whether a container only launches a custom job."""
    words = [*container.get("command", []), *container.get("args", [])]
    return any(word in _LAUNCHERS for word in words) and _option(words, "--type") in {None, "CustomJob"}


def launched_job(container: Mapping[str, Any], bindings: Bindings, context: RunContext) -> dict[str, Any]:
    """The `CustomJob` that a launcher's payload describes, without its empty fields."""
    words = [*container.get("command", []), *container.get("args", [])]
    for option, own in (("--project", context.project), ("--location", context.location)):
        asked = bindings.resolve(_option(words, option) or own)
        if asked not in {own, context.project_number if option == "--project" else own}:
            raise JobRefusedError(f"{option} {asked!r}: a task's job runs in the pipeline's own, {own!r}")
    text = bindings.embedded(_option(words, "--payload") or "{}")
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise JobRefusedError(f"the launcher's payload is not JSON: {error}: {text[:200]!r}") from None
    job = without_empty(payload)
    scheduling = job.get("job_spec", {}).get("scheduling", {})
    if scheduling.get("strategy") != "FLEX_START":
        scheduling.pop("max_wait_duration", None)
    return job


def without_what_is_missing(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container of a task, one that has no Google to talk to exchanged or refused.

    A notification is accepted and no mail sent: its log says so. Raises JobRefusedError for a component of Google's
    that needs a service which this cloud has not.
    """
    words = [*container.get("command", []), *container.get("args", [])]
    module = next((word for word in words if word.startswith(_COMPONENTS)), "")
    if module == _NOTIFICATION:
        told = "The local cloud sends no mail. To: {{$.inputs.parameters['recipients']}}"
        status = "{{$.inputs.parameters['pipeline_task_final_status']}}"
        return {"image": "busybox", "command": ["echo", told, "about", status], "args": []}
    if module and not module.startswith(_HERE):
        raise JobRefusedError(f"the local cloud does not have what {module} asks for", _UNIMPLEMENTED)
    return container


def container_job(container: Mapping[str, Any], bindings: Bindings, context: RunContext, task: str) -> dict[str, Any]:
    """The `CustomJob` of an ordinary container."""
    labels = json.dumps(dict(context.labels))
    env = {entry["name"]: bindings.argv([entry.get("value", "")])[0] for entry in container.get("env", [])}
    env.setdefault("VERTEX_AI_PIPELINES_RUN_LABELS", labels)
    pool = {
        "machineSpec": {"machineType": _machine_type(container.get("resources", {}), bindings)},
        "replicaCount": "1",
        "containerSpec": {
            "imageUri": str(bindings.resolve(container["image"])),
            "command": bindings.argv(list(container.get("command", []))),
            "args": bindings.argv(list(container.get("args", []))),
            "env": [{"name": name, "value": value} for name, value in env.items()],
        },
    }
    spec: dict[str, Any] = {"workerPoolSpecs": [pool]}
    if context.service_account:
        spec["serviceAccount"] = context.service_account
    return {"displayName": f"{context.id}-{task}"[:128], "jobSpec": spec, "labels": dict(context.labels)}


def without_empty(value: Any) -> Any:
    """As the launcher cleans its payload: fields that are empty or zero go, to any depth; items of lists stay."""
    if isinstance(value, list):
        cleaned = [without_empty(item) for item in value]
        return [item for item in cleaned if not isinstance(item, list | dict) or item]
    if isinstance(value, dict):
        kept = {key: without_empty(item) for key, item in value.items() if item}
        return {key: item for key, item in kept.items() if item}
    return value


def _option(words: Sequence[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words and words.index(name) + 1 < len(words) else None


def _machine_type(resources: Mapping[str, Any], bindings: Bindings) -> str:
    """The smallest e2 machine with the cores and the memory that a task asks for. Accelerators are not looked at."""
    cores = _quantity(bindings.resolve(resources.get("resourceCpuLimit") or resources.get("cpuLimit") or 0))
    asked = bindings.resolve(resources.get("resourceMemoryLimit"))
    gigabytes = _quantity(asked) / 1e9 if asked else _quantity(resources.get("memoryLimit") or 0)
    enough = (size for size in _E2_CORES if size >= cores and size * _E2_GB_A_CORE >= gigabytes)
    return f"e2-standard-{next(enough, _E2_CORES[-1])}"


def _quantity(asked: Any) -> float:
    """A number as Kubernetes writes it: 500m, 4G, 15Gi; 0 for what is none."""
    found = _QUANTITY.fullmatch(str(asked).strip())
    return float(found[1]) * _UNITS[found[2]] if found else 0.0
