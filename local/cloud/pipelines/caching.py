"""When a task's outputs may be taken from an earlier execution: same component, same container, same inputs.

Source: https://cloud.google.com/vertex-ai/docs/pipelines/configure-caching
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from local.cloud.pipelines.values import Values


def caches(task: Mapping[str, Any]) -> bool:
    """Whether the task may be skipped."""
    return bool(task.get("cachingOptions", {}).get("enableCache"))


def fingerprint(
    task: Mapping[str, Any], component: Mapping[str, Any], executor: Mapping[str, Any], inputs: Values
) -> str:
    """What two executions must share: interface, image, command, environment, parameters and artifacts."""
    container = executor.get("container", {})
    artifacts = {
        name: [[each.get("name", ""), each.get("uri", "")] for each in found]
        for name, found in inputs.artifacts.items()
    }
    content = {
        "cacheKey": task.get("cachingOptions", {}).get("cacheKey", ""),
        "inputs": component.get("inputDefinitions", {}),
        "outputs": component.get("outputDefinitions", {}),
        "container": {key: container.get(key) for key in ("image", "command", "args", "env")},
        "importer": executor.get("importer"),
        "parameters": inputs.parameters,
        "artifacts": artifacts,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
