"""Queries that try to leave the warehouse: to files, extensions, other processes or other people's tables."""

import uuid

import pytest

PROJECT = "acme-queries"
V2 = f"/bigquery/v2/projects/{PROJECT}"


@pytest.fixture(scope="module")
def run(cloud_server):
    for name in ("data", "more"):
        cloud_server.call("POST", f"{V2}/datasets", {"datasetReference": {"datasetId": name}})

    def run(sql, **options):
        return cloud_server.call("POST", f"{V2}/queries", {"query": sql, "useLegacySql": False, **options})

    assert run("CREATE OR REPLACE TABLE data.t AS SELECT 1 AS x").status_code == 200
    return run


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    """A file outside that holds a word, and a place beside it where nothing may appear."""
    file = tmp_path_factory.mktemp("outside") / "secret.csv"
    file.write_text("hush\n")
    return file


ESCAPES = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_scan('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM `{file}`",
    "SELECT * FROM `data.{file}`",
    "SELECT read_text('{file}')",
    "SELECT (SELECT content FROM read_text('{file}'))",
    "SELECT * FROM UNNEST(read_text('{file}'))",
    "SELECT * FROM data.t WHERE x IN (SELECT * FROM read_csv('{file}'))",
    "SELECT * FROM data.t JOIN read_csv('{file}') ON TRUE",
    "WITH a AS (SELECT * FROM read_csv('{file}')) SELECT * FROM a",
    "COPY data.t TO '{file}.out'",
    "COPY (SELECT 1) TO '{file}.out'",
    "COPY data.t FROM '{file}'",
    "EXPORT DATABASE '{file}.out'",
    "IMPORT DATABASE '{file}.out'",
    "ATTACH '{file}.out' AS outside",
    "DETACH warehouse",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{file}'",
    "PRAGMA database_list",
    "CALL pragma_database_list()",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CHECKPOINT",
    "USE memory",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CREATE MACRO f() AS 1",
    "CREATE SECRET (TYPE s3)",
    "CREATE EXTERNAL TABLE data.e OPTIONS (format = 'CSV', uris = ['{file}'])",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('x')",
    "SELECT nextval('_meta.physical')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM pragma_table_info('t1')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('t1')",
    "SELECT * FROM _meta.resources",
    "SELECT * FROM main.t1",
    "SELECT * FROM sqlite_master",
    "DROP TABLE _meta.resources",
    "SELECT 1; COPY (SELECT 1) TO '{file}.out'",
    "CREATE VIEW data.v AS SELECT * FROM read_csv('{file}')",
    "CREATE TABLE data.u AS SELECT * FROM read_csv('{file}')",
    "CREATE TABLE data.d (x STRING DEFAULT read_text('{file}'))",
    "CREATE TABLE data.d (x STRING DEFAULT (SELECT content FROM read_text('{file}')))",
    "INSERT INTO data.t SELECT * FROM read_csv('{file}')",
    "UPDATE data.t SET x = (SELECT COUNT(*) FROM read_csv('{file}')) WHERE TRUE",
    "MERGE data.t USING read_csv('{file}') AS s ON FALSE WHEN NOT MATCHED THEN INSERT (x) VALUES (1)",
    "DELETE FROM data.t WHERE EXISTS (SELECT * FROM read_csv('{file}'))",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_a_query_does_not_leave_the_warehouse(run, secret, sql):
    answer = run(sql.format(file=secret))
    assert answer.status_code in (400, 404), answer.text
    assert "hush" not in answer.text
    assert [path.name for path in secret.parent.iterdir()] == ["secret.csv"]


def test_a_view_of_the_api_does_not_leave_the_warehouse(cloud_server, run, secret):
    query = f"SELECT * FROM read_csv('{secret}')"
    view = {"tableReference": {"tableId": "v"}, "view": {"query": query, "useLegacySql": False}}
    assert cloud_server.call("POST", f"{V2}/datasets/data/tables", view).status_code == 400
    assert run("SELECT * FROM data.v").status_code == 404


NASTY = [
    "'; DROP TABLE data.t; --",
    '"; DROP TABLE data.t; --',
    "\\'; COPY data.t TO '/tmp/x'; --",
    "$$ read_text('/etc/passwd') $$",
    "{{ x }} %s $1 ? :x @x",
    "\u0000\u0001\u2028'",
]


@pytest.mark.parametrize("text", NASTY, ids=repr)
def test_text_in_rows_and_parameters_stays_text(cloud_server, run, text):
    table = f"data.r{uuid.uuid4().hex[:8]}"
    run(f"CREATE TABLE {table} (word STRING)")
    rows = {"rows": [{"json": {"word": text}}]}
    answer = cloud_server.json("POST", f"{V2}/datasets/data/tables/{table.removeprefix('data.')}/insertAll", rows)
    assert "insertErrors" not in answer
    parameter = {"name": "w", "parameterType": {"type": "STRING"}, "parameterValue": {"value": text}}
    options = {"parameterMode": "NAMED", "queryParameters": [parameter]}
    found = run(f"SELECT word, @w AS given FROM {table} WHERE word = @w", **options).json()
    assert [[cell["v"] for cell in row["f"]] for row in found["rows"]] == [[text, text]]
    assert run("SELECT x FROM data.t").json()["totalRows"] == "1"


@pytest.mark.parametrize("name", ['a"b', 'x" FROM t1 --', "a; DROP TABLE t1", "read_text('/etc/passwd')", "a\\`b"])
def test_a_columns_name_is_no_sql(run, name):
    column = name.replace("\\`", "\\`")
    answer = run(f"SELECT 1 AS `{column}`")
    if answer.status_code == 200:
        assert answer.json()["rows"] == [{"f": [{"v": "1"}]}]
        assert answer.json()["schema"]["fields"][0]["name"] == name.replace("\\`", "`")
    assert run("SELECT x FROM data.t").json()["totalRows"] == "1"


@pytest.mark.parametrize("key", ["datasetId", "projectId"])
def test_a_default_dataset_is_a_name_and_no_sql(run, key):
    default = {"projectId": PROJECT, "datasetId": "data", key: 'data"."t" UNION SELECT 1 --'}
    assert run("SELECT * FROM t", defaultDataset=default).status_code in (400, 403, 404)


@pytest.mark.parametrize(
    "settings",
    [
        {"schema": {"fields": [{"name": 'x" INTEGER, "y', "type": "STRING"}]}},
        {"schema": {"fields": [{"name": "x", "type": "STRING); COPY (SELECT 1) TO '/tmp/x'; --"}]}},
        {"schema": {"fields": [{"name": "x", "type": "DATE"}]}, "timePartitioning": {"type": "DAY", "field": 'x" --'}},
        {"schema": {"fields": [{"name": "x", "type": "DATE"}]}, "clustering": {"fields": ['x"; --']}},
    ],
    ids=str,
)
def test_a_schema_is_no_sql(cloud_server, run, settings):
    table = {"tableReference": {"tableId": f"s{uuid.uuid4().hex[:8]}"}, **settings}
    assert cloud_server.call("POST", f"{V2}/datasets/data/tables", table).status_code == 400
    assert run("SELECT x FROM data.t").json()["totalRows"] == "1"


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "/etc/passwd", "gs://../x", "http://127.0.0.1/x", "gs://a/../../b"]
)
def test_loads_and_extracts_know_only_objects(cloud_server, uri):
    table = {"projectId": PROJECT, "datasetId": "data", "tableId": "t"}
    schema = {"fields": [{"name": "x", "type": "STRING"}]}
    for configuration in (
        {"load": {"sourceUris": [uri], "destinationTable": {**table, "tableId": "l"}, "schema": schema}},
        {"extract": {"sourceTable": table, "destinationUri": uri}},
    ):
        job = cloud_server.json("POST", f"{V2}/jobs", {"configuration": configuration})
        short = job["jobReference"]["jobId"]
        cloud_server.call("GET", f"{V2}/queries/{short}?timeoutMs=20000")
        status = cloud_server.json("GET", f"{V2}/jobs/{short}")["status"]
        assert status["state"] == "DONE"
        assert status["errorResult"]["reason"] in ("invalid", "notFound")
