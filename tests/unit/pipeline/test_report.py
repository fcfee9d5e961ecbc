"""The report's forms: a document, a table, a page that needs nothing but itself."""

import json
import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from pipeline.report import table, to_html, to_json
from pipeline.run_report import ReportExtras, RunReport

EXTRAS = ReportExtras(
    stack="local",
    engine="embedded",
    resources={"created": 0, "updated": 0, "same": 42, "deleted": 0},
    seconds={"install": 0.1, "plan": 1.5, "apply": 0.4, "total": 55.0},
    cost_per_day_usd={"training pool": 20.5, "steps pool": 4.25},
    cost_note="prices of 2026-11-01, us-central1",
    data_description="<ml-100k> & more",
    oracle={"ndcg@10": 0.3, "hr@10": 0.49},
)


def run_report(**changes: Any) -> RunReport:
    point = {"train_loss": 5.0, "metrics": {"ndcg@10": 0.06}}
    values = {
        "pipeline_run": {
            "name": "projects/acme/locations/r/pipelineJobs/recsys-1",
            "state": "PIPELINE_STATE_SUCCEEDED",
            "submitted": "2026-11-22T07:00:00+00:00",
            "seconds": 42.5,
            "tasks": [
                {
                    "name": "extract",
                    "state": "SUCCEEDED",
                    "seconds": 1.5,
                    "created_at": 0.1,
                    "started_at": 0.2,
                    "ended_at": 1.7,
                },
                {
                    "name": "train",
                    "state": "SUCCEEDED",
                    "seconds": 30.0,
                    "created_at": 2,
                    "started_at": 2,
                    "ended_at": 32,
                },
                {"name": "promote", "state": "NOT_TRIGGERED", "seconds": None},
            ],
        },
        "custom_job": {
            "name": "projects/acme/locations/r/customJobs/7",
            "state": "JOB_STATE_SUCCEEDED",
            "persistent_resource_id": "recsys-train",
            "machine_type": "n1-standard-4",
            "replicas": 1,
            "seconds_to_start": 0.1,
            "seconds_to_first_step": 1.25,
            "seconds": 29.0,
        },
        "model": {
            "uri": "gs://acme/models/recsys/recsys-1",
            "version": "projects/acme/locations/r/models/recsys@3",
            "champion": True,
            "champion_version": "projects/acme/locations/r/models/recsys@3",
            "metrics": {"ndcg@10": 0.0912, "hr@10": 0.18, "auc@10": 0.7},
            "baselines": {
                "most_popular": {"ndcg@10": 0.045, "hr@10": 0.09, "auc@10": 0.5},
                "markov": {"ndcg@10": 0.0766, "hr@10": 0.15, "auc@10": 0.6},
            },
            "compared_champion": {"ndcg@10": 0.09, "hr@10": 0.17, "auc@10": 0.69},
            "decision": "promote",
            "reasons": ["The model beats the champion: ndcg@10 0.0912 against 0.0900"],
            "users": 943,
            "items": 1682,
            "protocol": "leave-one-out",
        },
        "training": {
            "seconds": 27.0,
            "steps": 900,
            "stopped_by": "early_stopping",
            "git_sha": "abc",
            "curve": [{"step": 100, "seconds": 3.0, **point}, {"step": 200, "seconds": 6.0, **point}],
        },
        "data": None,
        "validation": None,
    }
    return RunReport.model_validate(values | changes)


class Page(HTMLParser):
    """Collects what a browser would load, and whether tags close."""

    VOID = frozenset({"meta", "br", "line", "circle", "rect", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {value}" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag in ("script", "link", "iframe", "img", "object"):
            self.loads.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def test_the_document_has_the_fields_that_others_rely_on() -> None:
    document = json.loads(json.dumps(to_json(run_report(), EXTRAS)))
    assert {"stack", "engine", "resources", "pipeline_run", "custom_job", "model", "seconds"} <= set(document)
    assert {"name", "state", "tasks"} <= set(document["pipeline_run"])
    assert {"name", "state", "seconds"} <= set(document["pipeline_run"]["tasks"][0])
    assert {"name", "state", "persistent_resource_id", "seconds_to_first_step"} <= set(document["custom_job"])
    assert {"uri", "champion", "metrics", "baselines"} <= set(document["model"])
    assert set(document["model"]["metrics"]) == {"ndcg@10", "hr@10", "auc@10"}
    assert set(document["model"]["baselines"]) == {"most_popular", "markov"}
    assert set(document["seconds"]) == {"install", "plan", "apply", "pipeline", "total"}


def test_the_page_is_whole_and_loads_nothing() -> None:
    html = to_html(run_report(), EXTRAS)
    page = read(html)
    assert page.loads == []
    assert not re.search(r"https?:|src=|@import|url\(", html)


def test_the_page_shows_curve_rivals_timeline_resources_and_cost() -> None:
    text = read(to_html(run_report(), EXTRAS)).text
    for words in ("Learning curve", "most_popular", "markov", "champion before", "best reachable", "0.3000"):
        assert words in text
    for words in (
        "From submission to registration",
        "first training step at 3.2 s",
        "created",
        "42",
        "$24.75",
        "leave-one-out",
    ):
        assert words in text


def test_what_comes_from_data_is_escaped() -> None:
    html = to_html(run_report(), EXTRAS)
    assert "&lt;ml-100k&gt; &amp; more" in html
    assert "<ml-100k>" not in html


def test_the_page_is_dark_or_light_as_the_reader_likes() -> None:
    assert "prefers-color-scheme: dark" in to_html(run_report())


def test_every_picture_says_in_words_what_it_shows() -> None:
    html = to_html(run_report(), EXTRAS)
    assert html.count("<svg ") == html.count('role="img" aria-label="')
    assert "train 30.0 s" in html


@pytest.mark.parametrize("missing", ["model", "training", "custom_job"])
def test_a_run_that_did_not_come_to_a_part_has_a_page_without_it(missing: str) -> None:
    state = {"pipeline_run": run_report().pipeline_run.model_copy(update={"state": "PIPELINE_STATE_FAILED"})}
    report = run_report(**{missing: None}, failure=["train failed: out of <memory>"], **state)
    assert "out of &lt;memory&gt;" in to_html(report)
    assert to_json(report)[missing] is None


def printed(report: RunReport) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(table(report, EXTRAS))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_table_sets_the_model_against_its_rivals() -> None:
    told = printed(run_report())
    assert re.search(r"this model\s+0\.0912\s+0\.1800\s+0\.7000", told)
    assert re.search(r"best reachable\s+0\.3000\s+0\.4900\s+–", told)
    assert "recsys-1  SUCCEEDED  extract 1.5 s, train 30.0 s" in told
    assert "training job on recsys-train: first step after 1.2 s" in told


def test_the_model_card_s_verdict_stands_in_page_and_table() -> None:
    report = run_report()
    assert report.model is not None
    card = {"run_id": "recsys-1", "verdict": "worth its machine", "words": ["It is <worth> it", "It beats all"]}
    described = report.model.model_dump() | {"card": card, "card_uri": "gs://acme/models/recsys/recsys-1/card.html"}
    report = run_report(model=described)
    text = read(to_html(report, EXTRAS)).text
    for words in ("Model card: worth its machine", "It is <worth> it", "It beats all", "recsys-1/card.html"):
        assert words in text
    assert "It is <worth> it" in printed(report)


def test_the_table_of_a_failed_run_says_why() -> None:
    assert "validate failed: null_ids" in printed(run_report(model=None, failure=["validate failed: null_ids"]))
