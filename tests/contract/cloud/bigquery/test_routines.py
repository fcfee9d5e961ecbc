"""Functions that datasets hold, through google-cloud-bigquery."""

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import bigquery
from google.cloud.bigquery.enums import StandardSqlTypeNames

WHOLE = ["body", "arguments", "language", "type_"]  # what an update replaces a routine by


def rows(client, sql):
    return [tuple(row.values()) for row in client.query_and_wait(sql, job_retry=None)]


def routine(dataset, name, body="x * 2"):
    kind = bigquery.StandardSqlDataType(type_kind=StandardSqlTypeNames.INT64)
    argument = bigquery.RoutineArgument(name="x", data_type=kind)
    made = bigquery.Routine(f"acme-recsys.{dataset}.{name}", type_="SCALAR_FUNCTION", language="SQL")
    made.body, made.arguments = body, [argument]
    return made


def test_a_routine_is_made_called_changed_listed_and_deleted(client, dataset):
    made = client.create_routine(routine(dataset, "twice"))
    assert (made.type_, made.language, made.body, made.arguments[0].name) == ("SCALAR_FUNCTION", "SQL", "x * 2", "x")
    assert rows(client, f"SELECT {dataset}.twice(4), `acme-recsys`.{dataset}.twice(1)") == [(8, 2)]
    assert rows(client, f"SELECT `acme-recsys.{dataset}.twice`({dataset}.twice(1))") == [(4,)]
    stale = client.get_routine(made.reference)
    made.body = "x * 3"
    made = client.update_routine(made, WHOLE)
    assert rows(client, f"SELECT {dataset}.twice(4)") == [(12,)]
    stale.body = "x * 4"
    with pytest.raises(PreconditionFailed):
        client.update_routine(stale, WHOLE)
    assert [each.routine_id for each in client.list_routines(dataset)] == ["twice"]
    with pytest.raises(Conflict):
        client.create_routine(routine(dataset, "twice"))
    client.delete_routine(made.reference)
    with pytest.raises(NotFound):
        client.get_routine(made.reference)
    with pytest.raises(NotFound, match=f"Routine acme-recsys:{dataset}.twice"):
        rows(client, f"SELECT {dataset}.twice(4)")


def test_a_function_is_defined_by_a_statement(client, dataset):
    job = client.query(f"CREATE FUNCTION {dataset}.share(n INT64, of INT64) RETURNS FLOAT64 AS (SAFE_DIVIDE(n, of))")
    job.result()
    assert (job.statement_type, job.ddl_target_routine.routine_id) == ("CREATE_FUNCTION", "share")
    assert rows(client, f"SELECT {dataset}.share(1, 4), {dataset}.share(1, 0)") == [(0.25, None)]
    found = client.get_routine(f"{dataset}.share")
    assert [each.data_type.type_kind.name for each in found.arguments] == ["INT64", "INT64"]
    assert found.return_type.type_kind.name == "FLOAT64"
    rows(client, f"CREATE OR REPLACE FUNCTION {dataset}.share(n ANY TYPE) AS ((SELECT n + 1))")
    assert rows(client, f"SELECT {dataset}.share(1)") == [(2,)]
    rows(client, f"CREATE FUNCTION IF NOT EXISTS {dataset}.share(n INT64) AS (0)")
    assert rows(client, f"SELECT {dataset}.share(1)") == [(2,)]
    with pytest.raises(Conflict):
        rows(client, f"CREATE FUNCTION {dataset}.share(n INT64) AS (0)")
    rows(client, f"DROP FUNCTION {dataset}.share")
    rows(client, f"DROP FUNCTION IF EXISTS {dataset}.share")
    with pytest.raises(NotFound):
        rows(client, f"DROP FUNCTION {dataset}.share")


def test_a_view_calls_a_function_and_a_function_reads_a_table(client, dataset):
    rows(client, f"CREATE TABLE {dataset}.items AS SELECT 5 AS n")
    rows(client, f"CREATE FUNCTION {dataset}.most() AS ((SELECT MAX(n) FROM `acme-recsys.{dataset}.items`))")
    rows(client, f"CREATE FUNCTION {dataset}.more(x INT64) AS (x + {dataset}.most())")
    rows(client, f"CREATE VIEW {dataset}.seen AS SELECT {dataset}.more(1) AS n")
    assert rows(client, f"SELECT n FROM {dataset}.seen") == [(6,)]
    with pytest.raises(BadRequest, match="still in use"):
        client.delete_dataset(dataset)


@pytest.mark.parametrize(
    ("body", "says"),
    [("x + nope", "Unrecognized name: nope"), ("x +", "Syntax error"), ("nothing.there(x)", "Not found: Routine")],
)
def test_a_function_that_does_not_run_is_refused(client, dataset, body, says):
    with pytest.raises((BadRequest, NotFound), match=says):
        client.create_routine(routine(dataset, "broken", body))


def test_a_routine_that_is_no_function_in_sql_is_refused_by_name(client, dataset):
    made = bigquery.Routine(
        f"acme-recsys.{dataset}.js", type_="SCALAR_FUNCTION", language="JAVASCRIPT", body="return 1"
    )
    with pytest.raises(Exception, match="'SCALAR_FUNCTION' in JAVASCRIPT"):
        client.create_routine(made)
