"""Clients that google-api-python-client makes of each discovery document that the cloud serves."""

import io
import json

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload

from tests.contract.google_clients import unique


def test_every_document_that_is_listed_is_served_and_makes_a_client(local):
    for each in local.json("x", "GET", "/discovery/v1/apis")["items"]:
        client = local.client(each["name"], each["version"])
        assert client._baseUrl.startswith(local.cloud.url), each["id"]


def test_storage_moves_an_object_in_chunks_and_its_changes_in_a_batch(plain):
    storage, bucket = plain.client("storage", "v1"), unique("api-client")
    storage.buckets().insert(project=plain.project, body={"name": bucket}).execute()
    data = bytes(range(256)) * 4096
    media = MediaIoBaseUpload(io.BytesIO(data), "application/octet-stream", chunksize=256 * 1024, resumable=True)
    upload, made = storage.objects().insert(bucket=bucket, name="big", media_body=media), None
    while made is None:
        _, made = upload.next_chunk()
    back = io.BytesIO()
    download, done = MediaIoBaseDownload(back, storage.objects().get_media(bucket=bucket, object="big"), 300_000), False
    while not done:
        _, done = download.next_chunk()
    assert back.getvalue() == data
    answers = []
    batch = storage.new_batch_http_request(callback=lambda _, answer, error: answers.append(answer or error))
    for key in ("a", "b"):
        batch.add(storage.objects().patch(bucket=bucket, object="big", body={"metadata": {key: "1"}}))
    batch.add(storage.objects().get(bucket=bucket, object="none"))
    batch.execute()
    assert [each["metageneration"] for each in answers[:2]] == ["2", "3"]
    assert answers[2].status_code == 404
    fields = storage.objects().list(bucket=bucket, fields="items(name,metadata/a)").execute()
    assert fields == {"items": [{"name": "big", "metadata": {"a": "1"}}]}
    storage.objects().delete(bucket=bucket, object="big").execute()
    storage.buckets().delete(bucket=bucket).execute()


def test_pages_follow_one_another(plain):
    topics = plain.client("pubsub", "v1").projects().topics()
    mine = sorted(f"{plain.parent}/topics/{unique('paged')}" for _ in range(5))
    for name in mine:
        topics.create(name=name, body={}).execute()
    seen, request = [], topics.list(project=plain.parent, pageSize=2)
    while request is not None:
        page = request.execute()
        assert len(page["topics"]) <= 2
        seen += [each["name"] for each in page["topics"]]
        request = topics.list_next(request, page)
    assert [name for name in seen if name in mine] == mine
    for name in mine:
        topics.delete(topic=name).execute()


def test_iam_and_resource_manager_agree_about_a_member(plain):
    accounts = plain.client("iam", "v1").projects().serviceAccounts()
    account = accounts.create(name=plain.parent, body={"accountId": unique("member")}).execute()
    member = f"serviceAccount:{account['email']}"
    projects = plain.client("cloudresourcemanager", "v1").projects()
    options = {"options": {"requestedPolicyVersion": 3}}
    policy = projects.getIamPolicy(resource=plain.project, body=options).execute()
    policy["bindings"] = [*policy.get("bindings", []), {"role": "roles/storage.objectViewer", "members": [member]}]
    projects.setIamPolicy(resource=plain.project, body={"policy": policy}).execute()
    with pytest.raises(HttpError) as stale:
        projects.setIamPolicy(resource=plain.project, body={"policy": policy | {"bindings": []}}).execute()
    assert stale.value.status_code == 409
    newer = plain.client("cloudresourcemanager", "v3").projects()
    found = newer.getIamPolicy(resource=plain.parent, body=options).execute()
    assert member in next(each["members"] for each in found["bindings"] if each["role"] == "roles/storage.objectViewer")
    accounts.delete(name=account["name"]).execute()


def test_logging_takes_entries_and_finds_them(plain):
    entries, log = plain.client("logging", "v2").entries(), f"{plain.parent}/logs/{unique('log')}"
    written = [
        {"severity": 400, "jsonPayload": {"step": 1, "text": "late"}},
        {"severity": "INFO", "textPayload": "early"},
    ]
    entries.write(body={"logName": log, "resource": {"type": "global"}, "entries": written}).execute()
    wanted = f'logName="{log}" AND severity>=WARNING AND jsonPayload.step=1'
    found = entries.list(body={"resourceNames": [plain.parent], "filter": wanted}).execute()["entries"]
    assert [(each["severity"], each["jsonPayload"]["text"]) for each in found] == [("WARNING", "late")]


def test_the_registry_is_changed_by_mask(plain):
    base = plain.client("artifactregistry", "v1").projects().locations().repositories()
    short = unique("masked")
    body = {"format": "DOCKER", "description": "kept", "labels": {"a": "1"}}
    base.create(parent=plain.location, repositoryId=short, body=body).execute()
    name = f"{plain.location}/repositories/{short}"
    changed = base.patch(name=name, updateMask="labels", body={"labels": {"b": "2"}, "description": "lost"}).execute()
    assert (changed["labels"], changed["description"]) == ({"b": "2"}, "kept")
    base.delete(name=name).execute()


def test_vertex_refuses_with_details_that_name_the_field(plain):
    vertex = plain.client("aiplatform", "v1")
    vertex._baseUrl = f"{plain.url('aiplatform')}/"
    jobs = vertex.projects().locations().customJobs()
    with pytest.raises(HttpError) as refused:
        jobs.create(parent=plain.location, body={"displayName": "", "jobSpec": {"workerPoolSpecs": []}}).execute()
    error = json.loads(refused.value.content)["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert next(each for each in error["details"] if each["@type"].endswith("BadRequest"))["fieldViolations"]
