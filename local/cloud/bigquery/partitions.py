"""Partitions of a table by time: their names, and which rows are theirs.

Source: https://cloud.google.com/bigquery/docs/managing-partitioned-table-data
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import quoted

INGESTED = "_PARTITIONTIME"
_FORMS = {4: ("YEAR", "%Y"), 6: ("MONTH", "%Y%m"), 8: ("DAY", "%Y%m%d"), 10: ("HOUR", "%Y%m%d%H")}


def is_ingestion_time(resource: dict[str, Any]) -> bool:
    """Whether rows belong to the partition of the moment that they came in."""
    time = resource.get("timePartitioning")
    return bool(time) and not time.get("field")


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition, by the moment that it begins with."""

    unit: str
    start: str

    @classmethod
    def of(cls, ref: TableRef) -> "Partition":
        """Of `table$20260102`. Raises for what is no partition's name."""
        unit, form = _FORMS.get(len(ref.partition), ("", ""))
        try:
            moment = datetime.strptime(ref.partition, form).replace(tzinfo=UTC)
        except ValueError:
            moment = None
        if moment is None or not unit:
            raise problem("invalid", f"Invalid time partitioning value {ref.partition!r} of {ref.label}: use $YYYYMMDD")
        return cls(unit, moment.isoformat())

    def condition(self, resource: dict[str, Any]) -> str:
        """Of the engine, on the rows of a table. Raises for a table that has no such partitions."""
        time = resource.get("timePartitioning") or {}
        if time.get("type") != self.unit:
            reference = resource["tableReference"]
            label = f"{reference['projectId']}:{reference['datasetId']}.{reference['tableId']}"
            raise problem("invalid", f"{label} is not partitioned by {self.unit}: it has no such partition")
        column = quoted(time.get("field") or INGESTED)
        return f"date_trunc('{self.unit.lower()}', cast({column} as timestamptz)) = timestamptz '{self.start}'"
