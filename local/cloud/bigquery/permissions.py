"""What jobs need beyond the right to be created: rights on the tables and objects that they read and write.

Source: https://cloud.google.com/bigquery/docs/access-control
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.iam.enforcement import object_of_uri
from local.cloud.identity import Principal

if TYPE_CHECKING:
    from local.cloud.bigquery.service import BigQuery


def require(bq: "BigQuery", user: str, permission: str, ref: "TableRef | DatasetRef | str") -> None:
    """Raises accessDenied. `ref` as text is a resource's name."""
    if isinstance(ref, (TableRef, DatasetRef)) and (
        ref.dataset.startswith("_script") or getattr(ref, "anonymous", False)
    ):
        return  # a query's hidden result or a script's own tables, whose names only their author knows
    ref = ref.whole if isinstance(ref, TableRef) else ref
    bq.cloud.access.require(Principal(user), f"bigquery.{permission}", ref if isinstance(ref, str) else ref.name)


def may_read(bq: "BigQuery", user: str, tables: Iterable[TableRef]) -> None:
    for ref in dict.fromkeys(tables):
        require(bq, user, "tables.getData", ref)


def may_write(bq: "BigQuery", user: str, ref: TableRef) -> None:
    """To a table that is there, or to one that the job creates."""
    if bq.tables.find(ref.whole) is None:
        require(bq, user, "tables.create", ref.parent)
    require(bq, user, "tables.updateData", ref)


def may_read_objects(bq: "BigQuery", user: str, config: dict[str, Any]) -> None:
    for uri in config.get("sourceUris") or ():
        _object(bq, user, "storage.objects.get", uri)


def may_write_objects(bq: "BigQuery", user: str, uris: Iterable[Any]) -> None:
    for uri in uris:
        _object(bq, user, "storage.objects.create", uri)


def _object(bq: "BigQuery", user: str, permission: str, uri: object) -> None:
    if str(uri).startswith("gs://"):
        bq.cloud.access.require(Principal(user), permission, object_of_uri(str(uri)))
