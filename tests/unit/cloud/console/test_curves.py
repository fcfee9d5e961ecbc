import json
from pathlib import Path

from local.cloud.console.curves import HEIGHT, WIDTH, LoggedMetrics, curve, metrics_in
from local.cloud.console.log_view import tail
from local.cloud.jobs.logs import JobLogs


def line(metric: str, value: object, step: object) -> str:
    return json.dumps({"metric": metric, "value": value, "step": step}) + "\n"


def write(logs: JobLogs, text: str) -> None:
    with logs.stream("workerpool0-0", "stdout").open("a") as file:
        file.write(text)


def test_only_lines_with_a_name_a_finite_value_and_a_step_are_metrics() -> None:
    text = [
        *(line("loss", 0.5, 1), line("loss", None, 2), line("loss", True, 3), line("loss", 0.25, None)),
        *("plain text about a metric\n", '{"metric": "torn\n', line("", 1, 1), '["metric"]\n'),
        '{"metric": "loss", "value": Infinity, "step": 4}\n',
    ]
    assert list(metrics_in([each.encode() for each in text])) == [("loss", (1.0, 0.5))]


def test_a_log_is_read_on_from_where_it_ended_and_a_torn_line_waits_for_its_rest(tmp_path: Path) -> None:
    logs, metrics = JobLogs(tmp_path), LoggedMetrics()
    whole = line("loss", 0.25, 2)
    write(logs, line("loss", 0.5, 1) + whole[:12])
    assert [(each.name, each.count) for each in metrics.of("1", logs)] == [("loss", 1)]
    write(logs, whole[12:])
    assert [(each.count, each.last) for each in metrics.of("1", logs)] == [(2, 0.25)]
    assert [each.count for each in metrics.of("1", logs)] == [2]


def test_a_long_series_is_thinned_and_keeps_its_ends(tmp_path: Path) -> None:
    logs, metrics = JobLogs(tmp_path), LoggedMetrics()
    write(logs, "".join(line("loss", 1 / step, step) for step in range(1, 20_001)))
    (found,) = metrics.of("1", logs)
    assert found.count <= 8000
    assert (found.first_x, found.last_x, found.last) == (1.0, 20_000.0, 1 / 20_000)
    assert len(found.points.split()) < 500


def test_a_curve_fills_its_picture_from_the_lowest_to_the_highest() -> None:
    found = curve("loss", [(0.0, 4.0), (5.0, 3.0), (10.0, 2.0)])
    assert found.points == f"3.0,5.0 150.0,45.0 {WIDTH - 3:.1f},{HEIGHT - 5:.1f}"
    assert (found.low, found.high, found.first_x, found.last_x) == (2.0, 4.0, 0.0, 10.0)


def test_a_series_that_does_not_change_is_a_line_in_the_middle() -> None:
    assert curve("flat", [(0.0, 7.0), (1.0, 7.0)]).points == f"3.0,{HEIGHT / 2:.1f} {WIDTH - 3:.1f},{HEIGHT / 2:.1f}"
    assert curve("one", [(3.0, 7.0)]).points == f"3.0,{HEIGHT / 2:.1f} {WIDTH - 3:.1f},{HEIGHT / 2:.1f}"


def test_the_end_of_a_long_log_is_whole_lines_and_said_to_be_the_end(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    write(logs, "".join(f"line {number:06d} {'.' * 90}\n" for number in range(5000)))
    found = tail(logs)
    assert found.is_cut
    assert len(found.lines) == 200
    assert found.lines[-1].text.startswith("line 004999 ")
    assert all(each.text.startswith("line ") and each.text.endswith(".") for each in found.lines)
    assert len({each.key for each in found.lines}) == 200


def test_a_line_of_a_log_keeps_its_key_when_the_log_grows(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    write(logs, "one\ntwo\n")
    before = {each.text: each.key for each in tail(logs).lines}
    write(logs, f"{'x' * 70_000}\ntail\n")
    write(logs, "three\n")
    after = {each.text: each.key for each in tail(logs).lines}
    assert set(after) == {"tail", "three"}
    write(logs, "four\n")
    later = {each.text: each.key for each in tail(logs).lines}
    assert (later["tail"], later["three"]) == (after["tail"], after["three"])
    assert not set(before.values()) & set(later.values())


def test_json_lines_read_as_sentences(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    write(logs, json.dumps({"severity": "WARNING", "message": "slow", "seconds": 3, "run_id": "r"}) + "\n")
    write(logs, line("ndcg@10", 0.123456, 1200))
    write(logs, '{"not": "closed"\n')
    told = [(each.text, each.tone) for each in tail(logs).lines]
    assert told == [("slow  seconds=3", "warn"), ("step 1,200  ndcg@10 = 0.1235", ""), ('{"not": "closed"', "")]
