"""Names of tables."""

import re
from dataclasses import dataclass
from typing import Any

from local.cloud.bigquery.problems import problem

_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_HIDDEN_DATASET = re.compile(r"_[0-9a-f]{40}")
_HIDDEN_TABLE = re.compile(r"anon[0-9a-f]{64}")
_TABLE = re.compile(r"[\w\- $]{1,1024}", re.UNICODE)


@dataclass(frozen=True, slots=True, order=True)
class DatasetRef:
    project: str
    dataset: str

    @property
    def name(self) -> str:
        return f"projects/{self.project}/datasets/{self.dataset}"

    @property
    def label(self) -> str:
        return f"{self.project}:{self.dataset}"

    def api(self) -> dict[str, str]:
        return {"projectId": self.project, "datasetId": self.dataset}


@dataclass(frozen=True, slots=True, order=True)
class TableRef:
    project: str
    dataset: str
    table: str

    @property
    def name(self) -> str:
        """In the catalog, and of its policy."""
        return f"projects/{self.project}/datasets/{self.dataset}/tables/{self.table}"

    @property
    def label(self) -> str:
        """As BigQuery's messages and ids write it."""
        return f"{self.project}:{self.dataset}.{self.table}"

    @property
    def parent(self) -> DatasetRef:
        return DatasetRef(self.project, self.dataset)

    @property
    def anonymous(self) -> bool:
        """Whether it is the hidden table of a query's results."""
        return bool(_HIDDEN_DATASET.fullmatch(self.dataset) and _HIDDEN_TABLE.fullmatch(self.table))

    @property
    def whole(self) -> "TableRef":
        """Without the `$partition` that may follow a table's name."""
        return TableRef(self.project, self.dataset, self.table.partition("$")[0])

    @property
    def partition(self) -> str:
        return self.table.partition("$")[2]

    def api(self) -> dict[str, str]:
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}

    @classmethod
    def of(cls, body: dict[str, Any], project: str) -> "TableRef":
        """From the API's TableReference; `project` where it names none."""
        dataset, table = body.get("datasetId") or "", body.get("tableId") or ""
        if not dataset or not table:
            raise problem(
                "required",
                f"Required parameter is missing: a table reference needs datasetId and tableId, not {body!r}",
            )
        return cls(body.get("projectId") or project, dataset, table)


def check_dataset_id(dataset: object) -> None:
    if not isinstance(dataset, str) or not _DATASET.fullmatch(dataset):
        rule = "Dataset IDs must be alphanumeric (plus underscores) and must be at most 1024 characters long."
        raise problem("invalid", f'Invalid dataset ID "{dataset}". {rule}')


def check_table_id(table: object) -> None:
    if not isinstance(table, str) or not _TABLE.fullmatch(table):
        rule = "Table IDs must be letters, digits, connectors and spaces, at most 1024 characters long."
        raise problem("invalid", f'Invalid table ID "{table}". {rule}')
