"""When a task that failed is tried again: the RetryPolicy of its spec, of containers and nested pipelines."""

from collections.abc import Mapping
from typing import Any

_DEFAULT_BACKOFF_FACTOR = 2.0
_DEFAULT_MOST_BACKOFF_SECONDS = 3600.0


def wait_seconds(task: Mapping[str, Any], attempts: int) -> float | None:
    """How long a task waits after that many failed attempts; None where it has no attempt left."""
    policy = task.get("retryPolicy", {})
    if attempts > int(policy.get("maxRetryCount", 0)):
        return None
    wait = _seconds(policy.get("backoffDuration", "0s"))
    wait *= float(policy.get("backoffFactor") or _DEFAULT_BACKOFF_FACTOR) ** (attempts - 1)
    most = _seconds(policy.get("backoffMaxDuration", "0s")) or _DEFAULT_MOST_BACKOFF_SECONDS
    return min(wait, most)


def _seconds(duration: str | Mapping[str, Any]) -> float:
    if isinstance(duration, str):
        return float(duration.removesuffix("s") or 0)
    return float(duration.get("seconds", 0)) + float(duration.get("nanos", 0)) / 1e9
