"""Pages of a list while its resources come, change and go."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from local.cloud import dispatch
from local.cloud.app import Cloud
from local.cloud.errors import ApiError

HEADERS = {"host": "127.0.0.1:1"}
PARENT = "projects/acme-recsys/locations/europe-west1"


def ask(cloud: Cloud, collection: str, **query: Any) -> dict[str, Any]:
    path = collection if collection.startswith("/") else f"/v1/{PARENT}/{collection}"
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value)
    match = dispatch.route(cloud, "GET", path, HEADERS)
    body = dispatch.answer(cloud, match, method="GET", raw_path=path, query_string=text, headers=HEADERS).body
    assert isinstance(body, dict)
    return body


def pages(cloud: Cloud, collection: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """The items of each page; what is done between two pages happens between their requests."""
    token = ""
    while True:
        page = ask(cloud, collection, pageToken=token, **query)
        yield page.get(collection, [])
        token = page.get("nextPageToken", "")
        if not token:
            return


@pytest.fixture
def jobs(cloud: Cloud) -> list[str]:
    """Five, the newest first."""
    names = [f"{PARENT}/customJobs/{number}" for number in (3, 1, 5, 2, 4)]
    for name in names:
        cloud.clock.advance(timedelta(seconds=1))
        cloud.vertex.jobs.create(name, {"displayName": name[-1], "state": "JOB_STATE_RUNNING"})
    return [name[-1] for name in reversed(names)]


def shown(page: list[dict[str, Any]]) -> list[str]:
    return [item["displayName"] for item in page]


def test_pages_follow_one_another_in_each_order_and_end(cloud: Cloud, jobs: list[str]) -> None:
    assert [shown(page) for page in pages(cloud, "customJobs", pageSize=2)] == [jobs[:2], jobs[2:4], jobs[4:]]
    by_name = pages(cloud, "customJobs", pageSize=3, orderBy="displayName desc")
    assert [shown(page) for page in by_name] == [["5", "4", "3"], ["2", "1"]]


def test_a_later_page_shows_what_has_changed_and_not_what_has_gone(cloud: Cloud, jobs: list[str]) -> None:
    found = pages(cloud, "customJobs", pageSize=2)
    assert shown(next(found)) == jobs[:2]
    cloud.vertex.jobs.update(f"{PARENT}/customJobs/{jobs[2]}", lambda job: job.update(state="JOB_STATE_SUCCEEDED"))
    page = next(found)
    assert [item["state"] for item in page] == ["JOB_STATE_SUCCEEDED", "JOB_STATE_RUNNING"]
    cloud.vertex.jobs.remove(f"{PARENT}/customJobs/{jobs[4]}")
    assert next(found) == []


def test_a_filter_counts_for_what_is_so_when_a_list_begins(cloud: Cloud, jobs: list[str]) -> None:
    running = {"filter": 'state="JOB_STATE_RUNNING"', "pageSize": 1}
    assert sum(len(page) for page in pages(cloud, "customJobs", **running)) == 5
    cloud.vertex.jobs.update(f"{PARENT}/customJobs/{jobs[0]}", lambda job: job.update(state="JOB_STATE_FAILED"))
    assert [shown(page) for page in pages(cloud, "customJobs", **running)] == [[each] for each in jobs[1:]]


def test_a_token_of_what_has_gone_is_refused(cloud: Cloud, jobs: list[str]) -> None:
    found = pages(cloud, "customJobs", pageSize=2)
    next(found)
    cloud.vertex.jobs.remove(f"{PARENT}/customJobs/{jobs[1]}")
    with pytest.raises(ApiError, match="begin again"):
        next(found)


def test_operations_are_listed_page_by_page(cloud: Cloud) -> None:
    names = sorted(
        cloud.operations.done(PARENT, {"n": number}, kind="aiplatform.models")["name"] for number in range(5)
    )
    cloud.operations.done("projects/acme-recsys/locations/us-central1", {}, kind="aiplatform.models")
    found = [[item["name"] for item in page] for page in pages(cloud, "operations", pageSize=2)]
    assert found == [names[:2], names[2:4], names[4:]]
    assert [len(page) for page in pages(cloud, "operations", pageSize=5)] == [5]


def test_query_jobs_are_listed_newest_first_and_new_ones_shift_no_page(cloud: Cloud) -> None:
    path = "/bigquery/v2/projects/acme-recsys/jobs"

    def run(count: int) -> list[str]:
        made = []
        for _ in range(count):
            cloud.clock.advance(timedelta(seconds=1))
            body = json.dumps({"configuration": {"query": {"query": "SELECT 1", "useLegacySql": False}}})
            match = dispatch.route(cloud, "POST", path, HEADERS)
            call = {"method": "POST", "raw_path": path, "query_string": "", "headers": HEADERS}
            answer = dispatch.answer(cloud, match, body=body.encode(), **call).body
            assert isinstance(answer, dict)
            made.append(answer["id"])
        return made[::-1]

    first = run(5)
    page = ask(cloud, path, maxResults=2)
    assert [job["id"] for job in page["jobs"]] == first[:2]
    newer = run(1)
    page = ask(cloud, path, maxResults=2, pageToken=page["nextPageToken"])
    assert [job["id"] for job in page["jobs"]] == first[2:4]
    page = ask(cloud, path, maxResults=2, pageToken=page["nextPageToken"])
    assert [job["id"] for job in page["jobs"]] == first[4:]
    assert "nextPageToken" not in page
    times = [int(job["statistics"]["creationTime"]) for job in ask(cloud, path)["jobs"]]
    assert times == sorted(times, reverse=True)
    since = ask(cloud, path, minCreationTime=times[1], maxCreationTime=times[0])
    assert [job["id"] for job in since["jobs"]] == [*newer, first[0]]
    with pytest.raises(ApiError, match="not a token that a page gave"):
        ask(cloud, path, pageToken="bm9uZQ==")
