"""google-cloud-bigquery against the local cloud; LOCAL_CLOUD_CONTRACT=google runs the same against Google Cloud."""

import io
import json
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import bigquery

FIELDS = [
    bigquery.SchemaField("user_id", "STRING", mode="REQUIRED"),
    bigquery.SchemaField("n", "INTEGER"),
    bigquery.SchemaField("score", "FLOAT"),
    bigquery.SchemaField("at", "TIMESTAMP"),
    bigquery.SchemaField("items", "STRING", mode="REPEATED"),
]
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ROWS = [
    {"user_id": "u1", "n": 1, "score": 0.5, "at": AT, "items": ["a", "b"]},
    {"user_id": "u2", "n": None, "score": None, "at": None, "items": []},
]


@pytest.fixture
def dataset(client):
    dataset = bigquery.Dataset(f"{client.project}.ct_{uuid.uuid4().hex[:10]}")
    dataset.location = "EU"
    yield client.create_dataset(dataset)
    client.delete_dataset(dataset, delete_contents=True, not_found_ok=True)


@pytest.fixture
def bucket(cloud_server):
    name = f"ct-{uuid.uuid4().hex[:12]}"
    cloud_server.json("POST", "/storage/v1/b?project=acme-recsys", {"name": name})
    return name


def make_table(client, dataset, name="t", fields=FIELDS, **settings):
    table = bigquery.Table(f"{dataset.project}.{dataset.dataset_id}.{name}", schema=fields)
    for key, value in settings.items():
        setattr(table, key, value)
    return client.create_table(table)


def upload(cloud, bucket, name, data):
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name.replace('/', '%2F')}"
    assert cloud.call("POST", path, data=data).status_code == 200
    return f"gs://{bucket}/{name}"


def parquet(rows, schema=None):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


def values(rows):
    return [dict(row.items()) for row in rows]


# Datasets and tables


def test_a_dataset_lives_changes_and_is_deleted(client, dataset):
    found = client.get_dataset(dataset.reference)
    assert found.location == "EU"
    assert {entry.entity_id for entry in found.access_entries} >= {"projectOwners", "projectReaders", "projectWriters"}
    found.description = "logs"
    found.labels = {"env": "dev"}
    found.default_table_expiration_ms = 3_600_000
    client.update_dataset(found, ["description", "labels", "default_table_expiration_ms"])
    again = client.get_dataset(dataset.reference)
    assert (again.description, again.labels, again.default_table_expiration_ms) == ("logs", {"env": "dev"}, 3_600_000)
    assert dataset.dataset_id in [each.dataset_id for each in client.list_datasets(filter="labels.env:dev")]
    with pytest.raises(Conflict, match="Already Exists"):
        client.create_dataset(dataset)
    client.delete_dataset(dataset)
    with pytest.raises(NotFound):
        client.get_dataset(dataset.reference)


def test_a_stale_etag_does_not_change_a_dataset(client, dataset):
    first = client.get_dataset(dataset.reference)
    second = client.get_dataset(dataset.reference)
    first.description = "one"
    client.update_dataset(first, ["description"])
    second.description = "two"
    with pytest.raises(PreconditionFailed):
        client.update_dataset(second, ["description"])


def test_access_entries_change_and_are_never_absent(client, dataset):
    entries = [*client.get_dataset(dataset.reference).access_entries]
    entries.append(bigquery.AccessEntry("READER", "userByEmail", "a@example.com"))
    dataset.access_entries = entries
    dataset = client.update_dataset(client.get_dataset(dataset.reference), []) and dataset
    found = client.get_dataset(dataset.reference)
    found.access_entries = entries
    changed = client.update_dataset(found, ["access_entries"])
    assert "a@example.com" in {entry.entity_id for entry in changed.access_entries}


def test_a_dataset_that_holds_tables_is_not_deleted_without_its_contents(client, dataset):
    make_table(client, dataset)
    with pytest.raises(BadRequest, match="is still in use"):
        client.delete_dataset(dataset)


def test_a_table_keeps_all_that_it_was_made_with(client, dataset):
    partitioning = bigquery.TimePartitioning(type_="DAY", field="at", expiration_ms=63_072_000_000)
    settings = {
        "time_partitioning": partitioning,
        "clustering_fields": ["user_id"],
        "labels": {"a": "b"},
        "description": "d",
    }
    made = make_table(client, dataset, **settings)
    found = client.get_table(made.reference)
    assert found.schema == made.schema
    assert [field.name for field in found.schema] == [field.name for field in FIELDS]
    assert (found.time_partitioning.field, found.time_partitioning.expiration_ms) == ("at", 63_072_000_000)
    assert (found.clustering_fields, found.labels, found.description) == (["user_id"], {"a": "b"}, "d")
    assert (found.num_rows, found.num_bytes, found.table_type, found.location) == (0, 0, "TABLE", "EU")
    assert [each.table_id for each in client.list_tables(dataset)] == ["t"]


def test_columns_are_added_but_not_changed_or_dropped_by_an_update(client, dataset):
    table = make_table(client, dataset)
    client.insert_rows(table, [{"user_id": "u", "n": 1}])
    table.schema = [*table.schema, bigquery.SchemaField("extra", "STRING")]
    table = client.update_table(table, ["schema"])
    assert values(client.list_rows(table))[0]["extra"] is None
    table.schema = [field for field in table.schema if field.name != "n"]
    with pytest.raises(BadRequest, match="Field n is missing in new schema"):
        client.update_table(table, ["schema"])
    table = client.get_table(table)
    table.schema = [
        bigquery.SchemaField(f.name, "STRING" if f.name == "n" else f.field_type, f.mode) for f in table.schema
    ]
    with pytest.raises(BadRequest, match="Field n has changed type from INTEGER to STRING"):
        client.update_table(table, ["schema"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schema": {"fields": [{"name": "a", "type": "NOPE"}]}}, "schema.fields[0].type"),
        ({"schema": {"fields": [{"name": "9a", "type": "STRING"}]}}, "schema.fields[0].name"),
        ({"timePartitioning": {"type": "WEEK"}}, "timePartitioning.type"),
        (
            {"timePartitioning": {"type": "DAY", "field": "no"}, "schema": {"fields": [{"name": "a", "type": "DATE"}]}},
            "timePartitioning.field",
        ),
        (
            {"clustering": {"fields": list("abcde")}},
            "clustering.fields",
        ),
        ({"requirePartitionFilter": True}, "requirePartitionFilter"),
    ],
)
def test_a_bad_table_is_refused_by_its_field(cloud_server, dataset, body, field):
    path = f"/bigquery/v2/projects/acme-recsys/datasets/{dataset.dataset_id}/tables"
    reference = {"tableReference": {"tableId": "bad"}}
    error = cloud_server.json("POST", path, {**reference, **body}, status=400)["error"]
    assert field in [each["field"] for each in error["details"][0]["fieldViolations"]]


def test_a_view_has_the_schema_of_its_query(client, dataset):
    make_table(client, dataset)
    view = bigquery.Table(f"{dataset.project}.{dataset.dataset_id}.v")
    view.view_query = f"SELECT user_id, COUNT(*) AS n FROM `{dataset.project}.{dataset.dataset_id}.t` GROUP BY 1"
    made = client.create_table(view)
    assert made.table_type == "VIEW"
    assert [(field.name, field.field_type) for field in made.schema] == [("user_id", "STRING"), ("n", "INTEGER")]
    client.insert_rows(client.get_table(f"{dataset.dataset_id}.t"), [{"user_id": "u"}, {"user_id": "u"}])
    assert values(client.query_and_wait(f"SELECT * FROM {dataset.dataset_id}.v")) == [{"user_id": "u", "n": 2}]
    broken = bigquery.Table(f"{dataset.project}.{dataset.dataset_id}.broken")
    broken.view_query = "SELECT nope FROM nowhere.t"
    with pytest.raises(NotFound):
        client.create_table(broken)


# Rows


def test_inserted_rows_are_read_back_with_their_types(client, dataset):
    table = make_table(client, dataset)
    assert client.insert_rows(table, ROWS) == []
    assert values(client.list_rows(table)) == ROWS
    assert client.get_table(table).num_rows == 2
    arrow = client.list_rows(table).to_arrow(create_bqstorage_client=False)
    assert arrow.column("at").type == pa.timestamp("us", "UTC")
    assert arrow.column("items").to_pylist() == [["a", "b"], []]


def test_rows_are_read_in_pages(client, dataset):
    table = make_table(client, dataset)
    client.insert_rows(table, [{"user_id": str(number)} for number in range(10)])
    rows = client.list_rows(table, page_size=3)
    assert [len(list(page)) for page in rows.pages] == [3, 3, 3, 1]
    assert [row.user_id for row in client.list_rows(table, start_index=8)] == ["8", "9"]
    assert [row.user_id for row in client.list_rows(table, max_results=2)] == ["0", "1"]
    selected = client.list_rows(table, selected_fields=[bigquery.SchemaField("n", "INTEGER")], max_results=1)
    assert values(selected) == [{"n": None}]


def test_a_bad_row_stops_all_and_says_why(client, dataset):
    table = make_table(client, dataset)
    errors = client.insert_rows_json(
        table, [{"user_id": "u"}, {"user_id": "u", "nope": 1}, {"n": 1}, {"user_id": "u", "n": "x"}]
    )
    messages = {error["index"]: error["errors"][0] for error in errors}
    assert messages[0]["reason"] == "stopped"
    assert "no such field: nope" in messages[1]["message"]
    assert "Missing required field: user_id" in messages[2]["message"]
    assert "Could not convert value 'x'" in messages[3]["message"]
    assert client.get_table(table).num_rows == 0
    skipped = client.insert_rows_json(table, [{"user_id": "u"}, {"n": 1}], skip_invalid_rows=True)
    assert [error["index"] for error in skipped] == [1]
    assert client.get_table(table).num_rows == 1


def test_a_row_with_an_id_is_inserted_once(client, dataset):
    table = make_table(client, dataset)
    for _ in range(2):
        assert client.insert_rows_json(table, [{"user_id": "u"}], row_ids=["same"]) == []
    assert client.get_table(table).num_rows == 1


# Queries


def test_a_query_gives_typed_rows_in_order_and_pages(client, dataset):
    make_table(client, dataset)
    client.insert_rows(client.get_table(f"{dataset.dataset_id}.t"), ROWS)
    sql = f"SELECT * FROM `{client.project}.{dataset.dataset_id}.t` ORDER BY user_id"
    assert values(client.query(sql).result()) == ROWS
    many = client.query("SELECT x FROM UNNEST(GENERATE_ARRAY(1, 25)) AS x ORDER BY x")
    assert [row.x for row in many.result(page_size=10)] == list(range(1, 26))
    assert client.query_and_wait(sql).to_arrow(create_bqstorage_client=False).num_rows == 2


def test_every_type_comes_back_as_pythons(client):
    sql = """
    SELECT 1 AS i, 1.5 AS f, TRUE AS b, 'é' AS s, b'\\x00\\xff' AS y, NUMERIC '1.25' AS n, DATE '2026-01-02' AS d,
      DATETIME '2026-01-02 03:04:05.678901' AS dt, TIME '03:04:05' AS t,
      TIMESTAMP '2026-01-02 03:04:05.678901+00' AS ts,
      [1, 2] AS a, STRUCT(1 AS x, 'y' AS y) AS st, [STRUCT(1 AS x)] AS ast, CAST(NULL AS STRING) AS nul,
      JSON '{"a": [1]}' AS j
    """
    [row] = values(client.query_and_wait(sql))
    assert row == {
        "i": 1,
        "f": 1.5,
        "b": True,
        "s": "é",
        "y": b"\x00\xff",
        "n": Decimal("1.25"),
        "d": date(2026, 1, 2),
        "dt": datetime(2026, 1, 2, 3, 4, 5, 678901),
        "t": time(3, 4, 5),
        "ts": AT,
        "a": [1, 2],
        "st": {"x": 1, "y": "y"},
        "ast": [{"x": 1}],
        "nul": None,
        "j": {"a": [1]},
    }


def test_columns_without_a_name_are_numbered(client):
    [row] = client.query_and_wait("SELECT 1, 'a' AS a, 2")
    assert list(row.keys()) == ["f0_", "a", "f1_"]


def test_parameters_are_typed_values_never_text(client):
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("name", "STRING", "'; DROP TABLE x; --"),
            bigquery.ScalarQueryParameter("at", "TIMESTAMP", AT),
            bigquery.ScalarQueryParameter("none", "INT64", None),
            bigquery.ArrayQueryParameter("ids", "INT64", [1, 2]),
            bigquery.StructQueryParameter("st", bigquery.ScalarQueryParameter("x", "FLOAT64", 0.5)),
        ]
    )
    sql = "SELECT @name AS name, @at AS at, @none AS none, @ids AS ids, @st.x AS x, 2 IN UNNEST(@ids) AS isin"
    [row] = values(client.query_and_wait(sql, job_config=config))
    assert row == {"name": "'; DROP TABLE x; --", "at": AT, "none": None, "ids": [1, 2], "x": 0.5, "isin": True}
    positional = [bigquery.ScalarQueryParameter(None, "INT64", 5), bigquery.ScalarQueryParameter(None, "STRING", "b")]
    [row] = client.query_and_wait(
        "SELECT ? AS a, ? AS b", job_config=bigquery.QueryJobConfig(query_parameters=positional)
    )
    assert (row.a, row.b) == (5, "b")
    with pytest.raises(BadRequest, match="Query parameter 'missing' not found"):
        client.query_and_wait("SELECT @missing")


@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        ("SELEC 1", BadRequest, "Syntax error"),
        ("SELECT nope", BadRequest, "Unrecognized name: nope"),
        ("SELECT * FROM nowhere.t", NotFound, "Not found: Dataset acme-recsys:nowhere"),
        ("SELECT * FROM t", BadRequest, "must be qualified with a dataset"),
        ("SELECT FOO(1)", BadRequest, "Function not found: FOO"),
        ("SELECT 1 AS a, 2 AS a", BadRequest, "Duplicate column names"),
        ("SELECT 1/0", BadRequest, "division by zero"),
        ("SELECT CAST('x' AS INT64)", BadRequest, "Bad int64 value: x"),
        ("SELECT * FROM read_csv('/etc/passwd')", BadRequest, "does not support this"),
        ("SELECT * FROM `/etc/passwd`", BadRequest, "must be qualified"),
    ],
)
def test_a_query_that_fails_says_why(client, sql, error, says):
    with pytest.raises(error, match=says):
        client.query(sql, job_retry=None).result()
    with pytest.raises(error, match=says):
        client.query_and_wait(sql, job_retry=None)


def test_a_partition_filter_is_demanded(client, dataset):
    partitioning = bigquery.TimePartitioning(type_="DAY", field="at")
    make_table(client, dataset, time_partitioning=partitioning, require_partition_filter=True)
    table = f"`{client.project}.{dataset.dataset_id}.t`"
    with pytest.raises(BadRequest, match=r"without a filter over column.*'at'"):
        client.query_and_wait(f"SELECT * FROM {table}")
    assert values(client.query_and_wait(f"SELECT * FROM {table} WHERE at > '2020-01-01'")) == []


def test_a_dry_run_tells_schema_and_bytes_and_runs_nothing(client, dataset):
    make_table(client, dataset)
    client.insert_rows(client.get_table(f"{dataset.dataset_id}.t"), ROWS)
    config = bigquery.QueryJobConfig(dry_run=True)
    job = client.query(f"SELECT user_id, n FROM {dataset.dataset_id}.t", job_config=config)
    assert job.total_bytes_processed > 0
    assert [field.name for field in job.schema] == ["user_id", "n"]
    with pytest.raises(NotFound):
        client.query(f"SELECT nope FROM {dataset.dataset_id}.nope", job_config=config)


def test_a_query_writes_its_destination_as_it_is_told(client, dataset):
    ref = dataset.table("out")

    def run(sql, disposition):
        config = bigquery.QueryJobConfig(destination=ref, write_disposition=disposition)
        client.query(sql, job_config=config).result()
        return [row.x for row in client.list_rows(client.get_table(ref))]

    assert run("SELECT 1 AS x", "WRITE_EMPTY") == [1]
    assert run("SELECT 2 AS x", "WRITE_APPEND") == [1, 2]
    assert run("SELECT 3 AS x", "WRITE_TRUNCATE") == [3]
    with pytest.raises(Conflict, match="Already Exists"):
        run("SELECT 4 AS x", "WRITE_EMPTY")
    with pytest.raises(BadRequest, match="Cannot add fields"):
        run("SELECT 4 AS x, 5 AS y", "WRITE_APPEND")
    config = bigquery.QueryJobConfig(destination=dataset.table("never"), create_disposition="CREATE_NEVER")
    with pytest.raises(NotFound):
        client.query("SELECT 1 AS x", job_config=config).result()


def test_rows_change_by_dml(client, dataset):
    name = f"`{client.project}.{dataset.dataset_id}.t`"
    make_table(client, dataset)

    def run(sql):
        job = client.query(sql)
        job.result()
        return job.num_dml_affected_rows

    assert run(f"INSERT INTO {name} (user_id, n) VALUES ('a', 1), ('b', 2)") == 2
    assert run(f"UPDATE {name} SET n = n + 10 WHERE user_id = 'a'") == 1
    assert run(f"DELETE FROM {name} WHERE n = 2") == 1
    merge = f"""
    MERGE {name} T USING (SELECT 'a' AS user_id, 5 AS n UNION ALL SELECT 'c', 6) S ON T.user_id = S.user_id
    WHEN MATCHED THEN UPDATE SET n = S.n WHEN NOT MATCHED THEN INSERT (user_id, n) VALUES (S.user_id, S.n)
    """
    assert run(merge) == 2
    rows = client.query_and_wait(f"SELECT user_id, n FROM {name} ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("a", 5), ("c", 6)]
    with pytest.raises(BadRequest, match="Required field user_id cannot be null"):
        run(f"INSERT INTO {name} (n) VALUES (1)")
    assert run(f"TRUNCATE TABLE {name}") == 2


def test_tables_and_views_change_by_ddl(client, dataset):
    name = f"`{client.project}.{dataset.dataset_id}`"

    def run(sql):
        client.query(sql).result()

    run(
        f"CREATE TABLE {name}.t (id INT64 NOT NULL OPTIONS(description='the id'), at TIMESTAMP, tags ARRAY<STRING>) "
        "PARTITION BY DATE(at) CLUSTER BY id OPTIONS(description='d', partition_expiration_days=3)"
    )
    table = client.get_table(f"{dataset.dataset_id}.t")
    assert [(f.name, f.field_type, f.mode) for f in table.schema] == [
        ("id", "INTEGER", "REQUIRED"),
        ("at", "TIMESTAMP", "NULLABLE"),
        ("tags", "STRING", "REPEATED"),
    ]
    assert (table.schema[0].description, table.description) == ("the id", "d")
    assert (table.time_partitioning.field, table.time_partitioning.expiration_ms) == ("at", 3 * 86_400_000)
    run(f"ALTER TABLE {name}.t ADD COLUMN extra FLOAT64")
    run(f"ALTER TABLE {name}.t DROP COLUMN tags")
    assert [f.name for f in client.get_table(f"{dataset.dataset_id}.t").schema] == ["id", "at", "extra"]
    run(f"CREATE OR REPLACE TABLE {name}.t AS SELECT 1 AS x, 'y' AS y")
    run(f"CREATE VIEW {name}.v AS SELECT x FROM {name}.t")
    assert values(client.query_and_wait(f"SELECT * FROM {name}.v")) == [{"x": 1}]
    with pytest.raises(Conflict):
        run(f"CREATE TABLE {name}.t (a INT64)")
    run(f"CREATE TABLE IF NOT EXISTS {name}.t (a INT64)")
    run(f"DROP VIEW {name}.v")
    run(f"DROP TABLE {name}.t")
    run(f"DROP TABLE IF EXISTS {name}.t")
    assert list(client.list_tables(dataset)) == []


def test_the_same_job_id_is_not_run_twice(client):
    job_id = f"fingerprint-{uuid.uuid4().hex}"
    client.query("SELECT 1", job_id=job_id).result()
    with pytest.raises(Conflict, match="Already Exists: Job"):
        client.query("SELECT 1", job_id=job_id, retry=None, job_retry=None)._begin()


def test_a_job_is_found_listed_and_cancelled(client):
    job = client.query("SELECT 1")
    job.result()
    found = client.get_job(job.job_id, location=job.location)
    assert (found.state, found.statement_type, found.user_email) == ("DONE", "SELECT", "operator@local.test")
    assert found.ended >= found.started >= found.created
    assert job.job_id in [each.job_id for each in client.list_jobs(max_results=50)]
    slow = client.query("SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 100000)) b")
    slow.cancel()
    with pytest.raises(Exception, match="cancelled"):
        slow.result(timeout=30)


def test_legacy_sql_is_refused_by_name(client):
    config = bigquery.QueryJobConfig(use_legacy_sql=True)
    with pytest.raises(BadRequest, match="Legacy SQL is not supported"):
        client.query("SELECT 1", job_config=config).result()


# Loads, extracts and copies


def test_parquet_is_loaded_from_storage_by_wildcard(client, dataset, bucket, cloud_server):
    for part in range(2):
        upload(
            cloud_server, bucket, f"in/part-{part}.parquet", parquet([{"user_id": f"u{part}", "at": AT, "rating": 4.5}])
        )
    ref = dataset.table("loaded")
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    job = client.load_table_from_uri(f"gs://{bucket}/in/part-*.parquet", ref, job_config=config)
    job.result()
    assert (job.output_rows, job.input_files) == (2, 2)
    rows = client.query_and_wait(f"SELECT * FROM {dataset.dataset_id}.loaded ORDER BY 1")
    assert values(rows) == [{"user_id": "u0", "at": AT, "rating": 4.5}, {"user_id": "u1", "at": AT, "rating": 4.5}]


def test_a_load_takes_the_schema_that_it_is_given_and_refuses_another(client, dataset, bucket, cloud_server):
    make_table(client, dataset, fields=FIELDS[:2])
    uri = upload(cloud_server, bucket, "a.parquet", parquet([{"user_id": "u", "n": 1}]))
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    with pytest.raises(BadRequest, match="Field user_id has changed mode from REQUIRED to NULLABLE"):
        client.load_table_from_uri(uri, dataset.table("t"), job_config=config).result()
    config.schema = FIELDS[:2]
    client.load_table_from_uri(uri, dataset.table("t"), job_config=config).result()
    required = pa.schema([pa.field("user_id", pa.string(), nullable=False), pa.field("n", pa.int64())])
    uri = upload(cloud_server, bucket, "b.parquet", parquet([{"user_id": "v", "n": 2}], required))
    client.load_table_from_uri(
        uri, dataset.table("t"), job_config=bigquery.LoadJobConfig(source_format="PARQUET")
    ).result()
    assert client.get_table(dataset.table("t")).num_rows == 2
    uri = upload(cloud_server, bucket, "c.parquet", parquet([{"user_id": "w", "n": 1, "more": "x"}]))
    config = bigquery.LoadJobConfig(
        source_format="PARQUET", schema_update_options=["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]
    )
    client.load_table_from_uri(uri, dataset.table("t"), job_config=config).result()
    assert [f.name for f in client.get_table(dataset.table("t")).schema] == ["user_id", "n", "more"]


def test_a_load_with_a_null_in_a_required_column_changes_nothing(client, dataset, bucket, cloud_server):
    make_table(client, dataset, fields=FIELDS[:2])
    uri = upload(cloud_server, bucket, "a.parquet", parquet([{"user_id": "u", "n": 1}, {"user_id": None, "n": 2}]))
    config = bigquery.LoadJobConfig(source_format="PARQUET", schema=FIELDS[:2])
    with pytest.raises(BadRequest, match="Required field user_id cannot be null"):
        client.load_table_from_uri(uri, dataset.table("t"), job_config=config).result()
    assert client.get_table(dataset.table("t")).num_rows == 0


def test_json_and_csv_are_loaded_with_options(client, dataset, bucket, cloud_server):
    lines = "\n".join(
        json.dumps(each) for each in ({"user_id": "u", "n": "5", "at": "2026-01-02T03:04:05.678901Z", "items": ["a"]},)
    )
    uri = upload(cloud_server, bucket, "a.json", lines.encode())
    config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", schema=FIELDS)
    client.load_table_from_uri(uri, dataset.table("j"), job_config=config).result()
    [row] = values(client.list_rows(client.get_table(dataset.table("j"))))
    assert row == {"user_id": "u", "n": 5, "score": None, "at": AT, "items": ["a"]}
    text = 'user_id;n\n"u;1";1\nu2;\\N\nu3;x\n'
    uri = upload(cloud_server, bucket, "a.csv", text.encode())
    config = bigquery.LoadJobConfig(
        schema=FIELDS[:2], skip_leading_rows=1, field_delimiter=";", null_marker="\\N", max_bad_records=1
    )
    job = client.load_table_from_uri(uri, dataset.table("c"), job_config=config)
    job.result()
    assert [tuple(row.values()) for row in client.list_rows(client.get_table(dataset.table("c")))] == [
        ("u;1", 1),
        ("u2", None),
    ]
    assert "Could not convert value 'x'" in job.errors[0]["message"]
    config.max_bad_records = 0
    with pytest.raises(BadRequest, match="line 4, field n"):
        client.load_table_from_uri(uri, dataset.table("c2"), job_config=config).result()


def test_a_schema_is_detected(client, dataset, bucket, cloud_server):
    uri = upload(
        cloud_server,
        bucket,
        "a.csv",
        b"id,score,at,name,ok\n1,0.5,2026-01-02 03:04:05,x,true\n2,1,2026-01-02 03:04:06,y,false\n",
    )
    config = bigquery.LoadJobConfig(autodetect=True)
    client.load_table_from_uri(uri, dataset.table("d"), job_config=config).result()
    table = client.get_table(dataset.table("d"))
    assert [(f.name, f.field_type) for f in table.schema] == [
        ("id", "INTEGER"),
        ("score", "FLOAT"),
        ("at", "TIMESTAMP"),
        ("name", "STRING"),
        ("ok", "BOOLEAN"),
    ]
    assert table.num_rows == 2


@pytest.mark.parametrize("size", [10, 300_000])
def test_data_is_loaded_with_the_job_itself(client, dataset, size):
    rows = [{"user_id": f"user-{number}", "n": number} for number in range(size)]
    config = bigquery.LoadJobConfig(schema=FIELDS[:2])
    if size == 10:
        client.load_table_from_json(rows, dataset.table("up"), job_config=config).result()
    else:
        config.source_format = "PARQUET"
        client.load_table_from_file(
            io.BytesIO(parquet(rows)), dataset.table("up"), job_config=config, rewind=True
        ).result()
    assert client.get_table(dataset.table("up")).num_rows == size


def test_a_file_that_is_not_there_or_not_parquet_fails_the_load(client, dataset, bucket, cloud_server):
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    with pytest.raises(NotFound, match="Not found: URI"):
        client.load_table_from_uri(f"gs://{bucket}/none.parquet", dataset.table("n"), job_config=config).result()
    uri = upload(cloud_server, bucket, "bad.parquet", b"PAR1 nonsense")
    with pytest.raises(BadRequest, match="not in Parquet format"):
        client.load_table_from_uri(uri, dataset.table("n"), job_config=config).result()


@pytest.mark.parametrize("kind", ["PARQUET", "NEWLINE_DELIMITED_JSON"])
def test_a_table_is_extracted_and_loaded_again(client, dataset, bucket, kind):
    table = make_table(client, dataset)
    client.insert_rows(table, ROWS)
    uri = f"gs://{bucket}/out/rows-*.x"
    config = bigquery.ExtractJobConfig(destination_format=kind)
    client.extract_table(table, uri, job_config=config).result()
    load = bigquery.LoadJobConfig(source_format=kind, schema=FIELDS)
    client.load_table_from_uri(
        f"gs://{bucket}/out/rows-000000000000.x", dataset.table("again"), job_config=load
    ).result()
    again = client.query_and_wait(f"SELECT * FROM {dataset.dataset_id}.again ORDER BY user_id")
    assert values(again) == ROWS


def test_a_table_is_extracted_to_csv(client, dataset, bucket, cloud_server):
    table = make_table(client, dataset, fields=FIELDS[:4])
    client.insert_rows(table, [{"user_id": "u,1", "n": 1, "score": 0.5, "at": AT}])
    client.extract_table(table, f"gs://{bucket}/rows.csv").result()
    text = cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/rows.csv?alt=media").text
    assert text == 'user_id,n,score,at\n"u,1",1,0.5,2026-01-02 03:04:05.678901 UTC\n'


def test_a_querys_results_are_extracted(client, bucket, cloud_server):
    job = client.query("SELECT x, CURRENT_TIMESTAMP() AS at FROM UNNEST([1, 2]) AS x ORDER BY x")
    job.result()
    config = bigquery.ExtractJobConfig(destination_format="PARQUET")
    client.extract_table(job.destination, f"gs://{bucket}/recent-*.parquet", job_config=config).result()
    data = cloud_server.call("GET", f"/storage/v1/b/{bucket}/o/recent-000000000000.parquet?alt=media").content
    table = pq.read_table(io.BytesIO(data))
    assert table.column("x").to_pylist() == [1, 2]
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")


def test_a_table_is_copied(client, dataset):
    table = make_table(client, dataset)
    client.insert_rows(table, ROWS)
    client.copy_table(table, dataset.table("copy")).result()
    assert client.get_table(dataset.table("copy")).num_rows == 2
    with pytest.raises(Conflict):
        client.copy_table(table, dataset.table("copy")).result()


def test_a_tables_policy_is_kept(client, dataset):
    table = make_table(client, dataset)
    policy = client.get_iam_policy(table)
    policy.bindings.append({"role": "roles/bigquery.dataViewer", "members": {"user:a@example.com"}})
    client.set_iam_policy(table, policy)
    assert client.get_iam_policy(table).bindings[0]["members"] == {"user:a@example.com"}
