"""The account that pipelines and their jobs run as, what it may do in the project, and who may act as it.

A role that can be granted on one resource is granted there, beside the resource: roles/storage.objectAdmin on the
bucket (snapshots, checkpoints, models, pipeline outputs), roles/bigquery.dataViewer on the datasets (extract reads the
events), roles/artifactregistry.reader on the repository. Here stands what has no smaller scope:

* roles/aiplatform.user on the project: a pipeline creates custom jobs, reads and writes models, experiments and
  metadata;
* roles/bigquery.jobUser on the project: running a query is a project-level permission;
* roles/iam.serviceAccountUser on the account itself, for itself: a pipeline that runs as the account starts jobs that
  run as it, and Vertex AI checks actAs anew for each of them;
* roles/iam.serviceAccountUser on the account for the submitters: whoever creates a pipeline job or the schedule with
  this account must be allowed to act as it. That includes whoever deploys the stack.

Deliberately not granted: any write to BigQuery (the event log is written by serving and by whoever ingests, under their
own identity), any primitive role, any role on other service accounts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra import naming
from infra.naming import Names

_PROJECT_ROLES = ("roles/aiplatform.user", "roles/bigquery.jobUser")
_ACT_AS = "roles/iam.serviceAccountUser"
_UNUSUAL = re.compile(r"[^A-Za-z0-9.@/-]+")


@dataclass(frozen=True)
class Principal:
    """Whom a role is granted to: `member` as IAM policies name it, `account` what the grant must wait for."""

    name: str
    member: str
    account: pulumi.Resource


class PipelineIdentity(pulumi.ComponentResource):
    """`principal` is the account, for the grants that stand beside other resources."""

    def __init__(
        self,
        name: str,
        *,
        names: Names,
        submitters: Sequence[str],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PipelineIdentity", name, None, opts)
        self._names = names
        self._account = gcp.serviceaccount.Account(
            f"{name}-account",
            account_id=naming.PIPELINE_ACCOUNT,
            display_name="Recommender training pipeline",
            description="Runs the training pipeline and its jobs",
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )
        self.principal = Principal("pipeline", f"serviceAccount:{names.service_account}", self._account)
        self.grants: list[pulumi.Resource] = [
            *(self._project_role(name, role) for role in _PROJECT_ROLES),
            self._act_as(f"{name}-acts-as-itself", self.principal.member),
            *(self._act_as(f"{name}-submitter-{_slug(member)}", member) for member in submitters),
        ]
        self.register_outputs({"email": self._account.email})

    def _project_role(self, name: str, role: str) -> gcp.projects.IAMMember:
        return gcp.projects.IAMMember(
            f"{name}-{role.partition('/')[2]}",
            project=self._names.project,
            role=role,
            member=self.principal.member,
            opts=ResourceOptions(parent=self, depends_on=[self._account]),
        )

    def _act_as(self, name: str, member: str) -> gcp.serviceaccount.IAMMember:
        return gcp.serviceaccount.IAMMember(
            name,
            service_account_id=self._names.service_account_name,
            role=_ACT_AS,
            member=member,
            opts=ResourceOptions(parent=self, depends_on=[self._account]),
        )


def _slug(member: str) -> str:
    """A member as part of a logical name: another for each member, the same when the list is reordered.

    What an ordinary address does not have is written as the hexadecimal digits of its bytes behind an underscore.
    """
    kind, _, address = member.partition(":")
    return f"{kind}-{_UNUSUAL.sub(_as_hex, address)}"


def _as_hex(match: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in match[0].encode())
