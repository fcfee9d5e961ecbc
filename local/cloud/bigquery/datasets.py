"""Datasets: where tables live, and who may read them.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets
"""

import base64
import hashlib
import json
from typing import Any

from local.cloud.bigquery.problems import duplicate, not_found, problem
from local.cloud.bigquery.references import DatasetRef, check_dataset_id
from local.cloud.bigquery.warehouse import Warehouse
from local.cloud.clock import Clock
from local.cloud.masks import merge_patch
from local.cloud.validation import Violations, as_int

_KIND = "dataset"
_API = "https://bigquery.googleapis.com/bigquery/v2"
_OUTPUT = (
    "kind",
    "id",
    "selfLink",
    "etag",
    "creationTime",
    "lastModifiedTime",
    "type",
    "datasetReference",
    "satisfiesPzs",
)
_NUMBERS = ("defaultTableExpirationMs", "defaultPartitionExpirationMs", "maxTimeTravelHours")
_LEGACY_ROLES = ("READER", "WRITER", "OWNER")
_HOUR_MS = 3_600_000


class Datasets:
    """A stored dataset is the API's resource, but for links and etags."""

    def __init__(self, warehouse: Warehouse, clock: Clock) -> None:
        self._warehouse = warehouse
        self._clock = clock

    def get(self, ref: DatasetRef) -> dict[str, Any]:
        dataset = self._warehouse.get(_KIND, ref.name)
        if dataset is None:
            raise not_found("Dataset", ref.label)
        return dataset

    def exists(self, ref: DatasetRef) -> bool:
        return self._warehouse.get(_KIND, ref.name) is not None

    def of_project(self, project: str) -> list[tuple[str, dict[str, Any]]]:
        return self._warehouse.list(_KIND, f"projects/{project}/datasets/")

    def create(self, ref: DatasetRef, body: dict[str, Any], creator: str) -> dict[str, Any]:
        check_dataset_id(ref.dataset)
        now = str(self._clock.millis())
        dataset = {key: value for key, value in body.items() if key not in _OUTPUT and value is not None}
        dataset |= {
            "datasetReference": ref.api(),
            "creationTime": now,
            "lastModifiedTime": now,
            "location": _location(body.get("location")),
            "type": "DEFAULT",
        }
        dataset["access"] = dataset.get("access") or _default_access(creator)
        dataset.setdefault("maxTimeTravelHours", "168")
        _settle(dataset)
        with self._warehouse.writing():
            if self.exists(ref):
                raise duplicate("Dataset", ref.label)
            return self._warehouse.put(_KIND, ref.name, dataset)

    def change(self, ref: DatasetRef, body: dict[str, Any], *, whole: bool, if_match: str = "") -> dict[str, Any]:
        """PATCH, or PUT where `whole`; a PUT without `access` keeps what there is."""
        with self._warehouse.writing():
            old = self.get(ref)
            refuse_stale(etag_of(old), if_match, ref.label)
            wanted = {key: value for key, value in body.items() if key not in _OUTPUT}
            if whole:
                kept = {key: old[key] for key in (*_OUTPUT, "access", "location", "maxTimeTravelHours") if key in old}
                new = kept | {key: value for key, value in wanted.items() if value is not None}
            else:
                new = merge_patch(old, wanted)
            if new.get("location", "").upper() != old["location"].upper():
                raise problem(
                    "invalid", f"Cannot change the location of dataset {ref.label} to {new.get('location')!r}"
                )
            new["location"] = old["location"]
            new["access"] = new.get("access") or old["access"]
            new["lastModifiedTime"] = str(self._clock.millis())
            _settle(new)
            return self._warehouse.put(_KIND, ref.name, new)

    def remove(self, ref: DatasetRef) -> None:
        self._warehouse.delete(_KIND, ref.name)


def dataset_resource(dataset: dict[str, Any]) -> dict[str, Any]:
    ref = DatasetRef(dataset["datasetReference"]["projectId"], dataset["datasetReference"]["datasetId"])
    links = {"kind": "bigquery#dataset", "id": ref.label, "selfLink": f"{_API}/{ref.name}"}
    return {**links, **dataset, "etag": etag_of(dataset)}


def dataset_item(dataset: dict[str, Any]) -> dict[str, Any]:
    """As a list shows it."""
    whole = dataset_resource(dataset)
    kept = ("kind", "id", "datasetReference", "labels", "friendlyName", "location")
    return {key: whole[key] for key in kept if key in whole}


def etag_of(resource: dict[str, Any]) -> str:
    """Of the settings: rows that come and go do not change it."""
    text = json.dumps({key: value for key, value in resource.items() if key != "lastModifiedTime"}, sort_keys=True)
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:16]).decode()


def refuse_stale(etag: str, if_match: str, label: str) -> None:
    if if_match not in ("", "*", etag):
        message = f"Precondition check failed: the etag of {label} is not {if_match!r}: read it again and retry"
        error = problem("conditionNotMet", message, location="If-Match")
        error.code = 412
        raise error


def _location(location: Any) -> str:
    """Multi-regions are upper case, regions lower."""
    text = str(location or "US")
    return text.upper() if text.upper() in ("US", "EU") else text.lower()


def _default_access(creator: str) -> list[dict[str, str]]:
    return [
        {"role": "WRITER", "specialGroup": "projectWriters"},
        {"role": "OWNER", "specialGroup": "projectOwners"},
        {"role": "OWNER", "userByEmail": creator},
        {"role": "READER", "specialGroup": "projectReaders"},
    ]


def _settle(dataset: dict[str, Any]) -> None:
    """Check the settings and write numbers as the API does."""
    found = Violations()
    found.labels(dataset.get("labels"))
    for key in ("defaultTableExpirationMs", "defaultPartitionExpirationMs"):
        number = as_int(dataset.get(key)) if dataset.get(key) is not None else None
        bad = dataset.get(key) is not None and (
            number is None or (number < _HOUR_MS and key == _NUMBERS[0] and number != 0)
        )
        found.unless(not bad, key, f"{dataset.get(key)!r} is not a number of milliseconds of at least one hour")
    if dataset.get("maxTimeTravelHours") is not None:
        found.within(48, 168, dataset["maxTimeTravelHours"], "maxTimeTravelHours")
    for index, entry in enumerate(dataset["access"]):
        role = entry.get("role")
        known = role is None or role in _LEGACY_ROLES or str(role).startswith(("roles/", "projects/", "organizations/"))
        found.unless(known, f"access[{index}].role", f"{role!r} is neither READER, WRITER, OWNER nor a role's name")
    found.refuse()
    for key in _NUMBERS:
        if dataset.get(key) is not None:
            dataset[key] = str(as_int(dataset[key]))
