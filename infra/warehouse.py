"""The event log and the drift statistics: datasets, tables, how long rows live and who may read them.

Does not own the columns (contracts/table_schemas.py). Nobody is granted to write here: serving writes `requests` and
`feedback` under its own identity, and whoever ingests uses theirs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from contracts.table_schemas import TableSchema
from infra.access import Grant
from infra.encryption import Key, usable
from infra.identity import PlatformIdentity

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset whose partitions are deleted `expiry_days` after they were written."""

    dataset_id: str
    description: str
    tables: tuple[TableSchema, ...]
    expiry_days: int
    views: Mapping[str, str] = field(default_factory=dict)  # GoogleSQL by name


class Warehouse(pulumi.ComponentResource):
    """`protect` refuses to delete or replace any dataset or table, and to drop rows when the stack is destroyed.

    `require_partition_filter` refuses queries that would read, and bill, a whole table by mistake.
    """

    def __init__(
        self,
        name: str,
        *,
        datasets: Sequence[DatasetSpec],
        location: str,
        protect: bool,
        require_partition_filter: bool,
        grants: Sequence[Grant],
        identity: PlatformIdentity,
        key: Key | None,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:Warehouse", name, None, opts)
        self._key = key
        self._after = [*after, *usable(key)]
        self._require_partition_filter = require_partition_filter
        self._guarded = protect  # `_protect` is Pulumi's own, and children inherit it
        self.grants: list[pulumi.Resource] = []
        for spec in datasets:
            dataset = self._declare_dataset(name, spec, location=location, labels=labels)
            tables = [self._declare_table(name, dataset, spec, table, labels=labels) for table in spec.tables]
            for view, query in spec.views.items():
                self._declare_view(name, dataset, spec, view, query, labels=labels, after=tables)
            self.grants += [self._grant(dataset, spec, grant, identity) for grant in grants]
        self.register_outputs({})

    def _declare_dataset(
        self, name: str, spec: DatasetSpec, *, location: str, labels: dict[str, str]
    ) -> gcp.bigquery.Dataset:
        # Unlike every other type here, the provider would create a dataset's replacement first and meet its own id.
        opts = ResourceOptions(parent=self, depends_on=self._after, protect=self._guarded, delete_before_replace=True)
        return gcp.bigquery.Dataset(
            f"{name}-{spec.dataset_id}",
            dataset_id=spec.dataset_id,
            location=location,
            description=spec.description,
            default_encryption_configuration=self._key
            and gcp.bigquery.DatasetDefaultEncryptionConfigurationArgs(kms_key_name=self._key.name),
            delete_contents_on_destroy=not self._guarded,
            labels=labels,
            opts=opts,
        )

    def _declare_table(
        self,
        name: str,
        dataset: gcp.bigquery.Dataset,
        spec: DatasetSpec,
        table: TableSchema,
        *,
        labels: dict[str, str],
    ) -> gcp.bigquery.Table:
        return gcp.bigquery.Table(
            f"{name}-{spec.dataset_id}-{table.name}",
            dataset_id=dataset.dataset_id,
            table_id=table.name,
            schema=table_json(table),
            time_partitioning=gcp.bigquery.TableTimePartitioningArgs(
                type=table.partition_unit, field=table.partition_field, expiration_ms=spec.expiry_days * _DAY_MS
            ),
            require_partition_filter=self._require_partition_filter or None,
            clusterings=list(table.clustering) or None,
            # Inherited from the dataset, and read back: what is not declared would be a change.
            encryption_configuration=self._key
            and gcp.bigquery.TableEncryptionConfigurationArgs(kms_key_name=self._key.name),
            deletion_protection=self._guarded,
            labels=labels,
            opts=ResourceOptions(parent=self, protect=self._guarded),
        )

    def _declare_view(
        self,
        name: str,
        dataset: gcp.bigquery.Dataset,
        spec: DatasetSpec,
        view: str,
        query: str,
        *,
        labels: dict[str, str],
        after: Sequence[pulumi.Resource],
    ) -> None:
        """Never protected: a view holds nothing."""
        gcp.bigquery.Table(
            f"{name}-{spec.dataset_id}-{view}",
            dataset_id=dataset.dataset_id,
            table_id=view,
            view=gcp.bigquery.TableViewArgs(query=query, use_legacy_sql=False),
            deletion_protection=False,
            labels=labels,
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _grant(
        self, dataset: gcp.bigquery.Dataset, spec: DatasetSpec, grant: Grant, identity: PlatformIdentity
    ) -> gcp.bigquery.DatasetIamMember:
        return gcp.bigquery.DatasetIamMember(
            f"{self.pulumi_resource_name}-{spec.dataset_id}-{grant.name}",
            dataset_id=dataset.dataset_id,
            role=identity.role_name(grant.role),
            member=grant.principal.member,
            opts=ResourceOptions(parent=self, depends_on=identity.waits_for(grant)),
        )


def table_json(table: TableSchema) -> str:
    """The columns as BigQuery's JSON schema; an empty description is left out, as BigQuery leaves it out."""
    return json.dumps([{key: value for key, value in column.model_dump().items() if value} for column in table.columns])
