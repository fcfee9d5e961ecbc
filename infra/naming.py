"""The physical names of the platform, derived from its project and region alone.

One environment per project: names carry no environment and no random suffix, so that a name is known before anything
exists and a plan shows it. Does not own: names that the configuration chooses (pools, model, experiment).
"""

from pydantic import BaseModel, ConfigDict

DATASET_RECSYS = "recsys_logs"
DATASET_DRIFT = "drift"
PIPELINE_ACCOUNT = "recsys-pipeline"
REPOSITORY = "recsys-training"
TRAINER_IMAGE = "recsys-train"
STEPS_IMAGE = "recsys-steps"
SCHEDULE = "recsys-training"
RESOURCE_POOL = "workers"  # the one resource pool inside each persistent resource

STAGING = "staging/"
CHECKPOINTS = "checkpoints/"


class Names(BaseModel):
    """What is named after the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    region: str

    @property
    def artifact_bucket(self) -> str:
        return f"{self.project}-artifacts"

    @property
    def registry_host(self) -> str:
        return f"{self.region}-docker.pkg.dev"

    @property
    def repository_url(self) -> str:
        return f"{self.registry_host}/{self.project}/{REPOSITORY}"

    @property
    def service_account(self) -> str:
        """The e-mail of the account that the pipeline and its jobs run as."""
        return f"{PIPELINE_ACCOUNT}@{self.project}.iam.gserviceaccount.com"

    @property
    def service_account_name(self) -> str:
        """The account as a resource, as its own IAM policy names it."""
        return f"projects/{self.project}/serviceAccounts/{self.service_account}"

    def gs(self, path: str) -> str:
        return f"gs://{self.artifact_bucket}/{path}"


def persistent_resource(resource_id: str, generation: str) -> str:
    """`generation` distinguishes a pool from its successor while both exist."""
    return f"{resource_id}-{generation}"
