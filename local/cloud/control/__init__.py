"""The control plane: projects, identities, enabled services, repositories, keys, secrets, budgets, and more.

Owns: resources that are declared and that other services refer to. Does not own: whether a caller may do what it asks
(the core's policies).
"""

from typing import TYPE_CHECKING

from local.cloud.control.account_keys import key_routes as account_key_routes
from local.cloud.control.accounts import account_routes
from local.cloud.control.billing import billing_routes
from local.cloud.control.budgets import budget_routes
from local.cloud.control.cloud_run import run_routes
from local.cloud.control.consumer_quotas import consumer_quota_routes
from local.cloud.control.credentials import credential_routes
from local.cloud.control.eventarc import trigger_routes
from local.cloud.control.key_management import key_routes
from local.cloud.control.org_policies import org_policy_routes
from local.cloud.control.projects import project_routes, project_v3_routes
from local.cloud.control.registry import registry_routes
from local.cloud.control.roles import role_routes
from local.cloud.control.secret_manager import secret_routes
from local.cloud.control.service_networking import service_networking_routes
from local.cloud.control.service_usage import service_usage_routes
from local.cloud.control.signing import signing_routes
from local.cloud.control.workload_identity import workload_identity_routes
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud

__all__ = ["services"]


def services(cloud: "Cloud") -> list[Service]:
    signing = signing_routes(cloud)
    accounts = [*account_routes(cloud), *account_key_routes(cloud), *signing]
    iam = [*accounts, *role_routes(cloud), *workload_identity_routes(cloud)]
    crm = [*project_routes(cloud), *project_v3_routes(cloud), *org_policy_routes(cloud)]
    usage = [*service_usage_routes(cloud), *consumer_quota_routes(cloud)]
    both = {"v1": ("v1", "v1beta1"), "v1beta2": ("v1beta2",)}
    return [
        Service("iam", iam, prefixes=("/iam",)),
        Service("iamcredentials", [*credential_routes(cloud), *signing], prefixes=("/iamcredentials",)),
        Service("cloudresourcemanager", crm, prefixes=("/crm",)),
        Service("serviceusage", usage, prefixes=("/serviceusage",), versions=both),
        Service("artifactregistry", registry_routes(cloud), prefixes=("/artifactregistry",), versions=both),
        Service("cloudbilling", billing_routes(cloud), prefixes=("/cloudbilling",)),
        Service("billingbudgets", budget_routes(cloud), prefixes=("/billingbudgets",)),
        Service("cloudkms", key_routes(cloud), prefixes=("/kms",)),
        Service("secretmanager", secret_routes(cloud), prefixes=("/secretmanager",)),
        Service("servicenetworking", service_networking_routes(cloud), prefixes=("/servicenetworking",)),
        Service("run", run_routes(cloud), prefixes=("/cloudrunv2",)),
        Service("eventarc", trigger_routes(cloud), prefixes=("/eventarc",)),
    ]
