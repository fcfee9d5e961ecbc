"""Which module knows which resource type and which function; a module is imported when its type is first met."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from engine.gcp.resource import ResourceType

TYPES = {
    "gcp:artifactregistry/repository:Repository": "artifactregistry.Repository",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": "iam.RepositoryIamMember",
    "gcp:bigquery/dataset:Dataset": "bigquery.Dataset",
    "gcp:bigquery/datasetIamMember:DatasetIamMember": "bigquery.DatasetIamMember",
    "gcp:bigquery/table:Table": "bigquery_table.Table",
    "gcp:colab/schedule:Schedule": "colab.Schedule",
    "gcp:projects/iAMCustomRole:IAMCustomRole": "resourcemanager.CustomRole",
    "gcp:projects/iAMMember:IAMMember": "iam.ProjectIAMMember",
    "gcp:projects/service:Service": "resourcemanager.Service",
    "gcp:serviceaccount/account:Account": "resourcemanager.Account",
    "gcp:serviceaccount/iAMMember:IAMMember": "iam.ServiceAccountIAMMember",
    "gcp:storage/bucket:Bucket": "storage.Bucket",
    "gcp:storage/bucketIAMMember:BucketIAMMember": "iam.BucketIAMMember",
    "gcp:storage/bucketObject:BucketObject": "storage_object.BucketObject",
    "gcp:vertex/aiMetadataStore:AiMetadataStore": "vertex.AiMetadataStore",
    "gcp:vertex/aiPersistentResource:AiPersistentResource": "vertex.AiPersistentResource",
}


@cache
def resource_type(name: str) -> ResourceType | None:
    """The resource type of that name; None if the tables lack it."""
    if name not in TYPES:
        return None
    module, _, class_name = TYPES[name].rpartition(".")
    return getattr(import_module(f"engine.gcp.{module}"), class_name)()
