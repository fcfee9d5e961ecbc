"""BigQuery: the REST API v2 on DuckDB, with GoogleSQL translated.

Owns: datasets, tables, functions in SQL, jobs, queries and read sessions. Does not own: models, procedures, gRPC.
"""

from typing import TYPE_CHECKING

from local.cloud.bigquery.dataset_access import bindings_of
from local.cloud.bigquery.job_api import JobApi
from local.cloud.bigquery.jobs import Jobs
from local.cloud.bigquery.project_api import project_routes
from local.cloud.bigquery.routine_api import RoutineApi
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.storage_read import StorageReadApi
from local.cloud.bigquery.table_api import DatasetApi, TableApi
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route, Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud

__all__ = ["BigQuery", "services"]

_SWEEP_SECONDS = 60.0


def services(cloud: "Cloud") -> list[Service]:
    bq = cloud.warehouse
    jobs = Jobs(bq)
    cloud.access.sources["datasets"] = lambda name: bindings_of(bq, name)
    cloud.access.sources["tables"] = lambda name: [
        *(cloud.policies.in_force(name) or ()),
        *bq.results.bindings_of(name),
    ]
    api = JobApi(bq, jobs)
    cloud.on_start.append(jobs.recover)
    cloud.on_start.append(api.forget_uploads)
    cloud.on_start.append(lambda: cloud.background.every(_SWEEP_SECONDS, lambda: _sweep(bq), "bigquery-sweep"))
    cloud.on_stop += [bq.warehouse.close, jobs.stop]  # in reverse order
    uploads = [
        Route("POST", "/projects/{project}/jobs", api.upload, "bigquery.jobs.create", streams=True),
        Route("PUT", "/projects/{project}/jobs", api.resume, "bigquery.jobs.create", streams=True),
    ]
    reads = StorageReadApi(bq)
    cloud.on_start.append(lambda: cloud.background.every(_SWEEP_SECONDS, reads.sweep, "bigquery-sessions"))
    stream = "/v1/projects/{project}/locations/{location}/sessions/{session}/streams/{stream}"
    sessions = [
        Route(
            "POST",
            "/v1/projects/{project}/datasets/{dataset}/tables/{table}",
            reads.create,
            "bigquery.readsessions.create",
        ),
        Route("GET", stream, reads.read, "bigquery.readsessions.getData"),
    ]
    prefixes = ("/upload/bigquery/v2", "/resumable/upload/bigquery/v2")
    return [
        Service(
            "bigquery",
            [*_data_routes(bq), *_job_routes(api), *RoutineApi(bq).routes(), *project_routes(bq)],
            prefixes=("/bigquery/v2",),
            bare=False,
        ),
        Service("bigquerystorage", sessions, prefixes=("/bigquerystorage",)),
        Service("bigquery-upload", uploads, prefixes=prefixes, bare=False),
    ]


def _data_routes(bq: BigQuery) -> list[Route]:
    datasets, tables = DatasetApi(bq), TableApi(bq)
    dataset = "/projects/{project}/datasets/{dataset}"
    table = f"{dataset}/tables/{{table}}"
    policy = "/{resource=projects/*/datasets/*/tables/*}"
    return [
        Route("POST", "/projects/{project}/datasets", datasets.insert, "bigquery.datasets.create"),
        Route("GET", "/projects/{project}/datasets", datasets.list, "bigquery.datasets.get"),
        Route("GET", dataset, datasets.get, "bigquery.datasets.get"),
        Route("PATCH", dataset, datasets.patch, "bigquery.datasets.update"),
        Route("PUT", dataset, datasets.update, "bigquery.datasets.update"),
        Route("DELETE", dataset, datasets.delete, "bigquery.datasets.delete"),
        Route("POST", f"{dataset}/tables", tables.insert, "bigquery.tables.create"),
        Route("GET", f"{dataset}/tables", tables.list, "bigquery.tables.list"),
        Route("GET", table, tables.get, "bigquery.tables.get"),
        Route("PATCH", table, tables.patch, "bigquery.tables.update"),
        Route("PUT", table, tables.update, "bigquery.tables.update"),
        Route("DELETE", table, tables.delete, "bigquery.tables.delete"),
        Route("GET", f"{table}/data", tables.rows, "bigquery.tables.getData"),
        Route("POST", f"{table}/insertAll", tables.insert_all, "bigquery.tables.updateData"),
        Route("GET", f"{table}/rowAccessPolicies", tables.row_policies, "bigquery.rowAccessPolicies.list"),
        *policy_routes(policy, tables.policy_resource, permission="bigquery.tables", get_method="POST"),
    ]


def _job_routes(api: JobApi) -> list[Route]:
    """Whoever made a job may follow and end it: the handlers ask for more only of others."""
    job = "/projects/{project}/jobs/{job}"
    return [
        Route("POST", "/projects/{project}/jobs", api.insert, "bigquery.jobs.create"),
        Route("GET", "/projects/{project}/jobs", api.list),
        Route("GET", job, api.get),
        Route("POST", f"{job}/cancel", api.cancel),
        Route("DELETE", f"{job}/delete", api.delete, "bigquery.jobs.delete"),
        Route("POST", "/projects/{project}/queries", api.query, "bigquery.jobs.create"),
        Route("GET", "/projects/{project}/queries/{job}", api.results),
    ]


def _sweep(bq: BigQuery) -> None:
    bq.results.sweep()
    if (bq.warehouse.folder / "warehouse.duckdb").exists():
        from local.cloud.bigquery.expiry import expire

        expire(bq.tables, bq.cloud.clock)
