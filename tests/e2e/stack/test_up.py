"""`make up` as a user sees it: the report, the second time, other data, bad data, submission from elsewhere."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from tests.e2e.stack import shop
from tests.e2e.stack.checkout import LOCATION, Checkout, declared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has"),
]


class First(NamedTuple):
    """What the first `make up` left."""

    output: str
    report: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def checkout(new_checkout: Callable[[], Checkout]) -> Checkout:
    return new_checkout()


@pytest.fixture(scope="module", autouse=True)
def first(checkout: Checkout, data: Path) -> First:
    done = checkout.make("up", f"DATA={data}", "PARAMETERS=max_minutes=0.03")
    assert done.returncode == 0, done.stdout + done.stderr
    return First(done.stdout, checkout.report, (checkout.local / "report.html").read_text())


def staged(checkout: Checkout) -> pa.Table:
    (file,) = (checkout.local / "cloud").rglob("staging/history/interactions.parquet")
    return pq.read_table(file)


def model_versions(checkout: Checkout) -> int:
    return len(checkout.get(f"{LOCATION}/models/recsys:listVersions").get("models", []))


def test_the_report_has_every_part_of_the_chain(first: First) -> None:
    report = first.report
    assert (report["stack"], report["engine"]) == ("local", "embedded")
    assert report["resources"] == {"created": declared(), "updated": 0, "same": 0, "deleted": 0}
    assert report["pipeline_run"]["state"] == "PIPELINE_STATE_SUCCEEDED"
    tasks = {task["name"]: task for task in report["pipeline_run"]["tasks"]}
    assert list(tasks) == ["extract", "validate", "train", "evaluate", "gate", "register", "promote"]
    assert all(task["state"] == "SUCCEEDED" and task["seconds"] > 0 for task in tasks.values())
    job = report["custom_job"]
    assert (job["state"], job["persistent_resource_id"]) == ("JOB_STATE_SUCCEEDED", "recsys-train-blue")
    assert job["name"] == tasks["train"]["custom_job"]
    assert job["seconds_to_first_step"] > 0
    assert set(report["seconds"]) == {"install", "plan", "apply", "pipeline", "total"}


def test_the_model_learns_the_pattern_and_becomes_the_champion(first: First) -> None:
    model = first.report["model"]
    assert model["champion"] is True
    assert model["uri"].startswith("gs://recsys-local-artifacts/models/recsys/")
    assert {"most_popular", "recency_popular", "markov", "item_knn"} <= set(model["baselines"])
    assert model["card"]["words"][0].startswith("This model is ")
    assert "Model card: " in first.output
    for metrics in (model["metrics"], *model["baselines"].values()):
        assert {"ndcg@10", "hr@10", "auc@10"} <= set(metrics)
    assert model["metrics"]["ndcg@10"] > model["baselines"]["most_popular"]["ndcg@10"]
    assert f"{model['metrics']['ndcg@10']:.4f}" in first.output


def test_the_champion_recommends_what_a_user_has_not_seen(checkout: Checkout, first: First, data: Path) -> None:
    user = pq.read_table(data / "interactions.parquet", columns=["user_id"])["user_id"][0].as_py()
    own = pq.read_table(data / "interactions.parquet", filters=[("user_id", "=", user)])
    seen = set(own["item_id"].to_pylist())
    done = checkout.python("pipeline.recommend", "--stack", "local", "--user", user, "--k", "7", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["items"]) == 7
    assert not seen & set(answer["items"])
    unknown = checkout.python("pipeline.recommend", "--stack", "local", "--user", "nobody")
    assert (unknown.returncode, "--user = 'nobody'" in unknown.stderr) == (3, True)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.charts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag == "svg":
            self.charts.append(known["aria-label"] or "")


def test_the_page_needs_nothing_but_itself_and_draws_curve_baselines_and_timeline(first: First) -> None:
    page = _Page()
    page.feed(first.page)
    assert page.references == []
    assert "url(" not in first.page
    assert "@import" not in first.page
    drawn = "\n".join(page.charts)
    assert "Learning curve: ndcg@10" in drawn
    assert "most_popular" in drawn
    assert "markov" in drawn
    assert "From submission to registration: extract" in drawn
    for part in ("What a day would cost on Google Cloud", "recsys-steps-blue", "created", "recsys-train-blue"):
        assert part in first.page


def test_the_console_shows_the_run_its_graph_and_the_curve_of_its_training(checkout: Checkout, first: First) -> None:
    done = checkout.make("console")
    assert done.returncode == 0, done.stdout + done.stderr
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(done.stdout.splitlines()[-1], timeout=30).text
    assert f'aria-label="Tasks of {first.report["pipeline_run"]["name"].rpartition("/")[2]}"' in page
    for task in first.report["pipeline_run"]["tasks"]:
        assert f'aria-label="{task["name"]}: succeeded' in page
    assert re.search(r'aria-label="train_loss: \d+ points', page)
    assert "0 of 1</b> replica busy" in page


def test_the_same_data_again_changes_no_resource_and_loads_no_event_twice(checkout: Checkout, data: Path) -> None:
    before = staged(checkout)
    again = checkout.up(data)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"0 created, 0 updated, {declared()} same, 0 deleted" in again.stdout
    assert checkout.report["resources"] == {"created": 0, "updated": 0, "same": declared(), "deleted": 0}
    assert not checkout.report["ingestion"]["loaded"]
    assert checkout.feedback_rows() == 60
    assert staged(checkout).equals(before)
    assert checkout.report["data"]["interactions"] == 600


def test_other_data_as_a_ratings_file_replaces_what_was_there(checkout: Checkout, tmp_path: Path) -> None:
    ratings = shop.write_dat(tmp_path / "ratings.dat", shop.events(50, first_user=1000))
    done = checkout.up(ratings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.feedback_rows() == 75
    assert {int(user) for user in staged(checkout)["user_id"].to_pylist()} == set(range(1000, 1050))
    assert checkout.report["data"]["interactions"] == 750
    assert checkout.report["data_description"] == "ratings.dat"


def test_a_job_that_does_not_fit_its_pool_is_refused_before_it_is_sent_from_any_folder(
    checkout: Checkout, tmp_path: Path
) -> None:
    runs = len(checkout.get(f"{LOCATION}/pipelineJobs?pageSize=100")["pipelineJobs"])
    refused = checkout.python("pipeline.submit", "--stack", "local", "machine_type=n1-highmem-8", cwd=tmp_path)
    assert refused.returncode == 3
    assert "machine_type = 'n1-highmem-8'" in refused.stderr
    assert "n1-standard-4" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(checkout.get(f"{LOCATION}/pipelineJobs?pageSize=100")["pipelineJobs"]) == runs


def test_status_says_that_all_is_as_declared_until_somebody_resumes_a_schedule_by_hand(
    checkout: Checkout, first: First
) -> None:
    as_declared = checkout.python("pipeline.status", "--stack", "local")
    assert as_declared.returncode == 0, as_declared.stdout + as_declared.stderr
    assert "as declared  champion: recsys version" in as_declared.stdout
    listed = checkout.get(f"{LOCATION}/schedules")["schedules"]
    (schedule,) = (each for each in listed if each["displayName"].endswith("nightly"))
    checkout.post(f"/v1/{schedule['name']}:resume")

    told = checkout.python("pipeline.status", "--stack", "local")
    assert told.returncode == 5
    assert "DIFFERS      schedule nightly: ACTIVE since 20" in told.stdout
    checkout.post(f"/v1/{schedule['name']}:pause")


@pytest.mark.parametrize("engine", ["embedded", "pulumi"])
def test_down_and_up_are_refused_where_the_stack_file_names_another_project(
    checkout: Checkout, first: First, data: Path, engine: str
) -> None:
    """Before either engine is started, so that it needs no real one."""
    file = checkout.root / "Pulumi.local.yaml"
    before = file.read_text()
    file.write_text(before.replace("gcp:project: recsys-local", "gcp:project: recsys-other"))
    try:
        for verb in ("down", "up"):
            refused = checkout.make(verb, f"ENGINE={engine}", f"DATA={data}")
            assert refused.returncode == 2  # make's, for 3
            assert "gcp:project = 'recsys-other': the stack's state is of project 'recsys-local'" in refused.stderr
    finally:
        file.write_text(before)


def _null_ids(folder: Path, whole: pa.Table) -> Path:
    users = pa.array([None] * 3 + whole["user_id"].to_pylist()[3:], pa.int64())
    return shop.write(folder, whole.set_column(0, "user_id", users))


def _cut_off(folder: Path, whole: pa.Table) -> Path:
    file = shop.write(folder, whole) / "interactions.parquet"
    file.write_bytes(file.read_bytes()[:2000])
    return folder


def _million_duplicates(folder: Path, whole: pa.Table) -> Path:
    return shop.write(folder, pa.table({name: pa.repeat(whole[name][0], 10**6) for name in whole.column_names}))


@pytest.mark.parametrize(
    ("make", "rule", "rows"),
    [(_null_ids, "null_ids", 3), (_cut_off, "unreadable_file", 0), (_million_duplicates, "exact_duplicates", 999_999)],
)
def test_bad_data_are_refused_by_rule_and_rows_and_nothing_is_loaded_or_registered(
    checkout: Checkout, tmp_path: Path, make: Callable[[Path, pa.Table], Path], rule: str, rows: int
) -> None:
    before = checkout.feedback_rows(), staged(checkout), model_versions(checkout)
    refused = checkout.up(make(tmp_path / "bad", shop.events(40)))
    assert refused.returncode == 3
    assert f"refused {rule}" in refused.stdout
    assert "nothing was loaded, no run was submitted" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    report = checkout.report
    findings = {found["rule"]: found["rows"] for found in report["ingestion"]["report"]["findings"]}
    assert findings[rule] == rows
    assert any(line.startswith(f"refused {rule}") for line in report["failure"])
    assert report["pipeline_run"]["state"] == "NOT_SUBMITTED"
    assert report["model"] is None
    assert (checkout.feedback_rows(), staged(checkout), model_versions(checkout)) == before
