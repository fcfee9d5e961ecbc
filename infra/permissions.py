"""The platform's own roles: each permission with the call that needs it.

Google's predefined roles hold ten times as much (roles/storage.objectUser has 24 permissions, five are needed), so that
none is granted but the service agent's and the one that lets a CI identity become an account. Who has which role on
what is told in infra/access.py; docs/permissions.md is generated from both and from what a run really used.

Sources: https://cloud.google.com/vertex-ai/docs/general/access-control,
https://cloud.google.com/iam/docs/custom-roles-permissions-support
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CustomRole:
    """`permissions` maps each permission to why it is needed."""

    role_id: str
    title: str
    permissions: Mapping[str, str]


def _each(prefix: str, verbs: str, why: str) -> dict[str, str]:
    return {f"{prefix}.{verb}": why for verb in verbs.split()}


_LINEAGE = "Vertex AI Pipelines keeps a run's lineage as the run's own account"
_EXPERIMENT = "the trainer logs its metrics to Vertex Experiments"
_POLLED = "a long-running change is followed to its end"
_REPLACED = "what the program no longer declares is deleted"
_CHANGED = "a changed declaration is applied in place"
_READ = "`pulumi refresh` and `preview --refresh` compare with what is there"

PIPELINE = CustomRole(
    "recsysPipeline",
    "Recommender training: what a pipeline and its jobs do in Vertex AI and BigQuery",
    {
        **_each("aiplatform.customJobs", "create", "each step is launched as a custom job"),
        **_each("aiplatform.customJobs", "get cancel", "the launcher follows a step's job, and ends it with the run"),
        **_each("aiplatform.models", "get list", "extract looks the champion up, promote compares with it"),
        **_each("aiplatform.models", "upload update", "register stores a version, promote moves the champion's alias"),
        **_each("aiplatform.metadataStores", "get create", _LINEAGE),
        **_each("aiplatform.artifacts", "get list create update", _LINEAGE),
        **_each("aiplatform.executions", "get list create update addExecutionEvents", _LINEAGE),
        **_each("aiplatform.contexts", "get list", _LINEAGE),
        **_each("aiplatform.contexts", "addContextArtifactsAndExecutions", _LINEAGE),
        **_each("aiplatform.contexts", "create update addContextChildren", _EXPERIMENT),
        **_each("bigquery.jobs", "create", "extract queries the event log"),
    },
)

SUBMITTER = CustomRole(
    "recsysSubmitter",
    "Recommender training: submit a run and follow it",
    {
        **_each("aiplatform.pipelineJobs", "create", "pipeline.submit sends the compiled pipeline"),
        **_each("aiplatform.pipelineJobs", "get list", "the run is followed; earlier runs are found"),
        **_each("aiplatform.pipelineJobs", "cancel", "a run that should not go on is ended"),
        **_each("aiplatform.customJobs", "get list", "the report tells when the training job took its first step"),
        **_each("aiplatform.persistentResources", "get list", "preflight: the pool is there and runs"),
        **_each("aiplatform.models", "get list", "the report tells what became of the model"),
    },
)

KEEPER = CustomRole(
    "recsysKeeper",
    "Recommender training: keep the pools and the schedules in order",
    {
        **_each("aiplatform.persistentResources", "get list", "is the pool there, and does it run"),
        **_each("aiplatform.persistentResources", "update", "reboot"),
        **_each("aiplatform.persistentResources", "create delete", "hibernate a pool that nobody needs; bring it back"),
        **_each("aiplatform.schedules", "get list", "is the schedule as it was declared: `make status`"),
        **_each("aiplatform.schedules", "update", "pause and resume"),
        **_each("aiplatform.customJobs", "list", "does a job still run on the pool"),
        **_each("aiplatform.pipelineJobs", "list", "does a run still need the pool"),
        **_each("aiplatform.pipelineJobs", "get", "why did a schedule's last run fail: `make status`"),
        **_each("aiplatform.models", "get", "which version is the champion: `make status`"),
    },
)

# What a deployment declares in Vertex AI, the registry, monitoring, logging, encryption and networks: by kind of
# resource, the verbs that read it, and those that change it.
_DEPLOYED = {
    "aiplatform.persistentResources": ("get list", "create update delete"),
    "aiplatform.schedules": ("get list", "create update delete"),
    "artifactregistry.repositories": ("get getIamPolicy", "create update delete setIamPolicy"),
    "compute.firewalls": ("get", "create update delete"),
    "compute.globalAddresses": ("get", "create delete"),
    "compute.networkAttachments": ("get", "create update delete"),
    "compute.networks": ("get", "create updatePolicy use delete"),
    "compute.routers": ("get", "create update delete"),
    "compute.subnetworks": ("get", "create update expandIpCidrRange setPrivateIpGoogleAccess use delete"),
    "dns.changes": ("get", "create"),
    "dns.managedZones": ("get", "create update delete"),
    "dns.networks": ("", "bindPrivateDNSZone"),
    "dns.resourceRecordSets": ("list", "create update delete"),
    "servicenetworking.services": ("get", "addPeering deleteConnection"),
    "cloudkms.cryptoKeyVersions": ("list", "destroy"),
    "cloudkms.cryptoKeys": ("get getIamPolicy", "create update setIamPolicy"),
    "cloudkms.keyRings": ("get", "create"),
    "logging.logMetrics": ("get", "create update delete"),
    "logging.sinks": ("get", "create update delete"),
    "monitoring.alertPolicies": ("get", "create update delete"),
    "monitoring.dashboards": ("get", "create update delete"),
    "monitoring.notificationChannels": ("get", "create update delete"),
}
_PROJECT_READ = {
    **_each("resourcemanager.projects", "get getIamPolicy", _READ),
    **_each("serviceusage.services", "get list", "is an API enabled"),
    **_each("iam.serviceAccounts", "get getIamPolicy", _READ),
    **_each("iam.roles", "get", _READ),
    **_each("iam.workloadIdentityPools", "get getAttestationRules", _READ),
    **_each("iam.workloadIdentityPoolProviders", "get", _READ),
}
_WHY = {
    "create": "`pulumi up` creates what is declared anew",
    "update": _CHANGED,
    "delete": _REPLACED,
    "destroy": "Google keeps keys: taking one down destroys its versions",
    "updatePolicy": "a network's routing, its subnetworks and its firewall rules are changes of it",
    "use": "what lies in a network or a subnetwork names it",
    "expandIpCidrRange": "a subnetwork's range grows in place",
    "setPrivateIpGoogleAccess": _CHANGED,
    "bindPrivateDNSZone": "Google's names are resolved privately in the network",
    "addPeering": "the network is peered with Google's services",
    "deleteConnection": _REPLACED,
    "setIamPolicy": "grants stand beside the resource that they guard",
}


def _reads(kinds: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {name: _READ for kind, (read, _) in kinds.items() for name in _each(kind, read, _READ)}


def _changes(kinds: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {f"{kind}.{verb}": _WHY[verb] for kind, (_, change) in kinds.items() for verb in change.split()}


_DATA = {
    "storage.buckets": ("get getIamPolicy", "create update delete setIamPolicy"),
    "storage.objects": ("get list", "create update delete"),
    "bigquery.datasets": ("get getIamPolicy", "create update delete setIamPolicy"),
    "bigquery.tables": ("get list", "create update delete"),
}

DEPLOYER = CustomRole(
    "recsysDeployer",
    "Recommender training: deploy everything but identities",
    {
        **_PROJECT_READ,
        **_each("serviceusage.services", "enable", "an API that the platform needs is enabled before it"),
        **_reads(_DEPLOYED),
        **_changes(_DEPLOYED),
        **_each("aiplatform.operations", "list", _POLLED),
        **_each("compute.globalOperations", "get", _POLLED),
        **_each("compute.regionOperations", "get", _POLLED),
    },
)

# On a condition (infra/access.py): only some services can compare names.
DATA_DEPLOYER = CustomRole(
    "recsysDataDeployer",
    "Recommender training: deploy this platform's bucket and datasets",
    {
        **_reads(_DATA),
        **_changes(_DATA),
        "bigquery.tables.getData": "only who may read a table may create a view of it",
    },
)

PREVIEWER = CustomRole(
    "recsysPreviewer",
    "Recommender training: read what a plan compares with",
    {**_PROJECT_READ, **_reads(_DEPLOYED)},
)

DATA_PREVIEWER = CustomRole(
    "recsysDataPreviewer",
    "Recommender training: read how this platform's bucket and datasets are set up",
    {name: why for name, why in _reads(_DATA).items() if name != "storage.objects.list"},
)

OBJECT_WRITER = CustomRole(
    "recsysObjectWriter",
    "Recommender training: write and read objects under some prefixes",
    {
        **_each("storage.objects", "create", "snapshots, checkpoints, models and the files of a run are written"),
        **_each("storage.objects", "get", "a step reads what an earlier one wrote"),
        **_each("storage.objects", "delete", "an object that is written again replaces the one before"),
        **_each("storage.objects", "update", "an object's metadata is set"),
    },
)

OBJECT_READER = CustomRole(
    "recsysObjectReader",
    "Recommender training: read objects under some prefixes",
    {"storage.objects.get": "the data, the compiled pipeline and the files of a run are read"},
)

BUCKET_READER = CustomRole(
    "recsysBucketReader",
    "Recommender training: list the bucket",
    {
        "storage.objects.list": "a folder of parts, checkpoints or results is listed: the bucket's permission",
        "storage.buckets.get": "Google's file system clients ask for the bucket before its objects",
    },
)

EVENT_READER = CustomRole(
    "recsysEventReader",
    "Recommender training: read the event log",
    {
        "bigquery.datasets.get": "a client asks for a dataset's location before it queries",
        "bigquery.tables.get": "the trainer asks for a table's columns and rows with `--source bigquery`",
        "bigquery.tables.getData": "extract and the trainer read events",
        "bigquery.tables.export": "a table is exported to parquet under staging/",
        "bigquery.tables.list": "a client looks what the dataset has",
    },
)

IMAGE_READER = CustomRole(
    "recsysImageReader",
    "Recommender training: pull images",
    {"artifactregistry.repositories.downloadArtifacts": "a job's image is pulled, by Google on the job's behalf"},
)

IMAGE_WRITER = CustomRole(
    "recsysImageWriter",
    "Recommender training: push images",
    {
        **_each("artifactregistry.repositories", "uploadArtifacts downloadArtifacts", "images are built and pushed"),
        **_each("artifactregistry.tags", "create get", "an image is tagged with its commit"),
    },
)

ACT_AS = CustomRole(
    "recsysActAs",
    "Recommender training: run something as the pipeline",
    {"iam.serviceAccounts.actAs": "Vertex AI asks whoever starts a run, a job or a schedule for it"},
)

# Beside roles/aiplatform.serviceAgent, which lacks them.
NETWORK_AGENT = CustomRole(
    "recsysNetworkAgent",
    "Recommender training: let Vertex AI's machines join the network",
    {
        "compute.networkAttachments.get": "a pool or a job names the attachment that its machines join by",
        "compute.networkAttachments.update": "the agent lets its own machines' project in",
        "compute.regionOperations.get": _POLLED,
    },
)

RECORDS_WRITER = CustomRole(
    "recsysRecordsWriter",
    "Recommender training: add audit logs to their bucket",
    {"storage.objects.create": "the sink of data access logs writes a new object each hour, and changes none"},
)

ROLES = (
    PIPELINE,
    SUBMITTER,
    KEEPER,
    DEPLOYER,
    DATA_DEPLOYER,
    PREVIEWER,
    DATA_PREVIEWER,
    OBJECT_WRITER,
    OBJECT_READER,
    BUCKET_READER,
    EVENT_READER,
    IMAGE_READER,
    IMAGE_WRITER,
    ACT_AS,
)
