"""kill -9 of BigQuery: what was acknowledged is there, what was running says so."""

import itertools
import threading
import time

import pytest
import requests

PROJECT = "/bigquery/v2/projects/acme-recsys"


def run(cloud, sql, job_id=None):
    config = {"configuration": {"query": {"query": sql, "useLegacySql": False}}}
    config |= {"jobReference": {"jobId": job_id}} if job_id else {}
    job = cloud.json("POST", f"{PROJECT}/jobs", config)
    return cloud.json("GET", f"{PROJECT}/queries/{job['jobReference']['jobId']}?timeoutMs=20000")


def cells(answer):
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


@pytest.fixture
def cloud(new_cloud):
    cloud = new_cloud().start()
    cloud.json("POST", f"{PROJECT}/datasets", {"datasetReference": {"datasetId": "d"}})
    run(cloud, "CREATE TABLE d.t (worker INT64, n INT64)")
    return cloud


def test_data_and_finished_jobs_survive_a_kill(cloud):
    run(cloud, "INSERT INTO d.t VALUES (1, 2)")
    run(cloud, "SELECT 5 AS five", job_id="kept")
    cloud.kill()
    cloud.start()
    assert cells(run(cloud, "SELECT worker, n FROM d.t")) == [["1", "2"]]
    assert cells(cloud.json("GET", f"{PROJECT}/queries/kept")) == [["5"]]
    assert cloud.json("GET", f"{PROJECT}/jobs/kept")["status"] == {"state": "DONE"}
    again = {
        "configuration": {"query": {"query": "SELECT 5", "useLegacySql": False}},
        "jobReference": {"jobId": "kept"},
    }
    assert cloud.json("POST", f"{PROJECT}/jobs", again, status=409)["error"]["errors"][0]["reason"] == "duplicate"


def test_a_job_that_a_kill_interrupts_is_reported_as_failed(cloud):
    sql = (
        "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 300000)) a, UNNEST(GENERATE_ARRAY(1, 300000)) b WHERE a + b = 7"
    )
    body = {"configuration": {"query": {"query": sql, "useLegacySql": False}}, "jobReference": {"jobId": "slow"}}
    assert cloud.json("POST", f"{PROJECT}/jobs", body)["status"]["state"] == "RUNNING"
    cloud.kill()
    cloud.start()
    status = cloud.json("GET", f"{PROJECT}/jobs/slow")["status"]
    assert status["state"] == "DONE"
    assert "interrupted by a restart" in status["errorResult"]["message"]


def test_a_script_that_a_kill_interrupts_says_that_what_it_did_stays(cloud):
    sql = "INSERT d.t VALUES (1, 1); LOOP SELECT 1; END LOOP"
    body = {"configuration": {"query": {"query": sql, "useLegacySql": False}}, "jobReference": {"jobId": "endless"}}
    cloud.json("POST", f"{PROJECT}/jobs", body)
    while cells(run(cloud, "SELECT COUNT(*) FROM d.t")) == [["0"]]:
        pass
    cloud.kill()
    cloud.start()
    status = cloud.json("GET", f"{PROJECT}/jobs/endless")["status"]
    assert "1 of its statements had changed data or tables" in status["errorResult"]["message"]
    assert cells(run(cloud, "SELECT COUNT(*) FROM d.t")) == [["1"]]


def test_every_job_that_was_reported_done_has_done_its_work_once(cloud):
    """Inserts with ids of their own, killed again and again: the rows are exactly those of the jobs that are done."""
    sent: set[str] = set()
    waited: set[str] = set()
    for turn in range(3):
        url, token = cloud.url, cloud.token

        def insert(worker, url=url, token=token, turn=turn):
            session = requests.Session()
            for number in itertools.count():
                n = turn * 1_000_000 + worker * 10_000 + number
                sql = f"INSERT INTO d.t VALUES ({worker}, {n})"
                body = {
                    "configuration": {"query": {"query": sql, "useLegacySql": False}},
                    "jobReference": {"jobId": f"j{n}"},
                }
                headers = {"authorization": f"Bearer {token}"}
                try:
                    if session.post(f"{url}{PROJECT}/jobs", json=body, headers=headers, timeout=10).status_code == 200:
                        sent.add(f"j{n}")
                    if worker == 0:
                        session.get(f"{url}{PROJECT}/queries/j{n}", headers=headers, timeout=10)
                        waited.add(f"j{n}")
                    else:
                        time.sleep(0.1)
                except requests.RequestException:
                    return

        workers = [threading.Thread(target=insert, args=(worker,)) for worker in range(2)]
        for worker in workers:
            worker.start()
        before = len(waited)
        while len(waited) < before + 4:
            time.sleep(0.02)
        cloud.kill()
        for worker in workers:
            worker.join()
        cloud.start()
    found = [row[0] for row in cells(run(cloud, "SELECT n FROM d.t"))]
    assert len(found) == len(set(found))
    done = set()
    for job_id in sent:
        status = cloud.json("GET", f"{PROJECT}/jobs/{job_id}")["status"]
        assert status["state"] == "DONE"
        if "errorResult" not in status:
            done.add(job_id)
    assert len(done) >= 9
    assert {f"j{n}" for n in found} & sent == done
