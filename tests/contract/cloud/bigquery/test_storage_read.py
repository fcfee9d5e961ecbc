"""The Storage Read API over HTTP: sessions, streams, selected fields, restrictions and expiry."""

import base64

import pyarrow as pa
import pytest

PROJECT = "/bigquery/v2/projects/acme-recsys"
TABLE = "/bigquerystorage/v1/projects/acme-recsys/datasets/reads/tables/t"


@pytest.fixture(scope="module", autouse=True)
def table(cloud_server):
    cloud_server.json("POST", f"{PROJECT}/datasets", {"datasetReference": {"datasetId": "reads"}})
    sql = "CREATE TABLE reads.t AS SELECT id, FORMAT('n%d', id) AS name FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS id"
    cloud_server.json("POST", f"{PROJECT}/queries", {"query": sql, "useLegacySql": False, "timeoutMs": 60000})


def open_session(cloud, options=None, streams=1, status=200):
    session = {"dataFormat": "ARROW", "readOptions": options or {}}
    body = {"parent": "projects/acme-recsys", "readSession": session, "maxStreamCount": streams}
    return cloud.json("POST", TABLE, body, status=status)


def read(cloud, session, stream, offset=0):
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(session["arrowSchema"]["serializedSchema"])))
    messages = cloud.call("GET", f"/bigquerystorage/v1/{stream['name']}?offset={offset}").json()
    batches = [base64.b64decode(each["arrowRecordBatch"]["serializedRecordBatch"]) for each in messages]
    table = pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(each), schema) for each in batches], schema)
    assert table.num_rows == sum(int(each["rowCount"]) for each in messages)
    return table


def test_streams_together_give_every_row_once(cloud_server):
    session = open_session(cloud_server, streams=3)
    assert (len(session["streams"]), session["estimatedRowCount"]) == (3, "25000")
    parts = [read(cloud_server, session, stream) for stream in session["streams"]]
    assert sorted(pa.concat_tables(parts).column("id").to_pylist()) == list(range(1, 25001))
    assert parts[0].schema == pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])


def test_fields_are_selected_and_rows_restricted(cloud_server):
    options = {"selectedFields": ["name"], "rowRestriction": "id > 24998 AND name LIKE 'n%'"}
    session = open_session(cloud_server, options)
    table = read(cloud_server, session, session["streams"][0])
    assert sorted(table.to_pylist(), key=str) == [{"name": "n24999"}, {"name": "n25000"}]


def test_reading_goes_on_at_an_offset_and_a_stream_is_not_split(cloud_server):
    [stream] = (session := open_session(cloud_server))["streams"]
    assert read(cloud_server, session, stream, offset=24_990).num_rows == 10
    assert cloud_server.call("GET", f"/bigquerystorage/v1/{stream['name']}?fraction=0.5").json() == {}
    assert cloud_server.call("GET", f"/bigquerystorage/v1/{stream['name']}?offset=25001").status_code == 400


def test_a_session_keeps_the_rows_that_it_began_with(cloud_server):
    session = open_session(cloud_server, {"rowRestriction": "id = 7"})
    sql = {"query": "DELETE FROM reads.t WHERE id = 7", "useLegacySql": False, "timeoutMs": 60000}
    cloud_server.json("POST", f"{PROJECT}/queries", sql)
    assert read(cloud_server, session, session["streams"][0]).column("id").to_pylist() == [7]
    assert open_session(cloud_server, {"rowRestriction": "id = 7"})["streams"] == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"selectedFields": ["nope"]}, "'nope'"),
        ({"rowRestriction": "nope = 1"}, "nope"),
        ({"rowRestriction": "id > (SELECT MAX(schema_name) FROM INFORMATION_SCHEMA.SCHEMATA)"}, "not a condition"),
        ({"rowRestriction": "TRUE) UNION ALL (SELECT 1, 'x'"}, "not a condition"),
    ],
)
def test_a_bad_session_is_refused(cloud_server, options, says):
    assert says in open_session(cloud_server, options, status=400)["error"]["message"]


def test_a_stream_that_is_not_there_is_not_found(cloud_server):
    [stream] = open_session(cloud_server)["streams"]
    for name in (f"{stream['name']}9", "projects/acme-recsys/locations/us/sessions/none/streams/0"):
        assert cloud_server.call("GET", f"/bigquerystorage/v1/{name}").status_code == 404
