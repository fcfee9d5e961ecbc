"""The names in a training job's environment: the trainer's frozen container contract.

The trainer may import nothing of ours, so it repeats these names; a test holds both lists equal.
"""

from contracts.stack_outputs import PlatformFacts

REQUIRED = (
    "PROJECT_ID",
    "REGION",
    "ARTIFACT_BUCKET",
    "STAGING_PREFIX",
    "EXPERIMENT_NAME",
    "DATASET_RECSYS",
    "DATASET_DRIFT",
    "REQUESTS_TABLE",
    "FEEDBACK_TABLE",
    "DRIFT_TABLE",
    "MODEL_DIR",
    "CHECKPOINT_DIR",
)
OPTIONAL = ("RUN_ID", "REQUEST_ID", "VERTEX_EXPERIMENT", "WANDB_ENABLED", "TRAIN_ARGS", "GIT_SHA", "HEALTH_PORT")


def trainer_environment(facts: PlatformFacts, *, run_id: str, staging_prefix: str) -> dict[str, str]:
    """The environment of one training run that reads its data from `staging_prefix`."""
    return {
        "PROJECT_ID": facts.project,
        "REGION": facts.region,
        "ARTIFACT_BUCKET": facts.artifact_bucket,
        "STAGING_PREFIX": staging_prefix,
        "EXPERIMENT_NAME": facts.experiment,
        "DATASET_RECSYS": facts.dataset_recsys,
        "DATASET_DRIFT": facts.dataset_drift,
        "REQUESTS_TABLE": facts.requests_table,
        "FEEDBACK_TABLE": facts.feedback_table,
        "DRIFT_TABLE": facts.drift_table,
        "MODEL_DIR": facts.model_dir,
        "CHECKPOINT_DIR": facts.checkpoint_dir,
        "RUN_ID": run_id,
        "REQUEST_ID": run_id,  # a run of the pipeline is asked for by its job, whose id this is
        "VERTEX_EXPERIMENT": facts.experiment,
    }
