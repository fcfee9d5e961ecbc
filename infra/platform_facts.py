"""What a pipeline needs to know of the platform, out of its settings and names: known before anything exists, but for
the images and the number in the network's name.

Does not own: what the facts are (contracts/stack_outputs.py).
"""

from typing import Any

from contracts.pool_spec import NetworkAccess, PoolSpec
from contracts.stack_outputs import ImageLock, PlatformFacts
from contracts.table_schemas import DRIFT_HOURLY, FEEDBACK, REQUESTS
from infra import naming
from infra.naming import Names
from infra.settings import Settings


def facts(settings: Settings, names: Names, images: ImageLock, network: NetworkAccess) -> PlatformFacts:
    held: dict[str, Any] = {name: within(pool, network) for name, pool in pools(settings).items()}
    return PlatformFacts(**known(settings, names), **held, images=images)


def pools(settings: Settings) -> dict[str, PoolSpec | list[PoolSpec]]:
    return {
        "training_pool": settings.training_pool.spec(),
        "further_training_pools": [pool.spec() for pool in settings.further_training_pools],
        "steps_pool": settings.steps_pool.spec(),
    }


def within(held: PoolSpec | list[PoolSpec], network: NetworkAccess) -> Any:
    if isinstance(held, list):
        return [within(pool, network) for pool in held]
    return held.model_copy(update={"network": network})


def plain(held: Any) -> Any:
    """A pool, or some, as a stack output."""
    return [plain(pool) for pool in held] if isinstance(held, list) else held.model_dump()


def known(settings: Settings, names: Names) -> dict[str, Any]:
    """Every field of `PlatformFacts` but the images and the pools."""
    model = settings.training.model_name
    return {
        "project": settings.project,
        "region": settings.region,
        "environment": settings.environment,
        "artifact_bucket": f"gs://{names.artifact_bucket}",
        "pipeline_root": names.folder(naming.RUNS),
        "staging_prefix": names.folder(naming.HISTORY),
        "snapshot_prefix": names.folder(naming.SNAPSHOTS),
        "model_dir": names.gs(f"{naming.MODELS}{model}"),
        "checkpoint_dir": names.gs(f"{naming.CHECKPOINTS}{model}"),
        "dataset_recsys": naming.DATASET_RECSYS,
        "dataset_drift": naming.DATASET_DRIFT,
        "requests_table": f"{naming.DATASET_RECSYS}.{REQUESTS.name}",
        "feedback_table": f"{naming.DATASET_RECSYS}.{FEEDBACK.name}",
        "drift_table": f"{naming.DATASET_DRIFT}.{DRIFT_HOURLY.name}",
        "service_account": names.service_account,
        "kms_key": names.kms_key("aiplatform") if settings.encryption.own_keys else "",
        "experiment": settings.training.experiment,
        "model_name": model,
        "max_minutes": settings.training.max_minutes,
    }
