"""External tables over Cloud Storage, through google-cloud-bigquery and google-cloud-storage."""

import io
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery, storage
from google.oauth2.credentials import Credentials

from tests.contract.cloud.bigquery.queries import rows


@pytest.fixture(scope="module")
def bucket(cloud_server):
    options = {"api_endpoint": cloud_server.url}
    client = storage.Client("acme-recsys", credentials=Credentials(cloud_server.token), client_options=options)
    return client.create_bucket(f"ex-{uuid.uuid4().hex[:12]}")


def put(bucket, name, content):
    bucket.blob(name).upload_from_string(content)
    return f"gs://{bucket.name}/{name}"


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def external(kind, *uris, **options):
    config = bigquery.ExternalConfig(kind)
    config.source_uris = list(uris)
    config.autodetect = True
    for key, value in options.items():
        setattr(config.options, key, value)
    return config


def test_a_table_over_parquet_shows_its_objects_as_they_are_now(client, dataset, bucket):
    put(bucket, "p/1.parquet", parquet(id=[1, 2], name=["a", "b"]))
    table = bigquery.Table(f"acme-recsys.{dataset}.files")
    table.external_data_configuration = external("PARQUET", f"gs://{bucket.name}/p/*.parquet")
    made = client.create_table(table)
    assert (made.table_type, [each.name for each in made.schema]) == ("EXTERNAL", ["id", "name"])
    assert made.external_data_configuration.source_uris == [f"gs://{bucket.name}/p/*.parquet"]
    counted = f"SELECT COUNT(*), MAX(name) FROM {dataset}.files"
    assert rows(client, counted) == [(2, "b")]
    put(bucket, "p/2.parquet", parquet(id=[3], name=["c"]))
    assert rows(client, counted) == [(3, "c")]
    put(bucket, "p/2.parquet", parquet(id=[4], name=["d"]))
    assert rows(client, counted) == [(3, "d")]
    with pytest.raises(BadRequest, match="its rows cannot be changed"):
        rows(client, f"DELETE FROM {dataset}.files WHERE TRUE")
    with pytest.raises(BadRequest, match="Cannot list a table of type EXTERNAL"):
        list(client.list_rows(made))
    client.delete_table(made)


def test_a_statement_defines_a_table_over_csv(client, dataset, bucket):
    uri = put(bucket, "c.csv", "id;name\n1;a\n2;\n")
    options = f"format='CSV', uris=['{uri}'], skip_leading_rows=1, field_delimiter=';', description='d'"
    job = client.query(f"CREATE EXTERNAL TABLE {dataset}.lines (id INT64, name STRING) OPTIONS ({options})")
    job.result()
    assert job.statement_type == "CREATE_EXTERNAL_TABLE"
    assert rows(client, f"SELECT id FROM {dataset}.lines WHERE name = 'a'") == [(1,)]
    assert client.get_table(f"{dataset}.lines").description == "d"
    rows(client, f"CREATE OR REPLACE EXTERNAL TABLE {dataset}.lines OPTIONS ({options})")
    assert rows(client, f"SELECT SUM(id) FROM {dataset}.lines") == [(3,)]
    rows(client, f"CREATE TABLE {dataset}.kept AS SELECT * FROM {dataset}.lines")
    rows(client, f"DROP EXTERNAL TABLE {dataset}.lines")
    with pytest.raises(NotFound):
        client.get_table(f"{dataset}.lines")


def test_a_query_brings_a_table_with_it(client, bucket):
    uri = put(bucket, "j.json", '{"id": 1, "tags": ["x"]}\n{"id": 2, "tags": []}\n')
    definitions = {"events": external("NEWLINE_DELIMITED_JSON", uri)}
    sql = "SELECT id, ARRAY_LENGTH(tags) FROM events ORDER BY id"
    assert rows(client, sql, table_definitions=definitions) == [(1, 1), (2, 0)]
    assert not [each.dataset_id for each in client.list_datasets(include_all=True) if "external" in each.dataset_id]


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("CSV", "nothing-*.csv", "Not found: URI gs://.*nothing"),
        ("AVRO", "j.json", "does not load AVRO"),
        ("PARQUET", "j.json", "not in Parquet format"),
    ],
)
def test_an_external_table_that_cannot_be_read_is_refused(client, dataset, bucket, kind, name, says):
    put(bucket, "j.json", "{}\n")
    table = bigquery.Table(f"acme-recsys.{dataset}.refused")
    table.external_data_configuration = external(kind, f"gs://{bucket.name}/{name}")
    with pytest.raises(Exception, match=says):
        client.create_table(table)
    with pytest.raises(NotFound):
        client.get_table(table)
