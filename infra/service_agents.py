"""The accounts that Google's services act as in the project: created and granted in time.

Enabling an API creates its agent some time later, or on first use; a grant that names one that is not there yet is
refused. Does not own: what agents do with keys (infra/encryption.py).
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra import permissions
from infra.identity import PlatformIdentity

_ROLE = "roles/aiplatform.serviceAgent"


class ServiceAgents(pulumi.ComponentResource):
    """`grants`: what must be in place before Vertex AI starts a job or a run.

    Only Vertex AI's own agent is granted something. The agent for custom code (gcp-sa-aiplatform-cc) is not used, since
    every job here names an account of its own; BigQuery and Cloud Storage act as the caller.
    """

    def __init__(
        self,
        name: str,
        *,
        project: str,
        identity: PlatformIdentity,
        joins_network: bool,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:ServiceAgents", name, None, opts)
        self.vertex = gcp.projects.ServiceIdentity(
            f"{name}-aiplatform",
            project=project,
            service="aiplatform.googleapis.com",
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )
        # service-NUMBER@…: what the project's number is, budgets and keys need to know.
        self.project_number = self.vertex.email.apply(lambda email: email.partition("@")[0].removeprefix("service-"))
        self.grants = [
            gcp.projects.IAMMember(
                f"{name}-aiplatform-agent",
                project=project,
                role=_ROLE,
                member=self.vertex.member,
                opts=ResourceOptions(parent=self),
            )
        ]
        if joins_network:
            self.grants.append(self._network_grant(project, identity))
        self.register_outputs({})

    def _network_grant(self, project: str, identity: PlatformIdentity) -> gcp.projects.IAMMember:
        """Its own role does not let it into a network attachment."""
        role = permissions.NETWORK_AGENT
        return gcp.projects.IAMMember(
            f"{self.pulumi_resource_name}-aiplatform-network",
            project=project,
            role=identity.role_name(role),
            member=self.vertex.member,
            opts=ResourceOptions(parent=self, depends_on=[identity.roles[role.role_id]]),
        )
