"""The Artifact Registry repository of the trainer's and the steps' images, and who may pull them."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra.access import Grant
from infra.identity import PlatformIdentity


class ImageRepository(pulumi.ComponentResource):
    """`protect` refuses to delete the images that jobs and schedules name by digest."""

    def __init__(
        self,
        name: str,
        *,
        repository_id: str,
        location: str,
        protect: bool,
        grants: Sequence[Grant],
        identity: PlatformIdentity,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:ImageRepository", name, None, opts)
        self.repository = gcp.artifactregistry.Repository(
            f"{name}-repository",
            repository_id=repository_id,
            location=location,
            format="DOCKER",
            description="Images of the trainer and of the pipeline's steps",
            labels=labels,
            opts=ResourceOptions(parent=self, depends_on=list(after), protect=protect),
        )
        self.grants = [
            gcp.artifactregistry.RepositoryIamMember(
                f"{name}-{grant.name}",
                location=location,
                repository=self.repository.name,
                role=identity.role_name(grant.role),
                member=grant.principal.member,
                opts=ResourceOptions(parent=self, depends_on=identity.waits_for(grant)),
            )
            for grant in grants
        ]
        self.register_outputs({"repository": self.repository.name})
