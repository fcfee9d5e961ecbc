"""Statements as the field writes them, over plain REST: rows are compared as `f` and `v` hold them."""

import uuid

import pytest

PROJECT = "/bigquery/v2/projects/acme-recsys"


@pytest.fixture(scope="module")
def dataset(cloud_server):
    name = f"st_{uuid.uuid4().hex[:10]}"
    cloud_server.json("POST", f"{PROJECT}/datasets", {"datasetReference": {"datasetId": name}})
    return name


@pytest.fixture(scope="module")
def query(cloud_server, dataset):
    def run(sql, status=200, **options):
        default = {"projectId": "acme-recsys", "datasetId": dataset}
        body = {"query": sql, "useLegacySql": False, "defaultDataset": default, "timeoutMs": 60000, **options}
        return cloud_server.json("POST", f"{PROJECT}/queries", body, status=status)

    return run


def rows(answer):
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


def types(answer):
    return [(field["name"], field["type"]) for field in answer["schema"]["fields"]]


SESSIONS = """
WITH events AS (
  SELECT 'u' AS user_id, TIMESTAMP '2026-01-01 00:00:00' AS at UNION ALL
  SELECT 'u', TIMESTAMP '2026-01-01 00:10:00' UNION ALL SELECT 'u', TIMESTAMP '2026-01-01 02:00:00'),
marked AS (
  SELECT *, IFNULL(TIMESTAMP_DIFF(at, LAG(at) OVER (PARTITION BY user_id ORDER BY at), MINUTE) > 30, TRUE) AS fresh
  FROM events)
SELECT COUNTIF(fresh) OVER (PARTITION BY user_id ORDER BY at) AS session FROM marked ORDER BY at
"""
LEAVE_ONE_OUT = """
SELECT item, IF(ROW_NUMBER() OVER (PARTITION BY u ORDER BY t DESC) = 1, 'test', 'train') AS part
FROM UNNEST([STRUCT('a' AS u, 'x' AS item, 1 AS t), ('a', 'y', 2), ('b', 'z', 1)]) ORDER BY item
"""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (SESSIONS, [["1"], ["1"], ["2"]]),
        (LEAVE_ONE_OUT, [["x", "train"], ["y", "test"], ["z", "test"]]),
        (
            "SELECT u FROM UNNEST([STRUCT('a' AS u, 1 AS t), ('a', 2)]) WHERE TRUE "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY u ORDER BY t DESC) = 1",
            [["a"]],
        ),
        (
            "SELECT IF(MOD(ABS(FARM_FINGERPRINT(CAST(id AS STRING))), 10) < 8, 'train', 'test') AS s, COUNT(*) "
            "FROM UNNEST(GENERATE_ARRAY(1, 100)) AS id GROUP BY s ORDER BY s",
            [["test", "22"], ["train", "78"]],
        ),
        (
            "SELECT * FROM (SELECT 'a' AS k, 1 AS v UNION ALL SELECT 'b', 2) PIVOT(SUM(v) FOR k IN ('a', 'b'))",
            [["1", "2"]],
        ),
        ("SELECT k, v FROM (SELECT 1 AS a, 2 AS b) UNPIVOT(v FOR k IN (a, b)) ORDER BY k", [["a", "1"], ["b", "2"]]),
        ("SELECT TO_JSON_STRING(t) FROM (SELECT 1 AS a, 'x' AS b) AS t", [['{"a":1,"b":"x"}']]),
        ("SELECT AS STRUCT 1 AS a, 'b' AS b", [["1", "b"]]),
        ("SELECT AS VALUE STRUCT(1 AS a, 'b' AS b)", [["1", "b"]]),
        ("SELECT x FROM UNNEST([1, NULL, 2]) AS x ORDER BY x", [[None], ["1"], ["2"]]),
        ("SELECT 1 AS x UNION DISTINCT SELECT 1", [["1"]]),
        ("SELECT COUNT(*) FROM (SELECT 1 AS a EXCEPT DISTINCT SELECT 1)", [["0"]]),
        ("SELECT IEEE_DIVIDE(1, 0), IEEE_DIVIDE(-1, 0), IEEE_DIVIDE(0, 0)", [["Infinity", "-Infinity", "NaN"]]),
        ("SELECT * EXCEPT (b) REPLACE (a + 1 AS a) FROM (SELECT 1 AS a, 2 AS b)", [["2"]]),
    ],
)
def test_a_query_of_the_field_is_answered(query, sql, expected):
    assert rows(query(sql)) == expected


def test_results_are_typed(query):
    sql = """SELECT 1 AS i, 1.0 AS f, NUMERIC '1.10' AS n, TRUE AS b, 'x' AS s, b'x' AS y, DATE '2026-01-02' AS d,
      DATETIME '2026-01-02 03:04:05' AS dt, TIMESTAMP '2026-01-02 03:04:05+00' AS ts, TIME '03:04:05' AS t,
      JSON '{"a":1}' AS j, [1] AS a, STRUCT(1 AS x) AS r"""
    answer = query(sql)
    kinds = ("INTEGER", "FLOAT", "NUMERIC", "BOOLEAN", "STRING", "BYTES", "DATE", "DATETIME", "TIMESTAMP", "TIME")
    kinds += ("JSON", "INTEGER", "RECORD")
    assert tuple(kind for _, kind in types(answer)) == kinds
    assert answer["schema"]["fields"][11]["mode"] == "REPEATED"
    [row] = rows(answer)
    assert row[:9] == [
        *("1", "1.0", "1.1", "true", "x", "eA==", "2026-01-02", "2026-01-02T03:04:05", "1.767323045E9"),
    ]
    assert row[9:] == ["03:04:05", '{"a":1}', [{"v": "1"}], {"f": [{"v": "1"}]}]


def test_a_merge_inserts_updates_and_deletes(query):
    query("CREATE TABLE merged (id INT64, n INT64)")
    query("INSERT merged VALUES (1, 1), (2, 2), (3, 3)")
    sql = """MERGE merged T USING (SELECT 1 AS id, 10 AS n UNION ALL SELECT 4, 40) S ON T.id = S.id
      WHEN MATCHED THEN UPDATE SET n = S.n WHEN NOT MATCHED THEN INSERT ROW
      WHEN NOT MATCHED BY SOURCE AND T.id = 3 THEN DELETE"""
    answer = query(sql)
    assert answer["numDmlAffectedRows"] == "3"
    assert answer["dmlStats"] == {"insertedRowCount": "1", "updatedRowCount": "1", "deletedRowCount": "1"}
    assert rows(query("SELECT * FROM merged ORDER BY id")) == [["1", "10"], ["2", "2"], ["4", "40"]]
    twice = "MERGE merged T USING (SELECT 1 AS id UNION ALL SELECT 1) S USING (id) WHEN MATCHED THEN DELETE"
    assert query(twice.replace("USING (id)", "ON T.id = S.id"), status=400)["error"]["errors"][0]["reason"]
    for sql in ("DELETE FROM merged", "UPDATE merged SET n = 1"):
        assert "must have a WHERE clause" in query(sql, status=400)["error"]["message"]


def test_tables_are_read_by_wildcard(query, dataset):
    for day in ("20260101", "20260102"):
        query(f"CREATE TABLE events_{day} AS SELECT '{day}' AS day, 1 AS n")
    assert rows(query("SELECT * FROM `events_*` ORDER BY day")) == [["20260101", "1"], ["20260102", "1"]]
    suffixed = f"FROM `acme-recsys.{dataset}.events_2026*`"
    assert rows(query(f"SELECT _TABLE_SUFFIX {suffixed} WHERE _TABLE_SUFFIX > '0101'")) == [["0102"]]
    assert rows(query(f"SELECT *, _TABLE_SUFFIX AS s {suffixed} ORDER BY s"))[0] == ["20260101", "1", "0101"]
    assert "does not match any table" in query("SELECT * FROM `nothing_*`", status=404)["error"]["message"]


def test_the_information_schema_tells_of_tables_columns_partitions_and_jobs(query, dataset):
    query("CREATE TABLE told (id INT64 NOT NULL, tags ARRAY<STRING>, at DATE) PARTITION BY at CLUSTER BY id")
    query("INSERT told VALUES (1, ['a'], DATE '2026-01-02'), (2, [], DATE '2026-01-03'), (3, [], DATE '2026-01-03')")
    where = "WHERE table_name = 'told'"
    view = f"{dataset}.INFORMATION_SCHEMA"
    assert rows(query(f"SELECT table_name, table_type FROM {view}.TABLES {where}")) == [["told", "BASE TABLE"]]
    columns = "column_name, data_type, is_nullable, is_partitioning_column, clustering_ordinal_position"
    found = rows(query(f"SELECT {columns} FROM {view}.COLUMNS {where} ORDER BY ordinal_position"))
    assert found == [
        ["id", "INT64", "NO", "NO", "1"],
        ["tags", "ARRAY<STRING>", "NO", "NO", None],
        ["at", "DATE", "YES", "YES", None],
    ]
    found = rows(query(f"SELECT partition_id, total_rows FROM {view}.PARTITIONS {where} ORDER BY 1"))
    assert found == [["20260102", "1"], ["20260103", "2"]]
    assert [dataset] in rows(query("SELECT schema_name FROM INFORMATION_SCHEMA.SCHEMATA"))
    jobs = query("SELECT statement_type, state FROM `region-us`.INFORMATION_SCHEMA.JOBS_BY_PROJECT")
    assert ["INSERT", "DONE"] in rows(jobs)
    assert types(query(f"SELECT creation_time FROM {view}.TABLES {where}")) == [("creation_time", "TIMESTAMP")]
    assert query(f"SELECT * FROM {view}.NOPE", status=404)["error"]["errors"][0]["reason"] == "notFound"


def test_rows_of_a_table_without_a_column_for_it_have_a_time_of_ingestion(query, cloud_server, dataset):
    query("CREATE TABLE taken (x INT64) PARTITION BY _PARTITIONDATE OPTIONS (require_partition_filter = TRUE)")
    query("INSERT taken VALUES (1)")
    cloud_server.json(
        "POST", f"{PROJECT}/datasets/{dataset}/tables/taken$20260102/insertAll", {"rows": [{"json": {"x": 2}}]}
    )
    assert "without a filter over column" in query("SELECT * FROM taken", status=400)["error"]["message"]
    assert rows(query("SELECT * FROM taken WHERE _PARTITIONDATE = '2026-01-02'")) == [["2"]]
    assert rows(query("SELECT x FROM taken WHERE _PARTITIONTIME > '2026-01-02'")) == [["1"]]
    assert query("DELETE FROM taken WHERE _PARTITIONDATE = '2026-01-02'")["numDmlAffectedRows"] == "1"
    assert rows(query("SELECT COUNT(*) FROM taken WHERE _PARTITIONTIME IS NOT NULL")) == [["1"]]


def load(cloud, dataset, table, sql_or_rows, disposition, status=None):
    config = {"query": sql_or_rows, "useLegacySql": False, "writeDisposition": disposition}
    config["destinationTable"] = {"projectId": "acme-recsys", "datasetId": dataset, "tableId": table}
    job = cloud.json("POST", f"{PROJECT}/jobs", {"configuration": {"query": config}})
    return cloud.json("GET", f"{PROJECT}/queries/{job['jobReference']['jobId']}?timeoutMs=60000", status=status or 200)


def test_a_decorator_names_one_partition(query, cloud_server, dataset):
    query("CREATE TABLE parted (x INT64, at DATE) PARTITION BY at")
    query("INSERT parted VALUES (1, DATE '2026-01-02'), (2, DATE '2026-01-03')")
    load(cloud_server, dataset, "parted$20260102", "SELECT 7 AS x, DATE '2026-01-02' AS at", "WRITE_TRUNCATE")
    assert rows(query("SELECT x FROM parted ORDER BY x")) == [["2"], ["7"]]
    other = "SELECT 8 AS x, DATE '2026-01-09' AS at"
    error = load(cloud_server, dataset, "parted$20260102", other, "WRITE_APPEND", status=400)["error"]
    assert "Some rows belong to different partitions" in error["message"]
    error = load(cloud_server, dataset, "parted$2026-01", other, "WRITE_APPEND", status=400)["error"]
    assert "'2026-01'" in error["message"]
    assert cloud_server.call("DELETE", f"{PROJECT}/datasets/{dataset}/tables/parted$20260102").status_code == 204
    assert rows(query("SELECT x FROM parted")) == [["2"]]


def test_data_is_exported_by_a_statement(query, cloud_server):
    bucket = f"st-{uuid.uuid4().hex[:12]}"
    cloud_server.json("POST", "/storage/v1/b?project=acme-recsys", {"name": bucket})
    options = f"uri='gs://{bucket}/x-*.csv', format='CSV', header=true, field_delimiter=';'"
    query(f"EXPORT DATA OPTIONS({options}) AS SELECT 1 AS a, 'x' AS b")
    assert cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/x-000000000000.csv?alt=media").text == "a;b\n1;x\n"
    again = query(f"EXPORT DATA OPTIONS({options}) AS SELECT 2 AS a", status=400)
    assert "is not empty" in again["error"]["message"]
    query(f"EXPORT DATA OPTIONS({options}, overwrite=true) AS SELECT 2 AS a")
    assert cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/x-000000000000.csv?alt=media").text == "a\n2\n"
    named = query(f"EXPORT DATA OPTIONS(uri='gs://{bucket}/x.csv', format='CSV') AS SELECT 1 AS a", status=400)
    assert "'gs://" in named["error"]["message"]


def test_tables_are_made_like_others_changed_and_shown_as_views(query, cloud_server, dataset):
    def table(name):
        return cloud_server.json("GET", f"{PROJECT}/datasets/{dataset}/tables/{name}")

    query("CREATE TABLE base (id INT64 NOT NULL) OPTIONS (description='x', labels=[('a', 'b')])")
    query("INSERT base VALUES (1)")
    query("CREATE TABLE cloned CLONE base")
    query("CREATE TABLE empty LIKE base")
    assert (table("cloned")["numRows"], table("empty")["numRows"]) == ("1", "0")
    query("ALTER TABLE base SET OPTIONS (description='y', expiration_timestamp=TIMESTAMP '2040-01-01 00:00:00+00')")
    assert (table("base")["description"], table("base")["expirationTime"]) == ("y", "2208988800000")
    query("ALTER TABLE base SET OPTIONS (expiration_timestamp=NULL)")
    query("ALTER TABLE base ALTER COLUMN id DROP NOT NULL")
    assert "expirationTime" not in table("base")
    assert query("INSERT base VALUES (NULL)")["numDmlAffectedRows"] == "1"
    query(f"CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM {dataset}.base")
    assert (table("counted")["type"], rows(query("SELECT * FROM counted"))) == ("MATERIALIZED_VIEW", [["2"]])
    query("CREATE TABLE ranged (id INT64) PARTITION BY RANGE_BUCKET(id, GENERATE_ARRAY(0, 100, 10))")
    assert table("ranged")["rangePartitioning"]["range"] == {"start": "0", "end": "100", "interval": "10"}


def test_a_snapshot_is_read_and_not_written(query, cloud_server, dataset):
    query("CREATE TABLE past AS SELECT 1 AS x")
    names = [{"projectId": "acme-recsys", "datasetId": dataset, "tableId": name} for name in ("past", "then")]
    copy = {"sourceTable": names[0], "destinationTable": names[1], "operationType": "SNAPSHOT"}
    job = cloud_server.json("POST", f"{PROJECT}/jobs", {"configuration": {"copy": copy}})["jobReference"]["jobId"]
    while cloud_server.json("GET", f"{PROJECT}/jobs/{job}")["status"]["state"] != "DONE":
        pass
    assert cloud_server.json("GET", f"{PROJECT}/datasets/{dataset}/tables/then")["type"] == "SNAPSHOT"
    assert rows(query("SELECT * FROM `then`")) == [["1"]]
    assert "is a snapshot" in query("DELETE FROM `then` WHERE TRUE", status=400)["error"]["message"]


def test_rows_go_into_a_table_that_is_made_like_its_template(query, cloud_server, dataset):
    query("CREATE TABLE daily (x INT64)")
    body = {"rows": [{"json": {"x": 3}}], "templateSuffix": "_20260102"}
    cloud_server.json("POST", f"{PROJECT}/datasets/{dataset}/tables/daily/insertAll", body)
    assert rows(query("SELECT x FROM daily_20260102")) == [["3"]]


def test_a_table_and_its_columns_are_renamed(query, dataset):
    query("CREATE TABLE first_name (a INT64, at DATE) PARTITION BY at")
    query("INSERT first_name VALUES (1, DATE '2026-01-02')")
    query("ALTER TABLE first_name RENAME COLUMN a TO b")
    query("ALTER TABLE first_name RENAME TO second_name")
    assert rows(query("SELECT b FROM second_name")) == [["1"]]
    assert query("SELECT 1 FROM first_name", status=404)["error"]["errors"][0]["reason"] == "notFound"
    refused = query("ALTER TABLE second_name RENAME COLUMN at TO day", status=400)["error"]["message"]
    assert "Column at partitions or clusters" in refused
    assert "Already Exists" in query("ALTER TABLE second_name RENAME TO second_name", status=409)["error"]["message"]


def test_a_repeated_query_has_the_result_of_the_first_until_something_changes(query):
    query("CREATE TABLE counted_twice AS SELECT 1 AS x")
    sql = "SELECT COUNT(*) FROM counted_twice"
    first, second = query(sql), query(sql)
    assert (first["cacheHit"], second["cacheHit"]) == (False, True)
    assert (rows(second), second["totalBytesProcessed"]) == ([["1"]], "0")
    assert query(sql, useQueryCache=False)["cacheHit"] is False
    query("INSERT counted_twice VALUES (2)")
    third = query(sql)
    assert (third["cacheHit"], rows(third)) == (False, [["2"]])
    assert [query("SELECT CURRENT_TIMESTAMP() AS at")["cacheHit"] for _ in range(2)] == [False, False]
