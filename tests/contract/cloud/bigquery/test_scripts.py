"""Scripts through google-cloud-bigquery: variables, steering, handlers, temporary tables and functions, child jobs."""

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.contract.cloud.bigquery.queries import rows


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2", [(2,)]),
        ("DECLARE x INT64 DEFAULT 5; SET x = x + 1; SELECT x", [(6,)]),
        ("DECLARE a, b INT64; SET (a, b) = (1, 2); SELECT a + b", [(3,)]),
        ("DECLARE x INT64; SELECT x IS NULL", [(True,)]),
        ("DECLARE x FLOAT64 DEFAULT 1; SELECT x / 2", [(0.5,)]),
        ("DECLARE x INT64 DEFAULT 3; IF x > 2 THEN SELECT 'big'; ELSEIF x > 1 THEN SELECT 'so'; END IF", [("big",)]),
        ("IF FALSE THEN SELECT 1; ELSE SELECT 'a;b'; END IF", [("a;b",)]),
        ("DECLARE x INT64 DEFAULT 0; WHILE x < 3 DO SET x = x + 1; END WHILE; SELECT x", [(3,)]),
        ("DECLARE x INT64 DEFAULT 1; LOOP SET x = x * 2; IF x > 9 THEN BREAK; END IF; END LOOP; SELECT x", [(16,)]),
        ("FOR r IN (SELECT 1 AS n UNION ALL SELECT 2 ORDER BY n) DO SELECT r.n * 10; END FOR", [(20,)]),
        ("BEGIN SELECT 1/0; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END", [("division by zero: 1 / 0",)]),
        ("EXECUTE IMMEDIATE 'SELECT 5'", [(5,)]),
        ("DECLARE x INT64; EXECUTE IMMEDIATE 'SELECT 7' INTO x; SELECT x", [(7,)]),
        ("EXECUTE IMMEDIATE 'SELECT @a * @b' USING 3 AS a, 1 + 1 AS b", [(6,)]),
        ("DECLARE y INT64; EXECUTE IMMEDIATE 'SELECT ? - ?' INTO y USING 9, 2; SELECT y", [(7,)]),
        (
            "CREATE TEMP TABLE t (a INT64); BEGIN TRANSACTION; INSERT t VALUES (1); COMMIT TRANSACTION; "
            "BEGIN; INSERT t VALUES (2); SELECT COUNT(*) FROM t; ROLLBACK; SELECT COUNT(*) FROM t",
            [(1,)],
        ),
        (
            "CREATE TEMP TABLE t (a INT64); BEGIN BEGIN TRANSACTION; INSERT t VALUES (1); SELECT 1 / 0; "
            "EXCEPTION WHEN ERROR THEN ROLLBACK TRANSACTION; END; SELECT COUNT(*) FROM t",
            [(0,)],
        ),
        ("CREATE TEMP TABLE t (a INT64); INSERT INTO t VALUES (1), (2); SELECT SUM(a) FROM t", [(3,)]),
        ("CREATE TEMP TABLE t AS SELECT 1 AS a; SELECT a FROM _SESSION.t", [(1,)]),
        ("CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(twice(3))", [(12,)]),
        ("CREATE TEMP FUNCTION shout(x ANY TYPE) AS (CONCAT(x, '!')); SELECT shout('a')", [("a!",)]),
    ],
)
def test_a_script_gives_the_result_of_its_last_query(client, sql, expected):
    assert rows(client, sql) == expected


def test_statements_of_a_script_are_jobs_of_their_own(client):
    job = client.query("CREATE TEMP TABLE t AS SELECT 1 AS a; INSERT INTO t VALUES (2), (3); SELECT COUNT(*) FROM t")
    job.result(timeout=60)
    children = sorted(client.list_jobs(parent_job=job), key=lambda child: child.job_id)
    assert (job.statement_type, job.num_child_jobs) == ("SCRIPT", 3)
    assert [child.statement_type for child in children] == ["CREATE_TABLE_AS_SELECT", "INSERT", "SELECT"]
    assert {child.parent_job_id for child in children} == {job.job_id}
    assert children[1].num_dml_affected_rows == 2
    assert not {child.job_id for child in children} & {each.job_id for each in client.list_jobs(max_results=500)}


def test_functions_before_a_single_query_make_no_script(client):
    job = client.query("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(1) AS two")
    assert [row.two for row in job.result(timeout=60)] == [2]
    assert job.statement_type == "SELECT"


def test_a_temporary_table_is_gone_after_its_script(client):
    rows(client, "CREATE TEMP TABLE gone AS SELECT 1 AS a; SELECT * FROM gone")
    assert not [each.dataset_id for each in client.list_datasets() if each.dataset_id.startswith("_")]
    with pytest.raises(BadRequest, match="must be qualified"):
        rows(client, "SELECT * FROM gone")


def test_parameters_reach_every_statement(client):
    parameters = [bigquery.ScalarQueryParameter("n", "INT64", 4)]
    assert rows(client, "DECLARE x INT64 DEFAULT @n; SELECT x * @n", query_parameters=parameters) == [(16,)]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SET nope = 1", "Undeclared variable: nope"),
        ("DECLARE x INT64; DECLARE x INT64", "redeclaration"),
        ("IF TRUE THEN SELECT 1;", "Unexpected end of script"),
        ("RAISE USING MESSAGE = 'boom'", "boom"),
        ("SELECT 1; SELECT nope", "Unrecognized name: nope"),
        ("BREAK", "only allowed inside of a loop"),
        ("COMMIT TRANSACTION; SELECT 1", "Cannot commit: no transaction is open"),
        ("BEGIN TRANSACTION; BEGIN TRANSACTION", "Transactions cannot be nested"),
        ("EXECUTE 'SELECT 1'; SELECT 1", "must be followed by IMMEDIATE"),
        ("CREATE TEMP FUNCTION f() RETURNS INT64 LANGUAGE js AS 'return 1'; SELECT f()", "another language"),
        ("CREATE TEMP FUNCTION f(x INT64) AS (x); SELECT f(1, 2)", "Number of arguments does not match for function f"),
    ],
)
def test_a_script_that_fails_says_why(client, sql, says):
    with pytest.raises(BadRequest, match=says):
        rows(client, sql)


def test_a_transaction_that_a_failure_ends_leaves_nothing(client):
    client.create_dataset("undone", exists_ok=True)
    rows(client, "CREATE OR REPLACE TABLE undone.t (a INT64)")
    with pytest.raises(BadRequest, match="division by zero"):
        rows(client, "BEGIN TRANSACTION; INSERT undone.t VALUES (1); SELECT 1 / 0; COMMIT TRANSACTION")
    rows(client, "BEGIN TRANSACTION; INSERT undone.t VALUES (2); SELECT COUNT(*) FROM undone.t")
    assert rows(client, "SELECT a FROM undone.t") == []
