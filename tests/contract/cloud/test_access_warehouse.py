"""Whose rows, results and jobs a principal of BigQuery sees, by whatever way it asks."""

import uuid

import pytest
import requests

PROJECT = "acme-rows"
V2 = f"/bigquery/v2/projects/{PROJECT}"
BUCKET = "acme-rows-data"


@pytest.fixture(scope="module")
def cloud(cloud_server):
    """With a dataset of the operator's, whose one table holds a secret, and one that everybody may write."""
    for dataset in ("secrets", "shared"):
        cloud_server.json("POST", f"{V2}/datasets", {"datasetReference": {"datasetId": dataset}})
    access = cloud_server.json("GET", f"{V2}/datasets/shared")["access"]
    everybody = {"role": "roles/bigquery.dataEditor", "specialGroup": "allAuthenticatedUsers"}
    cloud_server.json("PATCH", f"{V2}/datasets/shared", {"access": [*access, everybody]})
    run(cloud_server.json, "CREATE TABLE secrets.t AS SELECT 'hush' AS word")
    run(cloud_server.json, "CREATE TABLE shared.u AS SELECT 1 AS x")
    cloud_server.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    return cloud_server


@pytest.fixture
def account(cloud):
    email = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    cloud.grant(PROJECT, {"roles/bigquery.jobUser": [f"serviceAccount:{email}"]})
    return email


@pytest.fixture
def call(cloud, account):
    return as_(cloud, account)


def as_(cloud, principal):
    headers = {"authorization": f"Bearer {cloud.token_of(principal)}"}
    return lambda method, path, body=None: requests.request(
        method, f"{cloud.url}{path}", json=body, headers=headers, timeout=30
    )


def run(call, sql, **options):
    return call("POST", f"{V2}/queries", {"query": sql, "useLegacySql": False, **options})


def load_or_extract(call, **configuration):
    """How a job of that configuration ends: its error's message, "" for none."""
    job = call("POST", f"{V2}/jobs", {"configuration": configuration}).json()
    path = f"{V2}/queries/{job['jobReference']['jobId']}?timeoutMs=20000"
    call("GET", path)
    return (
        call("GET", f"{V2}/jobs/{job['jobReference']['jobId']}")
        .json()["status"]
        .get("errorResult", {})
        .get("message", "")
    )


def test_a_hidden_result_is_its_authors_even_for_those_who_know_its_name(cloud, call):
    job = run(cloud.json, "SELECT word FROM secrets.t")["jobReference"]["jobId"]
    table = cloud.json("GET", f"{V2}/jobs/{job}")["configuration"]["query"]["destinationTable"]
    path = f"{V2}/datasets/{table['datasetId']}/tables/{table['tableId']}"
    assert cloud.json("GET", f"{path}/data")["rows"] == [{"f": [{"v": "hush"}]}]
    for each in (path, f"{path}/data"):
        assert call("GET", each).status_code == 403
    extract = {"sourceTable": table, "destinationUri": f"gs://{BUCKET}/stolen"}
    assert "bigquery.tables.export" in load_or_extract(call, extract=extract)
    copy = {"sourceTable": table, "destinationTable": {"datasetId": "shared", "tableId": "stolen"}}
    assert "bigquery.tables.getData" in load_or_extract(call, copy=copy)


def test_the_author_reads_its_own_hidden_result(call):
    job = run(call, "SELECT 7 AS x").json()["jobReference"]["jobId"]
    table = call("GET", f"{V2}/jobs/{job}").json()["configuration"]["query"]["destinationTable"]
    rows = call("GET", f"{V2}/datasets/{table['datasetId']}/tables/{table['tableId']}/data").json()["rows"]
    assert rows == [{"f": [{"v": "7"}]}]


def test_a_hidden_dataset_is_like_any_other_but_for_lists(cloud):
    name = f"_{uuid.uuid4().hex[:8]}"
    cloud.json("POST", f"{V2}/datasets", {"datasetReference": {"datasetId": name}})
    run(cloud.json, f"CREATE TABLE {name}.anonymous AS SELECT 1 AS x")
    assert run(cloud.json, f"SELECT x FROM {name}.anonymous")["totalRows"] == "1"
    assert cloud.json("GET", f"{V2}/datasets/{name}/tables/anonymous/data")["totalRows"] == "1"

    def listed(options):
        return [
            each["datasetReference"]["datasetId"] for each in cloud.json("GET", f"{V2}/datasets{options}")["datasets"]
        ]

    assert name not in listed("")
    assert name in listed("?all=true")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH {t} AS (SELECT * FROM {t}) SELECT * FROM {t}",
        "SELECT * FROM (WITH {t} AS (SELECT 1 AS x) SELECT * FROM {t}) AS a, {t}",
        "WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master",
        "WITH duckdb_tables AS (SELECT * FROM duckdb_tables) SELECT * FROM duckdb_tables",
        "WITH pg_class AS (SELECT * FROM pg_class) SELECT * FROM pg_class",
    ],
)
def test_a_common_table_expression_is_no_way_to_the_engines_own_tables(call, sql):
    for number in range(1, 4 if "{t}" in sql else 2):  # the engine numbers its tables
        answer = run(call, sql.format(t=f"t{number}"))
        assert answer.status_code == 400, answer.text


def test_common_table_expressions_are_seen_where_they_are_declared(call):
    sql = """
        WITH RECURSIVE steps AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM steps WHERE n < 3),
        Twice AS (SELECT steps.n * 2 AS m FROM steps)
        SELECT a.m, TWICE.m AS k FROM twice AS a JOIN TWICE ON a.m = twice.m
        WHERE a.m IN (SELECT m FROM Twice) ORDER BY 1
    """
    answer = run(call, sql).json()
    assert [row["f"][1]["v"] for row in answer["rows"]] == ["2", "4", "6"]


def test_an_insert_goes_to_its_table_and_not_to_a_common_table_expression(call):
    options = {"defaultDataset": {"projectId": PROJECT, "datasetId": "shared"}}
    answer = run(call, "INSERT INTO u WITH u AS (SELECT 5 AS x) SELECT x FROM u", **options)
    assert answer.json().get("numDmlAffectedRows") == "1", answer.text


def test_a_view_shows_nothing_of_a_table_that_its_author_may_not_read(cloud, call):
    assert run(call, "CREATE VIEW shared.v AS SELECT * FROM secrets.t").status_code == 403
    view = {"tableReference": {"tableId": "w"}, "view": {"query": "SELECT * FROM secrets.t", "useLegacySql": False}}
    assert call("POST", f"{V2}/datasets/shared/tables", view).status_code == 403
    cloud.json("POST", f"{V2}/datasets/shared/tables", {**view, "tableReference": {"tableId": "theirs"}})
    assert run(call, "SELECT * FROM shared.theirs").status_code == 403


def test_an_extract_overwrites_only_with_the_right_to_delete(cloud, call, account):
    cloud.grant(PROJECT, {"roles/storage.objectCreator": [f"serviceAccount:{account}"]})
    source = {"projectId": PROJECT, "datasetId": "shared", "tableId": "u"}
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}-*.csv"
    extract = {"sourceTable": source, "destinationUri": uri}
    assert load_or_extract(call, extract=extract) == ""
    assert "storage.objects.delete" in load_or_extract(call, extract=extract)


def test_a_load_by_wildcard_reads_what_it_may_read(cloud, call, account):
    prefix = uuid.uuid4().hex
    for name in ("open", "closed"):
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={prefix}/{name}.csv"
        cloud.json("POST", path, data=b"1\n")
    load = {
        "sourceUris": [f"gs://{BUCKET}/{prefix}/*"],
        "destinationTable": {"projectId": PROJECT, "datasetId": "shared", "tableId": f"l{prefix}"},
        "schema": {"fields": [{"name": "x", "type": "INTEGER"}]},
    }
    assert "storage.objects.list" in load_or_extract(call, load=load)
    policy = cloud.json("GET", f"/storage/v1/b/{BUCKET}/iam")
    name = f"projects/_/buckets/{BUCKET}/objects/{prefix}/open"
    expression = f'resource.name.startsWith("{name}") || resource.type == "storage.googleapis.com/Bucket"'
    condition = {"title": "open", "expression": expression}
    binding = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{account}"], "condition": condition}
    wanted = {**policy, "version": 3, "bindings": [*policy["bindings"], binding]}
    cloud.json("PUT", f"/storage/v1/b/{BUCKET}/iam", wanted)
    assert "storage.objects.get" in load_or_extract(call, load=load)
    load["sourceUris"] = [f"gs://{BUCKET}/{prefix}/open*"]
    assert load_or_extract(call, load=load) == ""


@pytest.mark.parametrize("mode", ["audit", "off"])
def test_everybodys_jobs_are_listed_where_nobody_is_refused(new_cloud, mode):
    cloud = new_cloud(iam=mode).start()
    run(cloud.json, "SELECT 1")
    account = cloud.account(PROJECT, "sa-watcher")
    listed = as_(cloud, account)
    assert len(listed("GET", f"{V2}/jobs?allUsers=true").json()["jobs"]) == 1
    assert "jobs" not in listed("GET", f"{V2}/jobs").json()


def test_others_jobs_are_listed_for_those_who_may_list_them(cloud, call):
    run(cloud.json, "SELECT 1")
    run(call, "SELECT 1")
    assert len(call("GET", f"{V2}/jobs?allUsers=true").json()["jobs"]) == 1
