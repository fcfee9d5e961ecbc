"""Keyless CI: which GitHub workflows become which of the platform's accounts.

A workload identity pool trusts GitHub's tokens of one repository alone: those of its deployment branch, and those of
pull requests. The branch may become the deployer and the submitter, any accepted token the previewer. No key is ever
created. Google keeps a deleted pool and its id for 30 days: `gcloud iam workload-identity-pools undelete` brings it
back, `pulumi import` adopts it.

Source: https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, Output, ResourceOptions

from infra import naming
from infra.access import Principal, Principals
from infra.stack_config import FederationSettings

_ISSUER = "https://token.actions.githubusercontent.com"
_ROLE = "roles/iam.workloadIdentityUser"
_MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.repository": "assertion.repository",
    "attribute.ref": "assertion.ref",
}


class GithubFederation(pulumi.ComponentResource):
    """`settings.github_repository` is owner/name, `settings.branch` the branch that deploys."""

    def __init__(
        self,
        name: str,
        *,
        project: str,
        settings: FederationSettings,
        principals: Principals,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:GithubFederation", name, None, opts)
        self._project = project
        self._pool = gcp.iam.WorkloadIdentityPool(
            f"{name}-pool",
            workload_identity_pool_id=naming.FEDERATION_POOL,
            display_name="GitHub Actions",
            description="Workflows of this platform's repository",
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )
        gcp.iam.WorkloadIdentityPoolProvider(
            f"{name}-provider",
            workload_identity_pool_id=self._pool.workload_identity_pool_id,
            workload_identity_pool_provider_id="github",
            display_name="GitHub Actions",
            attribute_mapping=_MAPPING,
            attribute_condition=attribute_condition(settings.github_repository, settings.branch),
            oidc=gcp.iam.WorkloadIdentityPoolProviderOidcArgs(issuer_uri=_ISSUER),
            opts=ResourceOptions(parent=self),
        )
        branch = self._whoever(f"attribute.ref/refs/heads/{settings.branch}")
        repository = self._whoever(f"attribute.repository/{settings.github_repository}")
        self._becomes(principals.deployer, branch)
        self._becomes(principals.submitter, branch)
        self._becomes(principals.previewer, repository)
        self.register_outputs({})

    def _whoever(self, attribute: str) -> Output[str]:
        """Pool members by project number, which only Google knows."""
        return self._pool.name.apply(lambda pool: f"principalSet://iam.googleapis.com/{pool}/{attribute}")

    def _becomes(self, principal: Principal, member: Input[str]) -> None:
        email = principal.member.partition(":")[2]
        gcp.serviceaccount.IAMMember(
            f"{self.pulumi_resource_name}-{principal.name}",
            service_account_id=f"projects/{self._project}/serviceAccounts/{email}",
            role=_ROLE,
            member=member,
            opts=ResourceOptions(parent=self, depends_on=[principal.account] if principal.account else None),
        )


def attribute_condition(repository: str, branch: str) -> str:
    """Whose tokens are taken at all. A pull request's ref is its merge, refs/pull/N/merge, whoever opened it."""
    return (
        f"assertion.repository == '{repository}' && "
        f"(assertion.ref == 'refs/heads/{branch}' || assertion.event_name == 'pull_request')"
    )
