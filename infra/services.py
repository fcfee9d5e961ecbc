"""The Google APIs that the platform needs, enabled before whatever needs them.

Does not own the two that must be on before any program can run against a project: serviceusage and
cloudresourcemanager.
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

APIS = ("aiplatform", "artifactregistry", "bigquery", "compute", "iam", "logging", "monitoring", "storage")
NETWORK_APIS = ("dns",)
PEERING_APIS = ("servicenetworking",)
ENCRYPTION_APIS = ("cloudkms",)
BUDGET_APIS = ("billingbudgets",)
FEDERATION_APIS = ("iamcredentials", "sts")


class EnabledServices(pulumi.ComponentResource):
    """APIs stay enabled when the stack is destroyed: others in the project may have come to need them."""

    def __init__(self, name: str, *, apis: Sequence[str], opts: ResourceOptions | None = None) -> None:
        super().__init__("recsys:infra:EnabledServices", name, None, opts)
        self.by_api = {
            api: gcp.projects.Service(
                f"{name}-{api}",
                service=f"{api}.googleapis.com",
                disable_on_destroy=False,
                opts=ResourceOptions(parent=self),
            )
            for api in apis
        }
        self.register_outputs({})
