"""Functions in SQL that datasets hold.

Owns: their resources. Does not own: what a call of one stands for (routine_functions.py). Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/routines
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.cloud.bigquery.datasets import Datasets, etag_of, refuse_stale
from local.cloud.bigquery.problems import duplicate, not_found, problem
from local.cloud.bigquery.references import DatasetRef
from local.cloud.bigquery.warehouse import Warehouse
from local.cloud.clock import Clock

_KIND = "routine"
_NAME = re.compile(r"[A-Za-z_]\w{0,255}")
_OUTPUT = ("kind", "etag", "creationTime", "lastModifiedTime", "routineReference")


@dataclass(frozen=True, slots=True)
class RoutineRef:
    project: str
    dataset: str
    routine: str

    @property
    def name(self) -> str:
        return f"projects/{self.project}/datasets/{self.dataset}/routines/{self.routine}"

    @property
    def label(self) -> str:
        return f"{self.project}:{self.dataset}.{self.routine}"

    @property
    def parent(self) -> DatasetRef:
        return DatasetRef(self.project, self.dataset)

    def api(self) -> dict[str, str]:
        return {"projectId": self.project, "datasetId": self.dataset, "routineId": self.routine}


Check = Callable[[dict[str, Any]], None]


class Routines:
    """A stored routine is the API's resource, but for its etag."""

    def __init__(self, warehouse: Warehouse, datasets: Datasets, clock: Clock) -> None:
        self._warehouse = warehouse
        self._datasets = datasets
        self._clock = clock

    def find(self, ref: RoutineRef) -> dict[str, Any] | None:
        return self._warehouse.get(_KIND, ref.name)

    def get(self, ref: RoutineRef) -> dict[str, Any]:
        found = self.find(ref)
        if found is None:
            self._datasets.get(ref.parent)
            raise not_found("Routine", ref.label)
        return found

    def of_dataset(self, ref: DatasetRef) -> list[tuple[str, dict[str, Any]]]:
        self._datasets.get(ref)
        return self._warehouse.list(_KIND, f"{ref.name}/routines/")

    def create(self, ref: RoutineRef, body: dict[str, Any], check: Check) -> dict[str, Any]:
        """`check` raises for a function whose body does not run."""
        if not _NAME.fullmatch(ref.routine):
            rule = "Routine IDs begin with a letter or '_' and hold at most 256 letters, digits and '_'."
            raise problem("invalid", f'Invalid routine ID "{ref.routine}". {rule}')
        with self._warehouse.writing():
            self._datasets.get(ref.parent)
            if self.find(ref):
                raise duplicate("Routine", ref.label)
            return self._put(ref, body, str(self._clock.millis()), check)

    def replace(self, ref: RoutineRef, body: dict[str, Any], check: Check, *, if_match: str = "") -> dict[str, Any]:
        with self._warehouse.writing():
            held = self.get(ref)
            refuse_stale(etag_of(held), if_match, ref.label)
            return self._put(ref, body, held["creationTime"], check)

    def remove(self, ref: RoutineRef) -> None:
        with self._warehouse.writing():
            self.get(ref)
            self._warehouse.delete(_KIND, ref.name)

    def _put(self, ref: RoutineRef, body: dict[str, Any], created: str, check: Check) -> dict[str, Any]:
        resource = {key: value for key, value in body.items() if key not in _OUTPUT and value is not None}
        resource.setdefault("language", "SQL")
        check(resource)
        resource |= {"routineReference": ref.api(), "creationTime": created}
        resource["lastModifiedTime"] = str(self._clock.millis())
        return self._warehouse.put(_KIND, ref.name, resource)
