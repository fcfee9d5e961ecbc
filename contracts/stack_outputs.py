"""The one contract between the platform and whatever submits to it.

The stack exports every field of `StackOutputs` under its own name; submission, operation and reports read nothing else.
"""

from pydantic import BaseModel, ConfigDict

from contracts.pool_spec import PoolSpec


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoints(_Facts):
    """Where Google's APIs answer, as origins without a path (`https://host`); "" is Google's public endpoint.

    `access_token_file` names a file with an OAuth access token to use there; "" means Application Default Credentials.
    """

    vertex: str = ""
    storage: str = ""
    bigquery: str = ""
    access_token_file: str = ""


class DeclaredSchedule(_Facts):
    """A schedule as the stack file has it, to hold the real one against: a plan never sees that it was paused by hand.

    `cron` has its time zone in front, as the API has it: `TZ=Etc/UTC 0 3 * * *`.
    """

    resource: str  # projects/…/schedules/ID
    cron: str
    paused: bool
    max_concurrent_runs: int
    allow_queueing: bool


class ImageLock(_Facts):
    """The images that jobs run, each as `host/project/repository/name@sha256:…`."""

    trainer: str
    steps: str


class PlatformFacts(_Facts):
    """What a pipeline needs to know of the platform that it runs on; enough to compile it."""

    project: str
    region: str
    environment: str
    artifact_bucket: str  # gs://bucket
    pipeline_root: str  # gs://bucket/prefix
    staging_prefix: str  # gs://bucket/prefix, holds interactions.parquet and items.parquet
    snapshot_prefix: str  # gs://bucket/prefix, one folder a run
    model_dir: str
    checkpoint_dir: str
    dataset_recsys: str
    dataset_drift: str
    requests_table: str  # dataset.table
    feedback_table: str
    drift_table: str
    service_account: str  # the e-mail that jobs and pipelines run as
    training_pool: PoolSpec  # that of whoever names none
    further_training_pools: tuple[PoolSpec, ...]
    steps_pool: PoolSpec
    images: ImageLock
    kms_key: str  # projects/…/cryptoKeys/KEY of pools, jobs and runs, "" for Google's own
    experiment: str
    model_name: str  # the model's id in Vertex AI's registry
    max_minutes: float  # the training step's time budget

    @property
    def training_pools(self) -> tuple[PoolSpec, ...]:
        """Those that training may run on, the usual one first."""
        return (self.training_pool, *self.further_training_pools)


class StackOutputs(PlatformFacts):
    """Everything that submission and operation need."""

    stack: str
    pipeline_spec_uri: str  # gs://…/<digest>.json, the compiled pipeline
    pipeline_spec_digest: str  # sha256 hex of that object
    schedules: dict[str, DeclaredSchedule]  # by the name in the stack file
    repository: str  # host/project/repository of the images
    endpoints: Endpoints = Endpoints()
