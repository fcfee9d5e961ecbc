from datetime import UTC, datetime
from pathlib import Path

from local.cloud.jobs.logs import JobLogs, log_entry

FIRST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


def test_a_line_is_as_old_as_the_first_record_that_holds_it(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    out, err = logs.stream("workerpool0-0", "stdout"), logs.stream("workerpool0-0", "stderr")
    out.write_text("one\n")
    logs.note_growth("workerpool0-0", FIRST)
    out.write_text("one\ntwo\n")
    err.write_text("oops\n")
    logs.note_growth("workerpool0-0", SECOND)
    assert [(line.text, line.time) for line in logs.lines()] == [("one", FIRST), ("two", SECOND), ("oops", SECOND)]


def test_what_was_never_recorded_is_as_old_as_its_file(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    logs.stream("workerpool0-0", "stdout").write_text("one\ncut off by a kill")
    assert [line.text for line in logs.lines()] == ["one", "cut off by a kill"]


def test_a_json_line_becomes_the_payload_and_gives_the_entry_its_time_and_severity(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    logs.stream("workerpool0-0", "stdout").write_text(
        '{"severity": "WARNING", "time": "2026-01-02T04:04:05+01:00", "metric": "loss", "value": 1.5}\n'
    )
    entry = log_entry(logs.lines()[0], project="acme", job_id="42")
    assert entry["severity"] == "WARNING"
    assert entry["timestamp"] == "2026-01-02T03:04:05.000000Z"
    assert entry["jsonPayload"] == {"metric": "loss", "value": 1.5}
    assert entry["resource"] == {
        "type": "ml_job",
        "labels": {"job_id": "42", "project_id": "acme", "task_name": "workerpool0-0"},
    }


def test_plain_text_is_an_error_only_on_stderr(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    logs.stream("workerpool0-0", "stdout").write_text("{not json}\n")
    logs.stream("workerpool0-0", "stderr").write_text("oops\n")
    entries = {
        entry["textPayload"]: entry["severity"]
        for entry in (log_entry(x, project="p", job_id="1") for x in logs.lines())
    }
    assert entries == {"{not json}": "INFO", "oops": "ERROR"}


def test_the_tail_is_stderr_s_where_there_is_one(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    logs.stream("workerpool0-0", "stdout").write_text("fine\n")
    assert logs.tail("workerpool0-0") == ["fine"]
    logs.stream("workerpool0-0", "stderr").write_text("\n".join(map(str, range(50))))
    assert logs.tail("workerpool0-0", lines=2) == ["48", "49"]
