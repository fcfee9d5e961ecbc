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
    "gcp:billing/budget:Budget": "billing.Budget",
    "gcp:cloudscheduler/job:Job": "cloudscheduler.Job",
    "gcp:colab/schedule:Schedule": "colab.Schedule",
    "gcp:compute/firewall:Firewall": "compute_firewall.Firewall",
    "gcp:compute/globalAddress:GlobalAddress": "compute_firewall.GlobalAddress",
    "gcp:compute/network:Network": "compute.Network",
    "gcp:compute/networkAttachment:NetworkAttachment": "compute_attachment.NetworkAttachment",
    "gcp:compute/router:Router": "compute_router.Router",
    "gcp:compute/routerNat:RouterNat": "compute_router.RouterNat",
    "gcp:compute/subnetwork:Subnetwork": "compute.Subnetwork",
    "gcp:dns/managedZone:ManagedZone": "dns.ManagedZone",
    "gcp:dns/recordSet:RecordSet": "dns.RecordSet",
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": "federation.WorkloadIdentityPool",
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": "federation.WorkloadIdentityPoolProvider",
    "gcp:kms/cryptoKey:CryptoKey": "kms.CryptoKey",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "kms.CryptoKeyIAMMember",
    "gcp:kms/keyRing:KeyRing": "kms.KeyRing",
    "gcp:logging/metric:Metric": "logging.Metric",
    "gcp:logging/projectSink:ProjectSink": "logging.ProjectSink",
    "gcp:monitoring/alertPolicy:AlertPolicy": "monitoring.AlertPolicy",
    "gcp:monitoring/dashboard:Dashboard": "monitoring.Dashboard",
    "gcp:monitoring/notificationChannel:NotificationChannel": "monitoring.NotificationChannel",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": "audit.IAMAuditConfig",
    "gcp:projects/iAMCustomRole:IAMCustomRole": "resourcemanager.CustomRole",
    "gcp:projects/iAMMember:IAMMember": "iam.ProjectIAMMember",
    "gcp:projects/service:Service": "resourcemanager.Service",
    "gcp:projects/serviceIdentity:ServiceIdentity": "resourcemanager.ServiceIdentity",
    "gcp:pubsub/subscription:Subscription": "pubsub.Subscription",
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": "pubsub.SubscriptionIAMMember",
    "gcp:pubsub/topic:Topic": "pubsub.Topic",
    "gcp:pubsub/topicIAMMember:TopicIAMMember": "pubsub.TopicIAMMember",
    "gcp:secretmanager/secret:Secret": "secretmanager.Secret",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "secretmanager.SecretIamMember",
    "gcp:secretmanager/secretVersion:SecretVersion": "secretmanager.SecretVersion",
    "gcp:serviceaccount/account:Account": "resourcemanager.Account",
    "gcp:serviceaccount/iAMMember:IAMMember": "iam.ServiceAccountIAMMember",
    "gcp:servicenetworking/connection:Connection": "servicenetworking.Connection",
    "gcp:storage/bucket:Bucket": "storage.Bucket",
    "gcp:storage/bucketIAMMember:BucketIAMMember": "iam.BucketIAMMember",
    "gcp:storage/bucketObject:BucketObject": "storage_object.BucketObject",
    "gcp:vertex/aiMetadataStore:AiMetadataStore": "vertex.AiMetadataStore",
    "gcp:vertex/aiPersistentResource:AiPersistentResource": "vertex.AiPersistentResource",
    "gcp:vertex/aiTensorboard:AiTensorboard": "vertex.AiTensorboard",
}


@cache
def resource_type(name: str) -> ResourceType | None:
    """The resource type of that name; None if the tables lack it."""
    if name not in TYPES:
        return None
    module, _, class_name = TYPES[name].rpartition(".")
    return getattr(import_module(f"engine.gcp.{module}"), class_name)()
