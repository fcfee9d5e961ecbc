"""A platform, its outputs and data to test with."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.pool_spec import DiskSpec, MachineSpec, PoolSpec
from contracts.stack_outputs import DeclaredSchedule, Endpoints, ImageLock, PlatformFacts, StackOutputs
from pipeline.custom_jobs import snapshot_uri

TRAINER = "us-docker.pkg.dev/acme/recsys/recsys-train@sha256:" + "a" * 64
STEPS = "us-docker.pkg.dev/acme/recsys/recsys-steps@sha256:" + "b" * 64
GPU = MachineSpec(machine_type="g2-standard-8", accelerator_type="NVIDIA_L4", accelerator_count=1)
CPU = MachineSpec(machine_type="n1-standard-4")
DISK = DiskSpec(boot_disk_type="pd-standard", boot_disk_size_gb=200)


def pool(name: str, machine: MachineSpec = CPU, *, replica_count: int = 1) -> PoolSpec:
    return PoolSpec(
        name=name,
        persistent_resource_id=name,
        pool_id=f"{name}-pool",
        machine=machine,
        disk=DISK,
        replica_count=replica_count,
    )


def facts(**changes: Any) -> PlatformFacts:
    values = {
        "project": "acme",
        "region": "europe-west4",
        "environment": "dev",
        "artifact_bucket": "gs://acme-artifacts",
        "pipeline_root": "gs://acme-artifacts/runs",
        "staging_prefix": "gs://acme-artifacts/staging/history",
        "snapshot_prefix": "gs://acme-artifacts/staging/snapshots",
        "model_dir": "gs://acme-artifacts/models/recsys",
        "checkpoint_dir": "gs://acme-artifacts/checkpoints/recsys",
        "dataset_recsys": "recsys_logs",
        "dataset_drift": "drift",
        "requests_table": "recsys_logs.requests",
        "feedback_table": "recsys_logs.feedback",
        "drift_table": "drift.hourly",
        "service_account": "sa-pipeline@acme.iam.gserviceaccount.com",
        "training_pool": pool("recsys-train", GPU),
        "further_training_pools": (),
        "steps_pool": pool("recsys-steps"),
        "images": ImageLock(trainer=TRAINER, steps=STEPS),
        "kms_key": "",
        "experiment": "recsys-dev",
        "model_name": "recsys",
        "max_minutes": 30.0,
    }
    return PlatformFacts(**(values | changes))


def outputs(**changes: Any) -> StackOutputs:
    values = {
        **facts().model_dump(),
        "stack": "dev",
        "pipeline_spec_uri": "gs://acme-artifacts/pipelines/spec.json",
        "pipeline_spec_digest": "0" * 64,
        "schedules": {
            "nightly": DeclaredSchedule(
                resource="projects/acme/locations/europe-west4/schedules/1",
                cron="TZ=Etc/UTC 0 3 * * *",
                paused=False,
                max_concurrent_runs=1,
                allow_queueing=False,
            )
        },
        "repository": "us-docker.pkg.dev/acme/recsys",
        "endpoints": Endpoints(),
    }
    return StackOutputs(**(values | changes))


def interactions(rows: int = 1000, **columns: Any) -> dict[str, Any]:
    """Columns of a plausible shop: `rows` events of 50 users with 40 items from 2015 on, in seconds."""
    base = {
        "user_id": [(7 * row + row // 3) % 50 for row in range(rows)],
        "item_id": [(11 * row + row // 7) % 40 for row in range(rows)],
        "timestamp": [1_420_070_400 + 1000 * row for row in range(rows)],
        "rating": [1.0 + row % 5 for row in range(rows)],
    }
    return base | columns


def write(path: Path, columns: dict[str, Any] | pa.Table) -> Path:
    """Columns as a parquet file; a column given as None is left out."""
    if not isinstance(columns, pa.Table):
        columns = pa.table({name: values for name, values in columns.items() if values is not None})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns, path)
    return path


__all__ = ["facts", "interactions", "outputs", "pool", "snapshot_uri", "write"]
