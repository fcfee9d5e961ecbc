"""The platform's accounts and roles, what they may do in the project, and who may act as the pipeline.

Five accounts with disjoint rights: the pipeline runs, the submitter starts runs, the keeper looks after pools and
schedules, the deployer applies changes, the previewer reads what a plan compares with. All of this component is applied
by a person (ADR 0007): the deployer has no permission to change it. Does not own: who gets which role
(infra/access.py).
"""

import re
from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra import access, naming
from infra.access import Grant, Principal, Principals
from infra.naming import Names
from infra.permissions import CustomRole

_UNUSUAL = re.compile(r"[^A-Za-z0-9.@/-]+")

_ACCOUNTS = {
    naming.PIPELINE_ACCOUNT: ("Recommender training pipeline", "Runs the training pipeline and its jobs"),
    naming.SUBMITTER_ACCOUNT: ("Recommender training submitter", "Submits runs of the pipeline and follows them"),
    naming.KEEPER_ACCOUNT: ("Recommender training keeper", "Reboots and hibernates pools, pauses schedules"),
    naming.DEPLOYER_ACCOUNT: ("Recommender training deployer", "Applies what a merge changes"),
    naming.PREVIEWER_ACCOUNT: ("Recommender training previewer", "Plans what a pull request would change"),
}


class PlatformIdentity(pulumi.ComponentResource):
    """`principals` are for the grants that stand beside other resources; `roles` maps a custom role's id to what such a
    grant must wait for."""

    def __init__(
        self,
        name: str,
        *,
        names: Names,
        submitters: Sequence[str],
        roles: Sequence[CustomRole],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PlatformIdentity", name, None, opts)
        self._names = names
        self._after = list(after)
        accounts = {account_id: self._account(account_id) for account_id in _ACCOUNTS}
        self.principals = Principals(
            pipeline=accounts[naming.PIPELINE_ACCOUNT],
            submitter=accounts[naming.SUBMITTER_ACCOUNT],
            keeper=accounts[naming.KEEPER_ACCOUNT],
            deployer=accounts[naming.DEPLOYER_ACCOUNT],
            previewer=accounts[naming.PREVIEWER_ACCOUNT],
            others=[Principal(_slug(member), member) for member in submitters],
        )
        self.roles = {role.role_id: self._role(role) for role in roles}
        self.grants: list[pulumi.Resource] = [
            *map(self._on_project, access.on_project(self.principals, names)),
            *map(self._on_pipeline_account, access.on_pipeline_account(self.principals)),
        ]
        self.register_outputs({})

    def waits_for(self, grant: Grant) -> list[pulumi.Resource]:
        account = grant.principal.account
        return [*([account] if account else []), self.roles[grant.role.role_id]]

    def role_name(self, role: CustomRole) -> str:
        return f"projects/{self._names.project}/roles/{role.role_id}"

    def _account(self, account_id: str) -> Principal:
        display_name, description = _ACCOUNTS[account_id]
        role = account_id.removeprefix("recsys-")
        account = gcp.serviceaccount.Account(
            f"{self.pulumi_resource_name}-{role}",
            account_id=account_id,
            display_name=display_name,
            description=description,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
        return Principal(role, f"serviceAccount:{self._names.account_email(account_id)}", account)

    def _role(self, role: CustomRole) -> gcp.projects.IAMCustomRole:
        return gcp.projects.IAMCustomRole(
            f"{self.pulumi_resource_name}-{role.role_id}",
            role_id=role.role_id,
            title=role.title,
            permissions=sorted(role.permissions),
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )

    def _on_project(self, grant: Grant) -> gcp.projects.IAMMember:
        condition = grant.condition
        return gcp.projects.IAMMember(
            f"{self.pulumi_resource_name}-{grant.name}",
            project=self._names.project,
            role=self.role_name(grant.role),
            member=grant.principal.member,
            condition=condition
            and gcp.projects.IAMMemberConditionArgs(title=condition.title, expression=condition.expression),
            opts=ResourceOptions(parent=self, depends_on=self.waits_for(grant)),
        )

    def _on_pipeline_account(self, grant: Grant) -> gcp.serviceaccount.IAMMember:
        account = self.principals.pipeline.account
        return gcp.serviceaccount.IAMMember(
            f"{self.pulumi_resource_name}-{grant.name}",
            service_account_id=self._names.service_account_name,
            role=self.role_name(grant.role),
            member=grant.principal.member,
            opts=ResourceOptions(parent=self, depends_on=[*self.waits_for(grant), *([account] if account else [])]),
        )


def _slug(member: str) -> str:
    """A member as part of a logical name: another for each member, the same when the list is reordered.

    What an ordinary address does not have is written as the hexadecimal digits of its bytes behind an underscore.
    """
    kind, _, address = member.partition(":")
    return f"{kind}-{_UNUSUAL.sub(_as_hex, address)}"


def _as_hex(match: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in match[0].encode())
