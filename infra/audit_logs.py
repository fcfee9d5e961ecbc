"""Who read and wrote the buckets' and datasets' data: logged, and kept where nobody can change it.

Cloud Logging keeps such entries 30 days. Where they are kept longer they go to a bucket of their own, whose retention
policy lets nobody delete or replace them for `locked_days`. The platform's own bucket has no such policy: the trainer
replaces its checkpoints and removes old ones, which the policy would refuse for every object alike (ADR 0009).

An audit configuration is all that the project's policy says of one service: what others declared there is replaced.
Sources: https://cloud.google.com/logging/docs/audit/configure-data-access, https://cloud.google.com/storage/docs/bucket-lock
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from infra import permissions
from infra.encryption import Key, usable
from infra.identity import PlatformIdentity
from infra.naming import Names
from infra.stack_config import AuditLogSettings

_DATA_SERVICES = ("storage", "bigquery")
_DAY_SECONDS = 86_400
_SOFT_DELETE_DAYS = 7


class DataAccessAudit(pulumi.ComponentResource):
    """Part of the project's policy, and therefore applied by a person (ADR 0007)."""

    def __init__(
        self,
        name: str,
        *,
        project: str,
        settings: AuditLogSettings,
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:DataAccessAudit", name, None, opts)
        kinds = [*(("ADMIN_READ", "DATA_READ") if settings.data_reads else ()), *_writes(settings)]
        for service in _DATA_SERVICES if kinds else ():
            gcp.projects.IAMAuditConfig(
                f"{name}-{service}",
                project=project,
                service=f"{service}.googleapis.com",
                audit_log_configs=[gcp.projects.IAMAuditConfigAuditLogConfigArgs(log_type=kind) for kind in kinds],
                opts=ResourceOptions(parent=self, depends_on=list(after)),
            )
        self.register_outputs({})


class AuditRecords(pulumi.ComponentResource):
    """`protect` refuses to delete the bucket, and to empty it when the stack is destroyed."""

    def __init__(
        self,
        name: str,
        *,
        names: Names,
        identity: PlatformIdentity,
        settings: AuditLogSettings,
        protect: bool,
        key: Key | None,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:AuditRecords", name, None, opts)
        self._names, self._settings = names, settings
        bucket = self._declare_bucket(protect=protect, key=key, labels=labels, after=after)
        sink = gcp.logging.ProjectSink(
            f"{name}-sink",
            name="recsys-data-access",
            destination=bucket.name.apply("storage.googleapis.com/{}".format),
            filter=self._filter(),
            unique_writer_identity=True,
            opts=ResourceOptions(parent=self),
        )
        gcp.storage.BucketIAMMember(
            f"{name}-sink-writes",
            bucket=bucket.name,
            role=identity.role_name(permissions.RECORDS_WRITER),
            member=sink.writer_identity,
            opts=ResourceOptions(parent=self, depends_on=[identity.roles[permissions.RECORDS_WRITER.role_id]]),
        )
        self.register_outputs({})

    def _declare_bucket(
        self, *, protect: bool, key: Key | None, labels: dict[str, str], after: Sequence[pulumi.Resource]
    ) -> gcp.storage.Bucket:
        settings = self._settings
        return gcp.storage.Bucket(
            f"{self.pulumi_resource_name}-bucket",
            name=self._names.records_bucket,
            location=self._names.region.upper(),
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # A bucket with a retention policy has no versions: nothing is replaced.
            retention_policy=gcp.storage.BucketRetentionPolicyArgs(
                retention_period=str(settings.locked_days * _DAY_SECONDS), is_locked=settings.locked
            )
            if settings.locked_days
            else None,
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(
                retention_duration_seconds=_SOFT_DELETE_DAYS * _DAY_SECONDS
            ),
            lifecycle_rules=_lifecycle(settings.kept_days),
            encryption=key and gcp.storage.BucketEncryptionArgs(default_kms_key_name=key.name),
            force_destroy=not protect,
            labels=labels,
            opts=ResourceOptions(parent=self, depends_on=[*after, *usable(key)], protect=protect),
        )

    def _filter(self) -> str:
        """Not what the sink itself writes: each entry of it would be the next one to write."""
        log = f"projects/{self._names.project}/logs/cloudaudit.googleapis.com%2Fdata_access"
        services = " OR ".join(f'"{service}.googleapis.com"' for service in _DATA_SERVICES)
        own = f"projects/_/buckets/{self._names.records_bucket}"
        return f'logName="{log}" AND protoPayload.serviceName=({services}) AND NOT protoPayload.resourceName:"{own}"'


def _writes(settings: AuditLogSettings) -> tuple[str, ...]:
    return ("DATA_WRITE",) if settings.data_writes else ()


def _lifecycle(days: int) -> list[gcp.storage.BucketLifecycleRuleArgs]:
    return [
        gcp.storage.BucketLifecycleRuleArgs(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=days),
        )
    ]
