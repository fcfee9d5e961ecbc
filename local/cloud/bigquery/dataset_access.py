"""A dataset's access list as bindings of roles.

Owns: what each kind of entry stands for. Entries that authorize views, routines and other datasets name no principal.
Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset.FIELDS.access
"""

from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.references import DatasetRef
from local.cloud.errors import ApiError
from local.cloud.iam.members import member_of
from local.cloud.iam.roles import LEGACY_DATASET_ROLES

if TYPE_CHECKING:
    from local.cloud.bigquery.service import BigQuery

_GROUPS = {"projectOwners": "projectOwner", "projectWriters": "projectEditor", "projectReaders": "projectViewer"}


def bindings_of(bq: "BigQuery", name: str) -> list[dict[str, Any]]:
    """Of `projects/p/datasets/d`; none where there is no such dataset."""
    _, project, _, dataset = name.split("/")
    try:
        entries = bq.datasets.get(DatasetRef(project, dataset))["access"]
    except ApiError:
        return []
    return [binding for entry in entries if (binding := _binding(entry, project))]


def _binding(entry: dict[str, Any], project: str) -> dict[str, Any] | None:
    role, member = entry.get("role"), _member(entry, project)
    if not role or not member:
        return None
    condition = {"condition": entry["condition"]} if entry.get("condition") else {}
    return {"role": LEGACY_DATASET_ROLES.get(role, role), "members": [member], **condition}


def _member(entry: dict[str, Any], project: str) -> str | None:
    if group := entry.get("specialGroup"):
        return f"{_GROUPS[group]}:{project}" if group in _GROUPS else group
    if email := entry.get("userByEmail"):
        return member_of(email)
    if group := entry.get("groupByEmail"):
        return f"group:{group}"
    if domain := entry.get("domain"):
        return f"domain:{domain}"
    return entry.get("iamMember")
