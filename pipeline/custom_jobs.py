"""A pipeline step as a custom job on a warm pool: the request that Google's pipeline components send.

Owns: the `CustomJob` message of a step, with values or KFP placeholders in it. Does not own: which steps there are
(definition.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.job_environment import trainer_environment
from contracts.pool_spec import NetworkAccess, PoolSpec
from contracts.stack_outputs import PlatformFacts

PIPELINE = "recsys-training"
STEPS = ("extract", "validate", "train", "evaluate", "gate", "register", "promote")
RUN_ID = "{{$.pipeline_job_name}}"  # Vertex AI replaces it by the pipeline job's id
NO_ACCELERATOR = "ACCELERATOR_TYPE_UNSPECIFIED"
STEP_TIMEOUT_SECONDS = 6 * 3600
ON_TRAINING_POOL = ("train", "evaluate")  # the other steps are on the steps' pool
_NO_NETWORK = NetworkAccess()


def snapshot_uri(facts: PlatformFacts, run_id: str = RUN_ID) -> str:
    """The folder of a run's data."""
    return f"{facts.snapshot_prefix.rstrip('/')}/{run_id}"


def model_uri(facts: PlatformFacts, run_id: str = RUN_ID) -> str:
    """The folder of a run's model, metrics and decision."""
    return f"{facts.model_dir.rstrip('/')}/{run_id}"


def train_timeout_seconds(max_minutes: float) -> int:
    """When the service ends a training job that overran its own time budget: loading and evaluation included."""
    return round(max_minutes * 60 * 2) + 3600


def flags(values: Mapping[str, Any]) -> list[str]:
    """`--name=value` arguments; a value may be empty or a placeholder."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def steps_container(facts: PlatformFacts, step: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A step of this package in the steps' image."""
    command = ["python", "-m", f"pipeline.steps.{step}"]
    return {"image_uri": facts.images.steps, "command": command, "args": flags(arguments), "env": []}


def train_container(facts: PlatformFacts, *, train_args: str, run_id: str = RUN_ID) -> dict[str, Any]:
    """The trainer's frozen entry point: a login shell that expands TRAIN_ARGS."""
    environment = _trainer_environment(facts, run_id) | {"TRAIN_ARGS": train_args}
    return {
        "image_uri": facts.images.trainer,
        "command": ["/usr/bin/bash", "-lc"],
        "args": ["python -m train.main $TRAIN_ARGS"],
        "env": _env(environment),
    }


def evaluate_container(facts: PlatformFacts, *, champion_uri: Any) -> dict[str, Any]:
    """The trainer's evaluation of this run's model, and of the champion where there is one."""
    arguments = {"model_uri": model_uri(facts), "data_uri": snapshot_uri(facts), "champion_uri": champion_uri}
    return {
        "image_uri": facts.images.trainer,
        "command": ["python", "-m", "train.evaluate"],
        "args": flags(arguments),
        "env": _env(_trainer_environment(facts, RUN_ID)),
    }


def train_args(max_minutes: Any, more: Any) -> str:
    """The trainer's arguments: the time budget, and whatever else a submission passes."""
    return f"--max-minutes {max_minutes} {more}"


def custom_job(
    *,
    step: str,
    worker_pools: Sequence[Any],
    persistent_resource_id: Any,
    service_account: Any,
    timeout: Any = f"{STEP_TIMEOUT_SECONDS}s",
    strategy: Any = "STANDARD",
    restart_on_worker_restart: Any = False,
    kms_key: str = "",
    network: NetworkAccess = _NO_NETWORK,
) -> dict[str, Any]:
    """A `CustomJob` message with snake_case keys. On a pool `kms_key` and `network` must be the pool's."""
    encryption = {"encryption_spec": {"kms_key_name": kms_key}} if kms_key else {}
    return encryption | {
        "display_name": f"{RUN_ID}-{step}",
        "labels": {"run_id": RUN_ID, "step": step},
        "job_spec": {
            "worker_pool_specs": list(worker_pools),
            "scheduling": {
                "timeout": timeout,
                "strategy": strategy,
                "restart_job_on_worker_restart": restart_on_worker_restart,
            },
            "service_account": service_account,
            "persistent_resource_id": persistent_resource_id,
            **network.as_api(),
        },
    }


def worker_pool(
    *,
    machine_type: Any,
    accelerator_type: Any,
    accelerator_count: Any,
    boot_disk_type: Any,
    boot_disk_size_gb: Any,
    container: dict[str, Any],
    replica_count: int = 1,
) -> dict[str, Any]:
    """A worker pool whose machine a submission may choose; no accelerator is type `NO_ACCELERATOR` and count 0."""
    return {
        "machine_spec": {
            "machine_type": machine_type,
            "accelerator_type": accelerator_type,
            "accelerator_count": accelerator_count,
        },
        "disk_spec": {"boot_disk_type": boot_disk_type, "boot_disk_size_gb": boot_disk_size_gb},
        "replica_count": replica_count,
        "container_spec": container,
    }


def machine_defaults(pool: PoolSpec) -> dict[str, Any]:
    """The machine and disk of a pool, under the names of the pipeline's parameters."""
    return {
        "machine_type": pool.machine.machine_type,
        "accelerator_type": pool.machine.accelerator_type or NO_ACCELERATOR,
        "accelerator_count": pool.machine.accelerator_count,
        "boot_disk_type": pool.disk.boot_disk_type,
        "boot_disk_size_gb": pool.disk.boot_disk_size_gb,
    }


def _trainer_environment(facts: PlatformFacts, run_id: str) -> dict[str, str]:
    return trainer_environment(facts, run_id=run_id, staging_prefix=snapshot_uri(facts, run_id))


def _env(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]
