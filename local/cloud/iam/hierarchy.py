"""From a resource up to its project.

Owns: which names carry policies that count for a resource, and what conditions call it. Resources are named as the
APIs name them; a bucket's objects as conditions do: `projects/_/buckets/b/objects/a/b.txt`.
Source: https://cloud.google.com/iam/docs/conditions-resource-attributes
"""

from collections.abc import Callable, Iterator

# The first collection below the project or location, and the service and type that conditions know it by.
_TYPES = {
    "buckets": ("storage.googleapis.com", "Bucket"),
    "objects": ("storage.googleapis.com", "Object"),
    "datasets": ("bigquery.googleapis.com", "Dataset"),
    "tables": ("bigquery.googleapis.com", "Table"),
    "serviceAccounts": ("iam.googleapis.com", "ServiceAccount"),
    "roles": ("iam.googleapis.com", "Role"),
    "workloadIdentityPools": ("iam.googleapis.com", "WorkloadIdentityPool"),
    "services": ("serviceusage.googleapis.com", "Service"),
    "repositories": ("artifactregistry.googleapis.com", "Repository"),
    "topics": ("pubsub.googleapis.com", "Topic"),
    "subscriptions": ("pubsub.googleapis.com", "Subscription"),
    "keyRings": ("cloudkms.googleapis.com", "KeyRing"),
    "cryptoKeys": ("cloudkms.googleapis.com", "CryptoKey"),
    "secrets": ("secretmanager.googleapis.com", "Secret"),
    "versions": ("secretmanager.googleapis.com", "SecretVersion"),
    "customJobs": ("aiplatform.googleapis.com", "CustomJob"),
    "pipelineJobs": ("aiplatform.googleapis.com", "PipelineJob"),
    "persistentResources": ("aiplatform.googleapis.com", "PersistentResource"),
    "schedules": ("aiplatform.googleapis.com", "Schedule"),
    "models": ("aiplatform.googleapis.com", "Model"),
    "tensorboards": ("aiplatform.googleapis.com", "Tensorboard"),
    "metadataStores": ("aiplatform.googleapis.com", "MetadataStore"),
}


_PLACES = ("locations", "regions", "zones")


def carriers(resource: str, project_of_bucket: Callable[[str], str | None]) -> Iterator[str]:
    """The names whose policies count, from the resource itself to its project."""
    segments = resource.split("/")
    if resource.startswith("projects/_/buckets/"):
        yield f"projects/_/buckets/{segments[3]}"
        owner = project_of_bucket(segments[3])
        if owner:
            yield f"projects/{owner}"
        return
    while len(segments) > 2:
        if segments[-2] not in _PLACES:
            yield "/".join(segments)
        segments = segments[: -1 if segments[-1] == "global" else -2]
    yield "/".join(resource.split("/")[:2])  # a metric's own name may have slashes, which leaves an odd number


def project_of(carrier: str, project_of_bucket: Callable[[str], str | None]) -> str | None:
    """The id of the project that a carrier lies in."""
    segments = carrier.split("/")
    return project_of_bucket(segments[3]) if carrier.startswith("projects/_/buckets/") else segments[1]


def attributes(resource: str) -> dict[str, str]:
    """`resource.name`, `.service` and `.type` of a condition."""
    segments = resource.split("/")
    collections = ["buckets", "objects"] if resource.startswith("projects/_/buckets/") else segments[0::2]
    depth = 2 if "/objects/" in resource else 1
    collection = collections[depth - 1] if collections[0] == "buckets" else collections[-1]
    service, kind = _TYPES.get(collection, ("cloudresourcemanager.googleapis.com", "Project"))
    return {"name": resource, "service": service, "type": f"{service}/{kind}"}
