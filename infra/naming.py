"""The physical names of the platform, derived from its project and region alone.

One environment per project: names carry no environment and no random suffix, so that a name is known before anything
exists and a plan shows it. Does not own: names that the configuration chooses (pools, model, experiment).
"""

from pydantic import BaseModel, ConfigDict

DATASET_RECSYS = "recsys_logs"
DATASET_DRIFT = "drift"
PIPELINE_ACCOUNT = "recsys-pipeline"
SUBMITTER_ACCOUNT = "recsys-submitter"
KEEPER_ACCOUNT = "recsys-keeper"
DEPLOYER_ACCOUNT = "recsys-deployer"
PREVIEWER_ACCOUNT = "recsys-previewer"
ACCOUNTS = (PIPELINE_ACCOUNT, SUBMITTER_ACCOUNT, KEEPER_ACCOUNT, DEPLOYER_ACCOUNT, PREVIEWER_ACCOUNT)
REPOSITORY = "recsys-training"
TRAINER_IMAGE = "recsys-train"
STEPS_IMAGE = "recsys-steps"
SCHEDULE = "recsys-training"
KEY_RING = "recsys-training"
NETWORK = "recsys-training"  # and its subnetwork, its attachment, its router
FEDERATION_POOL = "recsys-github"
RESOURCE_POOL = "workers"  # the one resource pool inside each persistent resource

# The bucket's folders.
STAGING = "staging/"
HISTORY = f"{STAGING}history/"  # what is brought in
SNAPSHOTS = f"{STAGING}snapshots/"  # what a run reads
CHECKPOINTS = "checkpoints/"
MODELS = "models/"
RUNS = "runs/"  # the pipeline's own files
PIPELINES = "pipelines/"  # compiled ones


class Names(BaseModel):
    """What is named after the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    region: str

    @property
    def artifact_bucket(self) -> str:
        return f"{self.project}-artifacts"

    @property
    def records_bucket(self) -> str:
        """Of audit logs."""
        return f"{self.project}-records"

    @property
    def registry_host(self) -> str:
        return f"{self.region}-docker.pkg.dev"

    @property
    def repository_url(self) -> str:
        return f"{self.registry_host}/{self.project}/{REPOSITORY}"

    @property
    def service_account(self) -> str:
        """The e-mail of the account that the pipeline and its jobs run as."""
        return self.account_email(PIPELINE_ACCOUNT)

    def account_email(self, account_id: str) -> str:
        return f"{account_id}@{self.project}.iam.gserviceaccount.com"

    @property
    def service_account_name(self) -> str:
        """The account as a resource, as its own IAM policy names it."""
        return f"projects/{self.project}/serviceAccounts/{self.service_account}"

    def kms_key(self, service: str) -> str:
        return f"projects/{self.project}/locations/{self.region}/keyRings/{KEY_RING}/cryptoKeys/{service}"

    def gs(self, path: str) -> str:
        return f"gs://{self.artifact_bucket}/{path}"

    def folder(self, prefix: str) -> str:
        return self.gs(prefix.removesuffix("/"))


def numbered_network(project_number: str) -> str:
    """As Vertex AI wants to be told the network that it peers with: by the project's number."""
    return f"projects/{project_number}/global/networks/{NETWORK}"


def persistent_resource(resource_id: str, generation: str) -> str:
    """`generation` distinguishes a pool from its successor while both exist."""
    return f"{resource_id}-{generation}"
