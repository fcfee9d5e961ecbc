"""Each section of the console says what the API says, and says it as text."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from contracts.pool_spec import PoolSpec
from infra.prices import pool_cost_per_day

from .conftest import BUCKET, HARM, HARM_OBJECT, HARMLESS, PARENT, PATH, Reader, Shop

SECTIONS = ("runs", "pools", "schedules", "jobs", "metrics", "storage", "resources", "access", "faults")


def test_all_text_of_users_is_escaped_wherever_it_is_shown(reader: Reader, shop_cloud: Shop) -> None:
    page = reader.get(job=shop_cloud.job, run=shop_cloud.run, bucket=BUCKET, prefix="pages/").text
    shown = {name: re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0] for name in SECTIONS}  # type: ignore[index]
    for name in ("runs", "schedules", "jobs", "metrics"):
        assert HARMLESS in shown[name]
    assert "&lt;script&gt;alert(1)" in shown["storage"]
    assert HARM not in page
    assert "<img" not in page
    assert "<script>" not in page


def test_the_page_has_nothing_inline_that_its_policy_forbids(reader: Reader, shop_cloud: Shop) -> None:
    page = reader.get(job=shop_cloud.job).text
    assert re.findall(r"<[^>]*\s(?:style|on[a-z]+)\s*=", page) == []
    assert re.findall(r"<style|<script(?![^>]*\ssrc=)", page) == []


def test_every_link_and_id_of_the_page_leads_somewhere(reader: Reader, shop_cloud: Shop) -> None:
    page = reader.get(job=shop_cloud.job).text
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = {unescape(link) for link in re.findall(r'href="([^"]+)"', page)}
    assert {urlsplit(link).fragment for link in links} - {""} <= set(ids)
    for link in sorted(link.split("#")[0] for link in links if not link.startswith("#")):
        assert reader.session.get(f"{reader.cloud.url}{link}", timeout=30).status_code == 200, link


def test_a_pool_shows_its_replicas_age_and_list_price(reader: Reader) -> None:
    told = reader.section("pools")
    assert "main running" in told
    assert "n1-standard-8 · 100 GB pd-ssd 0 of 2 replicas busy" in told
    spec = PoolSpec.model_validate(
        {
            **{"name": "main", "persistent_resource_id": "main", "pool_id": "main"},
            **{"replica_count": 2, "autoscaling": None},
            "machine": {"machine_type": "n1-standard-8", "accelerator_type": "", "accelerator_count": 0},
            "disk": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 100},
        }
    )
    assert f"${pool_cost_per_day(spec, 'us-central1').low:.2f} a day" in told
    assert "list price, us-central1, 2026-08-20" in told
    assert "no price is known here for this machine" in told


def test_a_pool_shows_who_runs_and_who_waits(reader: Reader, shop_cloud: Shop) -> None:
    names = [shop_cloud.submit(f"sleeper-{number}", "import time; time.sleep(600)", pool="main") for number in range(3)]
    try:
        for name in names[:2]:
            shop_cloud.wait_for(name, lambda each: each["state"] == "JOB_STATE_RUNNING")
        told = reader.section("pools")
        assert "2 of 2 replicas busy" in told
        assert "running: sleeper-0 , sleeper-1" in told
        assert "queue of 1: sleeper-2" in told
    finally:
        for name in reversed(names):
            reader.cloud.json("POST", f"/v1/{name}:cancel", {})
            shop_cloud.wait_for(name, lambda each: each["state"] == "JOB_STATE_CANCELLED")


def test_the_graph_has_every_task_of_the_run_with_its_state(reader: Reader, shop_cloud: Shop) -> None:
    run = reader.cloud.json("GET", f"/v1/{shop_cloud.run}")
    details = {each["taskName"]: each["state"] for each in run["jobDetail"]["taskDetails"]}
    graph = reader.markup("runs", run=shop_cloud.run)
    found = re.findall(r'<a data-soft data-key="([^"]*)" href="[^"]*" aria-label="([^"]*)"', graph)
    labels = {path.rsplit("/", 1)[-1]: unescape(label) for path, label in found}
    assert labels["announce"].startswith("announce: succeeded")
    assert labels["announce-2"] == "letter: succeeded 2 succeeded"
    assert labels["announce-3"].startswith("announce-3: not begun")
    assert details["announce"] == details["last"] == "SUCCEEDED"


def test_a_task_shows_its_values_and_its_own_log(reader: Reader, shop_cloud: Shop) -> None:
    paths = re.findall(r'data-soft data-key="([^"]*announce)"', reader.markup("runs", run=shop_cloud.run))
    told = reader.section("runs", run=shop_cloud.run, task=paths[0])
    assert f"Output {HARM.upper()}" in told
    assert f"text {HARM}" in told
    assert f"workerpool0-0 {HARM}" in told


def test_each_iteration_of_a_loop_shows_its_own_log(reader: Reader, shop_cloud: Shop) -> None:
    markup = reader.markup("runs", run=shop_cloud.run)
    loop = next(path for path in re.findall(r'data-soft data-key="([^"]*)"', markup) if path.endswith("/announce-2"))
    chosen = reader.markup("runs", run=shop_cloud.run, task=loop)
    iterations = re.findall(r'data-soft data-key="([^"]*/\d+/announce-2)"', chosen)
    assert len(iterations) == 2
    for path, letter in zip(sorted(iterations), "ab", strict=True):
        told = reader.section("runs", run=shop_cloud.run, task=path)
        assert f"Output {letter.upper()}" in told
        assert f"workerpool0-0 {letter} " in told


def test_a_job_shows_its_log_and_the_curve_of_its_metrics(reader: Reader, shop_cloud: Shop) -> None:
    markup = reader.markup("jobs", job=shop_cloud.job)
    assert 'aria-label="train_loss: 20 points, step 1 to 20, between 0.1 and 2, last 0.1"' in markup
    assert re.search(r'class="bad"><time>[\d:]+</time><span class="who">[^<]*</span><span>all is lost', markup)


def test_a_whole_log_is_saved_as_a_file(reader: Reader, shop_cloud: Shop) -> None:
    short = shop_cloud.job.rsplit("/", 1)[-1]
    answer = reader.get("/log", job=short, task="workerpool0-0", stream="stdout")
    assert HARM.encode() in answer.content
    assert_harmless(answer)


@pytest.mark.parametrize(
    "asked",
    [
        {"job": "../../..", "task": "workerpool0-0", "stream": "stdout"},
        {"job": "JOB", "task": "..", "stream": "stdout"},
        {"job": "JOB", "task": "workerpool0-0", "stream": "../../../operator-token"},
    ],
)
def test_a_log_is_no_way_to_other_files(reader: Reader, shop_cloud: Shop, asked: dict[str, str]) -> None:
    named = {key: value.replace("JOB", shop_cloud.job.rsplit("/", 1)[-1]) for key, value in asked.items()}
    assert reader.get("/log", **named).status_code == 404


def assert_harmless(answer: requests.Response) -> None:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_an_object_is_saved_and_never_shown_as_a_page(reader: Reader) -> None:
    markup = reader.markup("storage", bucket=BUCKET, prefix='pages/"><script>alert(1)</')
    link = unescape(re.search(r'<a href="([^"]+/object\?[^"]+)"', markup)[1])  # type: ignore[index]
    answer = reader.session.get(f"{reader.cloud.url}{link}", timeout=30)
    assert answer.content == b"<script>1</script>"
    assert_harmless(answer)
    newest = reader.cloud.json("GET", "/_local/access/log?limit=1&permission=storage.objects.get")["entries"][0]
    assert newest["resource"].endswith(HARM_OBJECT)
    assert newest["principal"] == "operator@local.test"


def test_folders_of_objects_are_shown_a_page_at_a_time(reader: Reader) -> None:
    assert {"many/", "pages/", "root/"} <= set(reader.section("storage", bucket=BUCKET).split())
    seen, markup = [], reader.markup("storage", bucket=BUCKET, prefix="many/")
    while True:
        seen += re.findall(r"many/(\d+)\.txt", "".join(re.findall(r'data-key="(many/[^"]+)"', markup)))
        following = re.search(r'rel="next" href="([^"]+)"', markup)
        if not following:
            break
        query = parse_qs(urlsplit(unescape(following[1])).query)
        markup = reader.markup("storage", **{key: values[0] for key, values in query.items()})
    listed = reader.cloud.json("GET", f"/storage/v1/b/{BUCKET}/o?prefix=many/")["items"]
    assert [f"many/{number}.txt" for number in seen] == [each["name"] for each in listed]
    assert len(seen) == 30


def test_a_bucket_that_is_not_there_is_said(reader: Reader) -> None:
    assert "no-such-bucket" in reader.section("storage", bucket="no-such-bucket")


def test_a_schedule_shows_when_it_will_run(reader: Reader, shop_cloud: Shop) -> None:
    due = reader.cloud.json("GET", f"/v1/{shop_cloud.schedule}")["nextRunTime"]
    told = reader.section("schedules")
    assert due[:19].replace("T", " ") in told
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told)) == 2
    assert f"nightly {HARM}" in told


def test_experiments_tensorboards_and_models_are_shown(reader: Reader) -> None:
    told = reader.section("metrics")
    assert re.search(r"second parameters Parameters lr 0\.001 complete .* 0\.375", told)
    markup = reader.markup("metrics")
    assert 'aria-label="ndcg@10: 2 points, run 1 to 2, between 0.25 and 0.375, last 0.375"' in markup
    assert 'aria-label="loss: 5 points, step 0 to 4, between 0.2 and 1, last 0.2"' in markup
    assert f"model {HARM} 1 champion" in reader.section("storage").replace("default ", "")


def test_resources_are_counted_and_listed_by_kind(reader: Reader) -> None:
    pools = reader.cloud.json("GET", f"/v1/{PARENT}/persistentResources")["persistentResources"]
    told = reader.section("resources", kind="aiplatform.PersistentResource")
    assert f"aiplatform.PersistentResource {len(pools)}" in told
    assert all(each["name"].rsplit("/", 1)[-1] in told for each in pools)


def test_what_services_keep_for_themselves_is_not_listed(reader: Reader) -> None:
    for kind in ("console.session", "identity.job", "secretmanager.payload", "cloudkms.material"):
        told = reader.section("resources", kind=kind)
        assert kind not in told


def test_the_access_log_shows_who_was_refused_what(reader: Reader) -> None:
    told = reader.section("access", access="refused")
    assert f"stranger@acme.example storage.objects.list projects/_/buckets/{BUCKET} refused" in told
    newest = reader.cloud.json("GET", "/_local/access/log?limit=1")["entries"][0]
    assert newest["permission"] in reader.section("access")


def test_faults_are_added_shown_and_removed(reader: Reader) -> None:
    added = reader.post("/faults", kind="latency", seconds="0.01", path="/nothing/*", rate="", spread="")
    assert (added.status_code, added.headers["location"]) == (303, f"{PATH}#faults")
    in_force = reader.cloud.json("GET", "/_local/faults")["faults"]
    assert [(each["kind"], each["seconds"], each["path"]) for each in in_force] == [("latency", 0.01, "/nothing/*")]
    assert "latency" in reader.section("faults").split("Let something go wrong")[0]
    assert reader.post("/faults/seed", seed="11").status_code == 303
    assert reader.post("/faults/clear", id=in_force[0]["id"]).status_code == 303
    assert reader.cloud.json("GET", "/_local/faults") == {"seed": 11, "faults": [], "history": []}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "latency", "seconds": "soon"}, "'soon' is no number"),
        ({"kind": "latency", "seconds": "9999"}, "less than or equal to 600"),
        ({"kind": "kill-replica", "job": "12"}, "There is no custom job '12'"),
        ({"kind": "flood"}, "'flood' is none of"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_on_the_page(reader: Reader, form: dict[str, str], said: str) -> None:
    answer = reader.post("/faults", **form)
    assert answer.status_code in (400, 404)
    assert said in unescape(answer.text)
    assert "Let something go wrong" in answer.text


def test_the_console_answers_while_every_request_fails(reader: Reader) -> None:
    try:
        assert reader.post("/faults", kind="error", status="503").status_code == 303
        assert "struck" in reader.section("faults")
    finally:
        reader.cloud.json("DELETE", "/_local/faults")


@pytest.mark.parametrize("asked", [{"run": "projects/x/none"}, {"runs": "-3"}, {"runs": "99999999"}, {"task": "none"}])
def test_an_address_that_leads_nowhere_still_shows_the_page(reader: Reader, asked: dict[str, str]) -> None:
    answer = reader.get(**asked)
    assert answer.status_code == 200
    assert "Pipeline runs" in answer.text
