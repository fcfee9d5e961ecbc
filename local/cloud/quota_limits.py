"""How much of each accelerator a project may train on at once, by region.

Owns: the quota metrics of custom training, the overrides that lower them, and the limit that holds. Does not own: the
REST methods (control/consumer_quotas.py), or what is in use (aiplatform/accelerator_quotas.py). Without an override
there is no limit, since nobody buys machines here.
Source: https://cloud.google.com/vertex-ai/docs/quotas as read on 2026-11-24
"""

from typing import Any

from local.cloud.store import Store

OVERRIDES = "serviceusage.quotaOverride"
SERVICE = "aiplatform.googleapis.com"
UNLIMITED = -1
UNIT = "1/{project}/{region}"
LIMIT = "/project/region"

METRIC_OF = {
    "NVIDIA_TESLA_P4": "p4",
    "NVIDIA_TESLA_P100": "p100",
    "NVIDIA_TESLA_T4": "t4",
    "NVIDIA_TESLA_V100": "v100",
    "NVIDIA_L4": "l4",
    "NVIDIA_TESLA_A100": "a100",
    "NVIDIA_A100_80GB": "a100_80gb",
    "NVIDIA_H100_80GB": "h100",
    "NVIDIA_H100_MEGA_80GB": "h100_mega",
    "NVIDIA_H200_141GB": "h200",
    "NVIDIA_B200": "b200",
}
TITLES = {
    f"{SERVICE}/custom_model_training_nvidia_{name}_gpus": f"Custom model training {name.upper()} GPUs per region"
    for name in METRIC_OF.values()
}


def metric_of(accelerator: str) -> str | None:
    """The full name of the metric that counts an accelerator; None for those whose quota is not modelled."""
    name = METRIC_OF.get(accelerator)
    return f"{SERVICE}/custom_model_training_nvidia_{name}_gpus" if name else None


def limit_name(project: str, metric: str) -> str:
    """Under which a limit's overrides are kept, the slashes within its parts as they are."""
    return f"projects/{project}/services/{SERVICE}/consumerQuotaMetrics/{metric}/limits/{LIMIT}"


def overrides(store: Store, project: str, metric: str) -> list[tuple[str, dict[str, Any]]]:
    return store.list(OVERRIDES, limit_name(project, metric))


def effective(store: Store, project: str, metric: str, region: str) -> int:
    """The limit in a region: its own override, else the one for all regions, else none (-1)."""
    found = {
        body.get("dimensions", {}).get("region", ""): int(body["overrideValue"])
        for _, body in overrides(store, project, metric)
    }
    return found.get(region, found.get("", UNLIMITED))
