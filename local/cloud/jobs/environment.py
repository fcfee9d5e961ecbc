"""The environment of one replica, as Vertex AI documents it and as this host needs it.

Source: https://cloud.google.com/vertex-ai/docs/training/code-requirements and .../training/distributed-training.
Nothing of the operator's own environment is passed on: a job sees what its image, its spec and the cloud say.
"""

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.cloud.jobs.images import RuntimeManifest, search_path
from local.cloud.jobs.spec import Job

_TENSORFLOW_ROLES = ("chief", "worker", "ps", "evaluator")
_GCS_MOUNT = re.compile(r"(?<![\w./])/gcs/")
# Read when an interpreter or a library starts, so that a warm process cannot honour another value.
_READ_AT_START = re.compile(
    r"PYTHON(?!UNBUFFERED$|WARNINGS$|BREAKPOINT$).*|LD_.*|DYLD_.*|MALLOC_.*|(MKL|OPENBLAS|NUMEXPR)_NUM_THREADS|KMP_.*|GOMP_.*"
)


@dataclass(frozen=True)
class ReplicaPlace:
    """Which replica of its job it is, and the folder that is its machine's disk here."""

    pool: int
    index: int
    folder: Path
    temporary: Path

    @property
    def task(self) -> str:
        return f"workerpool{self.pool}-{self.index}"


def free_addresses(job: Job) -> list[list[str]]:
    """A free loopback address (host:port) for every replica, by worker pool."""
    sockets: list[list[socket.socket]] = []
    for pool in job.pools:
        sockets.append([socket.create_server(("127.0.0.1", 0)) for _ in range(pool.replicas)])
    addresses = [[f"127.0.0.1:{listener.getsockname()[1]}" for listener in pool] for pool in sockets]
    for listener in (listener for pool in sockets for listener in pool):
        listener.close()
    return addresses


def image_environment(runtime: RuntimeManifest) -> dict[str, str]:
    """What every process of an image has, before a job says anything. A warm process has just this."""
    return {
        "PATH": search_path(runtime.interpreter),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",  # on few cores, two OpenMP threads were measured a hundred times slower than one
        **({"PYTHONPATH": os.pathsep.join(runtime.pythonpath)} if runtime.pythonpath else {}),
        **runtime.env,
    }


def replica_environment(
    job: Job,
    runtime: RuntimeManifest,
    place: ReplicaPlace,
    *,
    addresses: list[list[str]],
    cloud: Mapping[str, str],
    objects: Path,
) -> dict[str, str]:
    """All variables of one replica. `cloud` points Google's clients here; `objects` is what /gcs/ is on this host."""
    cluster = {f"workerpool{number}": pool for number, pool in enumerate(addresses) if pool}
    task = {"type": f"workerpool{place.pool}", "index": place.index, "trial": ""}
    vertex = {
        "CLUSTER_SPEC": json.dumps({"cluster": cluster, "environment": "cloud", "task": task, "job": dict(job.spec)}),
        "CLOUD_ML_JOB_ID": job.id,
        "CLOUD_ML_PROJECT_ID": job.project,
        "CLOUD_ML_REGION": job.location,
    }
    if sum(len(pool) for pool in addresses) > 1:
        vertex["TF_CONFIG"] = _tensorflow_config(job, place, addresses)
        vertex |= _torch_variables(place, addresses)
    if job.base_output_directory:
        base = job.base_output_directory.rstrip("/")
        vertex["AIP_MODEL_DIR"] = f"{base}/model/"
        vertex["AIP_CHECKPOINT_DIR"] = f"{base}/checkpoints/"
        vertex["AIP_TENSORBOARD_LOG_DIR"] = f"{base}/logs/"
    if tensorboard := job.spec.get("tensorboard"):
        vertex["AIP_TENSORBOARD_RESOURCE_NAME"] = tensorboard
    own = {"HOME": str(place.folder), "TMPDIR": str(place.temporary), "CLOUDSDK_CONFIG": str(place.folder / "gcloud")}
    container = {name: map_gcs(value, objects) for name, value in job.pools[place.pool].env.items()}
    return image_environment(runtime) | own | dict(cloud) | vertex | container


def needs_own_interpreter(env: Mapping[str, str], runtime: RuntimeManifest) -> str | None:
    """The first variable of `env` that a process started with the image's own environment could not honour."""
    started_with = image_environment(runtime)
    for name in sorted({*env, *started_with}):
        if _READ_AT_START.fullmatch(name) and env.get(name) != started_with.get(name):
            return name
    return None


def map_gcs(text: str, objects: Path) -> str:
    """`text` with every path below /gcs/ (where Vertex AI mounts buckets) led to the folder that holds the objects
    here.
    """
    return _GCS_MOUNT.sub(lambda _: f"{objects}/", text)


def _torch_variables(place: ReplicaPlace, addresses: list[list[str]]) -> dict[str, str]:
    """Where the ranks of torch.distributed meet. Parameter servers and evaluators are no ranks.

    Source: https://cloud.google.com/ai-platform/training/docs/distributed-pytorch#environment-variables
    """
    host, _, port = addresses[0][0].rpartition(":")
    meeting = {"MASTER_ADDR": host, "MASTER_PORT": port, "WORLD_SIZE": str(sum(len(pool) for pool in addresses[:2]))}
    return {**meeting, "RANK": str(place.pool + place.index)} if place.pool < 2 else meeting


def _tensorflow_config(job: Job, place: ReplicaPlace, addresses: list[list[str]]) -> str:
    cluster = {role: pool for role, pool in zip(_TENSORFLOW_ROLES[:3], addresses, strict=False) if pool}
    task = {"type": _TENSORFLOW_ROLES[place.pool], "index": place.index, "cloud": job.id}
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task, "job": dict(job.spec)})
