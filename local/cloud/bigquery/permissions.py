"""What jobs need beyond the right to be created: rights on the tables and objects that they read and write.

Source: https://cloud.google.com/bigquery/docs/access-control
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.iam.enforcement import object_of_uri
from local.cloud.identity import Principal

if TYPE_CHECKING:
    from local.cloud.bigquery.service import BigQuery


def require(bq: "BigQuery", user: str, permission: str, ref: "TableRef | DatasetRef | str") -> None:
    """Raises accessDenied. `ref` as text is a resource's name."""
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


def may_read_objects(bq: "BigQuery", user: str, uris: Iterable[str]) -> None:
    """Of URIs as they are written; a wildcard lists the bucket, and the objects that it finds are read."""
    for uri in uris:
        if "*" in str(uri):
            _object(bq, user, "storage.objects.list", _bucket_of(str(uri)))
        else:
            may_read_object(bq, user, str(uri))


def may_read_object(bq: "BigQuery", user: str, uri: str) -> None:
    _object(bq, user, "storage.objects.get", uri)


def may_write_object(bq: "BigQuery", user: str, uri: str) -> None:
    """Overwriting needs the right to delete, too."""
    _object(bq, user, "storage.objects.create", uri)
    if bq.cloud.objects.exists(uri):
        _object(bq, user, "storage.objects.delete", uri)


def _bucket_of(uri: str) -> str:
    return "gs://" + uri.removeprefix("gs://").partition("/")[0]


def _object(bq: "BigQuery", user: str, permission: str, uri: object) -> None:
    if str(uri).startswith("gs://"):
        bq.cloud.access.require(Principal(user), permission, object_of_uri(str(uri)))
