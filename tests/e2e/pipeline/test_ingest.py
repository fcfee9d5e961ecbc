"""Bringing data into a stack: bad data touches nothing, the same data loads once, other data replaces it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud.bigquery import TableReference

from contracts.problems import Refused
from pipeline import feedback_log
from pipeline.events import canonicalise, fingerprint, in_order
from pipeline.feedback_log import FeedbackLog
from pipeline.ingest import ingest
from pipeline.objects import Objects
from pipeline.snapshot import take_snapshot
from pipeline.staging import Staging
from tests.e2e.pipeline.commands import python_m
from tests.e2e.pipeline.platform import PROJECT, LocalPlatform
from tests.unit.pipeline.example import interactions, write


@pytest.fixture
def stack(platform: LocalPlatform) -> LocalPlatform:
    return platform.with_feedback()


def shop(folder: Path, *, shift: int = 0, items: bool = True, **columns: Any) -> Path:
    """A folder of data; another `shift` is other data."""
    changed = {"item_id": [(item + shift) % 40 for item in interactions()["item_id"]]} | columns
    write(folder / "interactions.parquet", interactions(**changed))
    if items:
        write(
            folder / "items.parquet", {"item_id": list(range(40)), "title": [f"item {n} of {shift}" for n in range(40)]}
        )
    return folder


def staged_items(stack: LocalPlatform) -> list[str]:
    staging = Staging(Objects(stack.clients.storage), stack.outputs.staging_prefix)
    content = Objects(stack.clients.storage).read(staging.items_uri)
    return pq.read_table(pa.BufferReader(content))["title"].to_pylist()


def snapshot(stack: LocalPlatform) -> Any:
    objects = Objects(stack.clients.storage)
    staging = Staging(objects, stack.outputs.staging_prefix)
    log = FeedbackLog(stack.clients, stack.outputs.feedback_table)
    return take_snapshot(objects, staging, log, f"{stack.outputs.snapshot_prefix}/run")


def test_history_is_staged_and_the_last_tenth_is_logged(stack: LocalPlatform, tmp_path: Path) -> None:
    done = ingest(stack.outputs, shop(tmp_path / "a"))
    assert (done.accepted, done.staged, done.loaded) == (True, True, True)
    assert (done.history_rows, done.log_rows) == (900, 100)
    assert stack.rows() == [(100,)]
    assert stack.rows("MIN(event_order), MAX(event_order), COUNT(DISTINCT logged_at)") == [(900, 999, 1)]


def test_united_again_history_and_log_are_the_data_that_was_brought(stack: LocalPlatform, tmp_path: Path) -> None:
    done = ingest(stack.outputs, shop(tmp_path / "a"))
    taken = snapshot(stack)
    assert taken.fingerprint == done.fingerprint
    assert (taken.interactions, taken.history_rows, taken.recent_rows) == (1000, 900, 100)
    assert taken.has_items


def test_the_same_data_twice_loads_nothing_twice(stack: LocalPlatform, tmp_path: Path) -> None:
    first = ingest(stack.outputs, shop(tmp_path / "a"))
    again = ingest(stack.outputs, shop(tmp_path / "b"))
    assert (again.staged, again.loaded) == (False, False)
    assert again.fingerprint == first.fingerprint
    assert stack.rows() == [(100,)]
    assert "nothing was loaded twice" in again.text()


def test_other_data_replaces_the_first_and_the_first_can_come_back(stack: LocalPlatform, tmp_path: Path) -> None:
    a, b = shop(tmp_path / "a"), shop(tmp_path / "b", shift=3)
    first = ingest(stack.outputs, a)
    other = ingest(stack.outputs, b)
    assert (other.staged, other.loaded) == (True, True)
    assert other.fingerprint != first.fingerprint
    assert snapshot(stack).fingerprint == other.fingerprint
    assert staged_items(stack)[0] == "item 0 of 3"
    assert (ingest(stack.outputs, a).loaded, snapshot(stack).fingerprint) == (True, first.fingerprint)
    assert stack.rows() == [(100,)]


def test_a_catalog_that_the_new_data_does_not_have_goes_away(stack: LocalPlatform, tmp_path: Path) -> None:
    ingest(stack.outputs, shop(tmp_path / "a"))
    ingest(stack.outputs, shop(tmp_path / "b", items=False))
    assert not snapshot(stack).has_items


class Killed(BaseException):
    pass


def test_an_ingestion_that_died_before_loading_is_finished_by_the_next(
    stack: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(stack.outputs, shop(tmp_path / "a"))

    def die(*_: Any, **__: Any) -> bool:
        raise Killed

    b = shop(tmp_path / "b", shift=3)
    with monkeypatch.context() as patched:
        patched.setattr(FeedbackLog, "replace", die)
        with pytest.raises(Killed):
            ingest(stack.outputs, b)
    with pytest.raises(Refused, match="its ingestion was interrupted before the log was loaded"):
        snapshot(stack)
    healed = ingest(stack.outputs, b)
    assert (healed.staged, healed.loaded) == (False, True)
    assert snapshot(stack).fingerprint == healed.fingerprint


def test_an_ingestion_that_died_after_loading_loads_nothing_again(
    stack: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "mark_loaded", die)
        with pytest.raises(Killed):
            ingest(stack.outputs, shop(tmp_path / "a"))
    again = ingest(stack.outputs, shop(tmp_path / "a"))
    assert (again.staged, again.loaded) == (False, False)
    assert snapshot(stack).fingerprint == again.fingerprint


def test_a_table_that_was_made_anew_is_loaded_anew(stack: LocalPlatform, tmp_path: Path) -> None:
    ingest(stack.outputs, shop(tmp_path / "a"))
    stack.with_feedback()
    again = ingest(stack.outputs, shop(tmp_path / "a"))
    assert (again.staged, again.loaded) == (False, True)
    assert stack.rows() == [(100,)]


def test_a_live_log_is_not_deleted_unasked(stack: LocalPlatform, tmp_path: Path) -> None:
    row = {"user_id": "u", "item_id": "i", "event_time": "2026-01-01T00:00:00Z", "event_order": 1}
    table = f"{PROJECT}.{stack.outputs.feedback_table}"
    assert stack.clients.bigquery.insert_rows_json(table, [row | {"logged_at": "2026-01-01T00:00:00Z"}]) == []
    with pytest.raises(Refused, match=r"feedback = '1 rows' \(1 rows\): .* --replace"):
        ingest(stack.outputs, shop(tmp_path / "a"))
    assert stack.rows() == [(1,)]
    assert ingest(stack.outputs, shop(tmp_path / "a"), replace_foreign=True).loaded
    assert stack.rows() == [(100,)]


def test_a_large_log_travels_as_files_and_leaves_none_behind(
    stack: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = ingest(stack.outputs, shop(tmp_path / "a"))
    monkeypatch.setattr(feedback_log, "_PAGED_ROWS", 10)
    assert snapshot(stack).fingerprint == done.fingerprint
    left = Objects(stack.clients.storage).list(f"{stack.outputs.snapshot_prefix}/run/")
    assert sorted(uri.rpartition("/")[2] for uri in left) == ["interactions.parquet", "items.parquet", "snapshot.json"]


def test_a_table_comes_back_from_its_files_as_it_is(stack: LocalPlatform, tmp_path: Path) -> None:
    ingest(stack.outputs, shop(tmp_path / "a"))
    log = FeedbackLog(stack.clients, stack.outputs.feedback_table)
    table = TableReference.from_string(f"{PROJECT}.{stack.outputs.feedback_table}")
    found = log._as_files(table, f"{stack.outputs.snapshot_prefix}/run/workspace")
    assert found is not None
    paged = log.events_after(0, 0, workspace="")
    assert fingerprint(in_order(canonicalise(found)[0])) == fingerprint(in_order(paged))
    assert Objects(stack.clients.storage).list(f"{stack.outputs.snapshot_prefix}/run/") == []


def test_live_events_after_the_cut_are_part_of_the_next_snapshot(stack: LocalPlatform, tmp_path: Path) -> None:
    ingest(stack.outputs, shop(tmp_path / "a"))
    table = f"{PROJECT}.{stack.outputs.feedback_table}"
    early = {"user_id": "0", "item_id": "1", "event_time": "2014-01-01T00:00:00Z", "event_order": 1}
    late = {"user_id": "0", "item_id": "1", "event_time": "2025-01-01T00:00:00Z", "event_order": 1}
    logged = [event | {"logged_at": "2026-01-01T00:00:00Z"} for event in (early, late, late)]
    assert stack.clients.bigquery.insert_rows_json(table, logged) == []
    taken = snapshot(stack)
    assert taken.interactions == 1001
    assert (taken.recent_rows, taken.repeated_deliveries) == (101, 1)


def test_the_load_keeps_the_tables_schema_partitions_and_expiry(stack: LocalPlatform, tmp_path: Path) -> None:
    table = f"{PROJECT}.{stack.outputs.feedback_table}"
    before = stack.clients.bigquery.get_table(table)
    ingest(stack.outputs, shop(tmp_path / "a"))
    after = stack.clients.bigquery.get_table(table)
    assert after.schema == before.schema
    assert after.time_partitioning == before.time_partitioning
    assert after.clustering_fields == before.clustering_fields


def test_bad_data_touches_nothing_and_is_told_without_a_traceback(stack: LocalPlatform, tmp_path: Path) -> None:
    data = shop(tmp_path / "bad", user_id=[None, None, *interactions()["user_id"][2:]])
    report = tmp_path / "report.json"
    outputs = stack.write_outputs(tmp_path)
    ended = python_m(
        "pipeline.ingest", "--stack", "local", "--outputs", outputs, "--data", data, "--json", report, cwd=tmp_path
    )
    assert ended.returncode == 3
    assert "refused null_ids [user_id] 2 rows (for example row 0)" in ended.stdout
    assert "Nothing was loaded." in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    written = json.loads(report.read_text())
    assert written["accepted"] is False
    assert [(finding["rule"], finding["rows"]) for finding in written["report"]["findings"]] == [("null_ids", 2)]
    assert stack.rows() == [(0,)]
    assert Objects(stack.clients.storage).list(f"{stack.outputs.staging_prefix}/") == []


def test_good_data_is_brought_by_the_command_from_any_folder(stack: LocalPlatform, tmp_path: Path) -> None:
    outputs = stack.write_outputs(tmp_path)
    data = shop(tmp_path / "a")
    ended = python_m("pipeline.ingest", "--stack", "local", "--outputs", outputs, "--data", data, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "staged and loaded (900 in the staging file, 100 in the log" in ended.stdout
    assert stack.rows() == [(100,)]
