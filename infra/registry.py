"""The Artifact Registry repository of the trainer's and the steps' images, what of their past is kept, and who may pull
and push them.

A job or a schedule names its image by digest for as long as it lives, so nothing that may still be deployed is deleted:
not the newest versions, nothing that a tag names (every build has its commit's, and where tags are immutable no later
build takes it away), and not the digests that this stack deploys, where they are known before the repository is.
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra.access import Grant
from infra.encryption import Key, usable
from infra.identity import PlatformIdentity
from infra.stack_config import RegistrySettings

_DAY_SECONDS = 86_400


class ImageRepository(pulumi.ComponentResource):
    """`deployed` are references by digest, as far as they are known. `protect` refuses to delete the repository."""

    def __init__(
        self,
        name: str,
        *,
        repository_id: str,
        location: str,
        protect: bool,
        grants: Sequence[Grant],
        identity: PlatformIdentity,
        settings: RegistrySettings,
        deployed: Sequence[str],
        key: Key | None,
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
            # An empty block is not read back, so that every plan would add it again.
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True)
            if settings.immutable_tags
            else None,
            cleanup_policies=_cleanup(settings, deployed),
            kms_key_name=key.name if key else None,
            labels=labels,
            opts=ResourceOptions(parent=self, depends_on=[*after, *usable(key)], protect=protect),
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


def _cleanup(
    settings: RegistrySettings, deployed: Sequence[str]
) -> list[gcp.artifactregistry.RepositoryCleanupPolicyArgs]:
    """What is kept outweighs what is deleted."""
    policy, condition = (
        gcp.artifactregistry.RepositoryCleanupPolicyArgs,
        gcp.artifactregistry.RepositoryCleanupPolicyConditionArgs,
    )
    untagged = condition(tag_state="UNTAGGED", older_than=f"{settings.untagged_days * _DAY_SECONDS}s")
    newest = gcp.artifactregistry.RepositoryCleanupPolicyMostRecentVersionsArgs(keep_count=settings.kept_versions)
    policies = [
        policy(id="delete-untagged", action="DELETE", condition=untagged),
        policy(id="keep-newest", action="KEEP", most_recent_versions=newest),
    ]
    if deployed:
        digests = sorted({image.partition("@")[2] for image in deployed})
        kept = condition(tag_state="ANY", version_name_prefixes=digests)
        policies.append(policy(id="keep-deployed", action="KEEP", condition=kept))
    return policies
