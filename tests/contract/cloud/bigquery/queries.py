"""Queries whose rows a test looks at."""

from typing import Any

from google.cloud import bigquery


def rows(client: bigquery.Client, sql: str, **config: Any) -> list[tuple[Any, ...]]:
    """The rows that a query gives, run once: an error is told and not tried again."""
    job = client.query(sql, job_config=bigquery.QueryJobConfig(**config), job_retry=None)
    return [tuple(row.values()) for row in job.result(timeout=60)]
