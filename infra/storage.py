"""The bucket that holds everything that is no row: staging data, snapshots, checkpoints, models, compiled pipelines.

Owns the bucket, how long things live in it and who may write to it. Does not own what lies where (infra/platform.py).
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra import naming
from infra.access import Grant
from infra.encryption import Key, usable
from infra.identity import PlatformIdentity
from infra.stack_config import RetentionSettings

_Condition = gcp.storage.BucketLifecycleRuleConditionArgs

_DAY_SECONDS = 86_400


class ArtifactStore(pulumi.ComponentResource):
    """`protect` refuses to delete the bucket, and to empty it when the stack is destroyed."""

    def __init__(
        self,
        name: str,
        *,
        bucket_name: str,
        region: str,
        retention: RetentionSettings,
        protect: bool,
        grants: Sequence[Grant],
        identity: PlatformIdentity,
        key: Key | None,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:ArtifactStore", name, None, opts)
        self.bucket = gcp.storage.Bucket(
            f"{name}-bucket",
            name=bucket_name,
            location=region.upper(),
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=gcp.storage.BucketVersioningArgs(enabled=True),
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(
                retention_duration_seconds=retention.soft_delete_days * _DAY_SECONDS
            ),
            lifecycle_rules=_lifecycle(retention),
            encryption=key and gcp.storage.BucketEncryptionArgs(default_kms_key_name=key.name),
            force_destroy=not protect,
            labels=labels,
            opts=ResourceOptions(parent=self, depends_on=[*after, *usable(key)], protect=protect),
        )
        self.grants = [self._grant(grant, identity) for grant in grants]
        self.register_outputs({"bucket": self.bucket.name})

    def _grant(self, grant: Grant, identity: PlatformIdentity) -> gcp.storage.BucketIAMMember:
        condition = grant.condition
        return gcp.storage.BucketIAMMember(
            f"{self.pulumi_resource_name}-{grant.name}",
            bucket=self.bucket.name,
            role=identity.role_name(grant.role),
            member=grant.principal.member,
            condition=condition
            and gcp.storage.BucketIAMMemberConditionArgs(title=condition.title, expression=condition.expression),
            opts=ResourceOptions(parent=self, depends_on=identity.waits_for(grant)),
        )


def _lifecycle(retention: RetentionSettings) -> list[gcp.storage.BucketLifecycleRuleArgs]:
    """Age counts from an object's creation, for its noncurrent versions too: both are gone when the days are over."""
    return [
        _delete_when(_Condition(age=retention.staging_days, matches_prefixes=[naming.STAGING])),
        _delete_when(_Condition(age=retention.checkpoints_days, matches_prefixes=[naming.CHECKPOINTS])),
        _delete_when(_Condition(days_since_noncurrent_time=retention.versions_days, with_state="ARCHIVED")),
    ]


def _delete_when(condition: _Condition) -> gcp.storage.BucketLifecycleRuleArgs:
    return gcp.storage.BucketLifecycleRuleArgs(
        action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"), condition=condition
    )
