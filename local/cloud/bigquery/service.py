"""The parts of BigQuery, put together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.bigquery.datasets import Datasets
from local.cloud.bigquery.query_cache import QueryCache
from local.cloud.bigquery.results import Results
from local.cloud.bigquery.routines import Routines
from local.cloud.bigquery.tables import Tables
from local.cloud.bigquery.warehouse import Warehouse

if TYPE_CHECKING:
    from local.cloud.app import Cloud


@dataclass(slots=True)
class BigQuery:
    """What jobs and handlers share."""

    cloud: "Cloud"
    warehouse: Warehouse
    datasets: Datasets
    tables: Tables
    routines: Routines
    results: Results
    cache: QueryCache

    @classmethod
    def open(cls, cloud: "Cloud") -> "BigQuery":
        folder = cloud.root / "bigquery"
        warehouse = Warehouse(folder)
        datasets = Datasets(warehouse, cloud.clock)
        tables = Tables(warehouse, datasets, cloud.clock)
        results = Results(folder, cloud.store, cloud.clock, tables)
        return cls(
            cloud,
            warehouse,
            datasets,
            tables,
            Routines(warehouse, datasets, cloud.clock),
            results,
            QueryCache(warehouse, results),
        )
