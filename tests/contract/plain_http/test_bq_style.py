"""The calls that bq's commands make, by the client that it makes of the API host's discovery document."""

import io
import time

import httplib2
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseUpload

from tests.contract.google_clients import unique

_SCHEMA = [{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING"}]


@pytest.fixture(scope="module")
def bq(plain):
    return plain.client("bigquery", "v2")


@pytest.fixture
def dataset(plain, bq):
    """bq mk -d"""
    reference = {"projectId": plain.project, "datasetId": unique("ds").replace("-", "_")}
    body = {"datasetReference": reference, "location": "EU"}
    bq.datasets().insert(projectId=plain.project, body=body).execute()
    yield reference
    bq.datasets().delete(**reference, deleteContents=True).execute()


def run(plain, bq, configuration, media=None):
    """A job under an id of the client's choice, followed to its end as bq does."""
    body = {"jobReference": {"projectId": plain.project, "jobId": unique("bqjob")}, "configuration": configuration}
    job = bq.jobs().insert(projectId=plain.project, body=body, media_body=media).execute()
    while job["status"]["state"] != "DONE":
        time.sleep(0.1)
        reference = job["jobReference"]
        job = bq.jobs().get(projectId=plain.project, jobId=reference["jobId"], location=reference["location"]).execute()
    return job


def loaded(plain, bq, dataset, rows=b"1,ann\n2,bob\n", **options):
    """bq load FILE"""
    table = {**dataset, "tableId": unique("t").replace("-", "_")}
    load = {"destinationTable": table, "schema": {"fields": _SCHEMA}, "sourceFormat": "CSV", **options}
    media = MediaIoBaseUpload(io.BytesIO(rows), "application/octet-stream", chunksize=1 << 20, resumable=True)
    job = run(plain, bq, {"load": load}, media)
    assert "errorResult" not in job["status"], job["status"]
    return table


def test_the_discovery_document_is_found_at_the_host_and_leads_back_to_it(local):
    found = local.call("bigquery", "GET", "/$discovery/rest", params={"version": "v2"}).json()
    assert (found["name"], found["version"], found["rootUrl"]) == ("bigquery", "v2", f"{local.cloud.url}/")
    http = AuthorizedHttp(Credentials(token="any"), http=httplib2.Http(proxy_info=None))
    client = build_from_document(found, http=http)
    assert client.datasets().list(projectId=local.project).execute()["kind"] == "bigquery#datasetList"


def test_a_version_that_several_apis_have_is_asked_for_by_its_api(local):
    local.json("bigquery", "GET", "/$discovery/rest", params={"version": "v1"}, status=404)
    assert local.json("x", "GET", "/storage/$discovery/rest", params={"version": "v1"})["name"] == "storage"
    listed = local.json("x", "GET", "/discovery/v1/apis", params={"name": "cloudresourcemanager"})["items"]
    assert [each["id"] for each in listed] == ["cloudresourcemanager:v1", "cloudresourcemanager:v3"]


def test_what_is_made_twice_is_refused_by_name(plain, bq, dataset):
    with pytest.raises(HttpError, match="Already Exists") as refused:
        bq.datasets().insert(projectId=plain.project, body={"datasetReference": dataset}).execute()
    assert refused.value.status_code == 409


def test_a_file_is_loaded_shown_read_and_queried(plain, bq, dataset):
    table = loaded(plain, bq, dataset)
    shown = bq.tables().get(**table).execute()
    assert (shown["numRows"], [each["name"] for each in shown["schema"]["fields"]]) == ("2", ["id", "name"])
    head = bq.tabledata().list(**table, maxResults=1, startIndex="1").execute()
    assert [[cell["v"] for cell in row["f"]] for row in head["rows"]] == [["2", "bob"]]
    text = f"select name from `{table['datasetId']}.{table['tableId']}` where id = @id"
    parameter = {"name": "id", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "1"}}
    query = {"query": text, "useLegacySql": False, "parameterMode": "NAMED", "queryParameters": [parameter]}
    job = run(plain, bq, {"query": query})
    rows = bq.jobs().getQueryResults(projectId=plain.project, jobId=job["jobReference"]["jobId"], location="EU")
    assert [row["f"][0]["v"] for row in rows.execute()["rows"]] == ["ann"]


def test_a_query_that_is_wrong_ends_as_a_job_with_an_error(plain, bq):
    job = run(plain, bq, {"query": {"query": "select broken from", "useLegacySql": False}})
    assert job["status"]["errorResult"]["reason"] == "invalidQuery"


def test_a_table_is_changed_without_its_schema(plain, bq, dataset):
    """bq update --description sends a schema of null."""
    table = loaded(plain, bq, dataset)
    body = {"tableReference": table, "schema": None, "description": "new", "labels": {}}
    changed = bq.tables().patch(**table, body=body, autodetect_schema=False).execute()
    assert (changed["description"], len(changed["schema"]["fields"])) == ("new", 2)


def test_a_table_is_copied_extracted_and_removed(plain, bq, dataset):
    table = loaded(plain, bq, dataset)
    copied = {**dataset, "tableId": "copied"}
    run(plain, bq, {"copy": {"sourceTables": [table], "destinationTable": copied}})
    bucket = unique("bq-extract")
    storage = plain.client("storage", "v1")
    storage.buckets().insert(project=plain.project, body={"name": bucket, "location": "EU"}).execute()
    extract = {"sourceTable": copied, "destinationUris": [f"gs://{bucket}/out.csv"], "destinationFormat": "CSV"}
    job = run(plain, bq, {"extract": extract})
    assert job["statistics"]["extract"]["destinationUriFileCounts"] == ["1"]
    assert storage.objects().get_media(bucket=bucket, object="out.csv").execute().splitlines()[0] == b"id,name"
    storage.objects().delete(bucket=bucket, object="out.csv").execute()
    storage.buckets().delete(bucket=bucket).execute()
    bq.tables().delete(**copied).execute()
    with pytest.raises(HttpError, match="Not found: Table"):
        bq.tables().get(**copied).execute()


def test_a_dataset_with_tables_is_removed_only_with_them(plain, bq, dataset):
    loaded(plain, bq, dataset)
    with pytest.raises(HttpError, match="still in use"):
        bq.datasets().delete(**dataset).execute()


def test_projects_jobs_models_and_routines_are_listed(plain, bq, dataset):
    run(plain, bq, {"query": {"query": "select 1", "useLegacySql": False}})
    assert plain.project in [each["id"] for each in bq.projects().list().execute()["projects"]]
    newest = bq.jobs().list(projectId=plain.project, maxResults=1, projection="full").execute()["jobs"]
    assert newest[0]["configuration"]["query"]["query"] == "select 1"
    assert "@" in bq.projects().getServiceAccount(projectId=plain.project).execute()["email"]
    assert "models" not in bq.models().list(**dataset).execute()
    assert "routines" not in bq.routines().list(**dataset).execute()


def test_the_dataset_is_changed_only_by_whoever_read_it_last(plain, bq, dataset):
    read = bq.datasets().get(**dataset).execute()
    request = bq.datasets().patch(**dataset, body={"description": "first"})
    request.headers["If-Match"] = read["etag"]
    request.execute()
    again = bq.datasets().patch(**dataset, body={"description": "second"})
    again.headers["If-Match"] = read["etag"]
    with pytest.raises(HttpError) as refused:
        again.execute()
    assert refused.value.status_code == 412
