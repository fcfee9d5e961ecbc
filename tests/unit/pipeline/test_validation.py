"""What is refused, dropped or only told, by which rule, with how many rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from contracts.problems import Refused
from pipeline.event_times import TimeUnit
from pipeline.row_rules import Finding
from pipeline.validation import ValidationReport, check_file, check_items
from tests.unit.pipeline.example import interactions, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def checked(tmp_path: Path, **columns: Any) -> ValidationReport:
    path = write(tmp_path / "interactions.parquet", interactions(**columns))
    return check_file(path, subject="shop", now=NOW).report


def with_first(name: str, *values: Any) -> list[Any]:
    """A column whose first values are the given ones."""
    return [*values, *interactions()[name][len(values) :]]


def found(report: ValidationReport, rule: str) -> Finding:
    assert rule in [finding.rule for finding in report.findings], report.text()
    return next(finding for finding in report.findings if finding.rule == rule)


def test_a_plausible_shop_is_accepted_and_counted(tmp_path: Path) -> None:
    report = checked(tmp_path)
    assert report.accepted
    assert report.findings == ()
    assert (report.interactions, report.users, report.items) == (1000, 50, 40)
    assert report.time_unit is TimeUnit.SECONDS
    assert report.text().startswith(
        "shop: accepted\n  1,000 interactions of 50 users with 40 items, 2015-01-01 to 2015-01-12"
    )


@pytest.mark.parametrize(
    ("columns", "rule", "rows", "example"),
    [
        ({"user_id": with_first("user_id", None, None)}, "null_ids", 2, "row 0"),
        ({"item_id": with_first("item_id", 1, None)}, "null_ids", 1, "row 1"),
        ({"timestamp": with_first("timestamp", None)}, "null_timestamps", 1, "row 0"),
        ({"timestamp": with_first("timestamp", 1.5e9, float("nan"))}, "null_timestamps", 1, "row 1"),
        ({"timestamp": with_first("timestamp", 1_500_000_000, -5, -1)}, "negative_timestamps", 2, "-5 s in row 1"),
        ({"timestamp": with_first("timestamp", 4_200_000_000)}, "impossible_timestamps", 1, "2103-02-04 in row 0"),
        ({"user_id": [" ", *map(str, interactions()["user_id"][1:])]}, "empty_ids", 1, "row 0"),
        ({"rating": with_first("rating", float("inf"), float("nan"))}, "infinite_ratings", 2, "inf in row 0"),
    ],
)
def test_bad_rows_are_refused_by_name_with_their_number_and_the_first(
    tmp_path: Path, columns: dict[str, Any], rule: str, rows: int, example: str
) -> None:
    report = checked(tmp_path, **columns)
    finding = found(report, rule)
    assert not report.accepted
    assert (finding.verdict, finding.rows, finding.example) == ("refused", rows, example)
    assert f"refused {rule}" in report.text()


@pytest.mark.parametrize(
    ("columns", "rule", "words"),
    [
        ({"item_id": None}, "missing_column", "the file has user_id, timestamp, rating"),
        ({"user_id": [1.5] * 1000}, "wrong_type", "user_id must hold integers or strings, not double"),
        ({"timestamp": ["2020-01-01"] * 1000}, "wrong_type", "timestamp must hold numbers or timestamps, not string"),
        ({"rating": ["good"] * 1000}, "wrong_type", "rating must hold numbers, not string"),
    ],
)
def test_bad_columns_are_refused_before_any_row_is_read(
    tmp_path: Path, columns: dict[str, Any], rule: str, words: str
) -> None:
    report = checked(tmp_path, **columns)
    assert not report.accepted
    assert words in found(report, rule).says


def test_all_bad_columns_are_told_at_once(tmp_path: Path) -> None:
    report = checked(tmp_path, item_id=None, timestamp=["x"] * 1000)
    assert {(finding.rule, finding.column) for finding in report.refusals} == {
        ("missing_column", "item_id"),
        ("wrong_type", "timestamp"),
    }


def test_a_doubled_column_is_refused(tmp_path: Path) -> None:
    columns = interactions()
    names = [*columns, "user_id"]
    table = pa.Table.from_arrays([pa.array(columns[name]) for name in names], names=names)
    report = check_file(write(tmp_path / "interactions.parquet", table), subject="shop").report
    assert found(report, "doubled_column").says == "2 columns are called 'user_id'"


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed_in_the_middle(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (truncated, "unreadable_file"),
        (zeroed_in_the_middle, "unreadable_file"),
        (lambda content: content[:-8] + b"\x00" * 8, "unreadable_file"),
        (lambda _: b"user_id,item_id\n1,2\n", "unreadable_file"),
        (lambda _: b"", "empty_file"),
    ],
)
def test_damaged_files_are_refused_without_a_traceback(
    tmp_path: Path, damage: Callable[[bytes], bytes], rule: str
) -> None:
    path = write(tmp_path / "interactions.parquet", interactions(20_000))
    path.write_bytes(damage(path.read_bytes()))
    report = check_file(path, subject="shop").report
    assert "interactions.parquet" in found(report, rule).says
    assert not report.accepted


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    report = check_file(tmp_path / "interactions.parquet", subject="shop").report
    assert found(report, "missing_file").says == "there is no file interactions.parquet"


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "interactions.parquet", pa.table(interactions()).slice(0, 0))
    assert found(check_file(path, subject="shop").report, "empty_file").says == "there are no interactions"


@pytest.mark.parametrize(("repeated", "verdict"), [(9, "dropped"), (10, "dropped"), (11, "refused"), (500, "refused")])
def test_exact_duplicates_below_one_percent_are_dropped_and_counted(
    tmp_path: Path, repeated: int, verdict: str
) -> None:
    table = pa.table(interactions(1000))
    table = pa.concat_tables([table, table.slice(0, repeated)])
    checked = check_file(write(tmp_path / "interactions.parquet", table), subject="shop", now=NOW)
    finding = found(checked.report, "exact_duplicates")
    assert (finding.verdict, finding.rows, checked.report.dropped_duplicates) == (verdict, repeated, repeated)
    assert checked.report.accepted == (verdict == "dropped")
    assert checked.events is not None
    assert checked.events.num_rows == 1000


def test_the_same_user_item_and_time_with_another_rating_is_no_duplicate(tmp_path: Path) -> None:
    table = pa.table(interactions(1000))
    other = table.slice(0, 100).set_column(3, "rating", pa.array([9.0] * 100))
    report = check_file(write(tmp_path / "a.parquet", pa.concat_tables([table, other])), subject="shop", now=NOW).report
    assert report.accepted
    assert report.dropped_duplicates == 0


def test_a_million_equal_rows_are_refused_quickly(tmp_path: Path) -> None:
    rows = 1_000_000
    same = {name: pa.repeat(pa.scalar(value), rows) for name, value in (("user_id", 7), ("item_id", 8))}
    path = write(tmp_path / "a.parquet", same | {"timestamp": pa.repeat(pa.scalar(1_500_000_000), rows)})
    report = check_file(path, subject="shop").report
    assert found(report, "exact_duplicates").rows == rows - 1
    assert not report.accepted


@pytest.mark.parametrize(
    ("first", "rule", "words"),
    [
        (400_000_000, "early_timestamps", "times lie before 1990"),
        (1_893_456_000, "future_timestamps", "times lie in the future"),
    ],
)
def test_unusual_years_only_warn(tmp_path: Path, first: int, rule: str, words: str) -> None:
    report = checked(tmp_path, timestamp=with_first("timestamp", first))
    assert report.accepted
    finding = found(report, rule)
    assert (finding.verdict, finding.rows, finding.says) == ("warned", 1, words)


def test_ordinals_are_told_and_have_no_years_to_warn_about(tmp_path: Path) -> None:
    report = checked(tmp_path, timestamp=list(range(1000)))
    assert report.accepted
    assert report.findings == ()
    assert "ordinals" in report.text()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (interactions(60), "60 interactions where at least 100 are needed"),
        (interactions(user_id=list(range(1000))), "0 users with at least 3 interactions where at least 10 are needed"),
        (interactions(user_id=[row // 3 for row in range(1000)]), "0 users with at least 4 interactions, who alone"),
        (interactions(item_id=[row % 5 for row in range(1000)]), "5 items where at least 10 are needed"),
    ],
)
def test_too_little_to_train_on_is_refused(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    report = check_file(write(tmp_path / "a.parquet", columns), subject="shop", now=NOW).report
    assert words in found(report, "too_little_data").says
    assert not report.accepted


def test_a_refused_report_raises_with_rule_rows_and_fix(tmp_path: Path) -> None:
    report = checked(tmp_path, user_id=with_first("user_id", None, None))
    with pytest.raises(Refused, match=r"null_ids \[user_id\] = 'row 0' \(2 rows\): .*Drop these rows"):
        report.require_accepted()


def test_the_report_survives_json(tmp_path: Path) -> None:
    report = checked(tmp_path, user_id=with_first("user_id", None))
    assert ValidationReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("items", "rule", "verdict"),
    [
        ({"id": [1, 2]}, "missing_column", "refused"),
        ({"item_id": [0.5]}, "wrong_type", "refused"),
        ({"item_id": [1, None]}, "null_ids", "refused"),
        ({"item_id": ["1", "1", "2"]}, "repeated_items", "refused"),
        ({"item_id": ["1"]}, "unlisted_items", "warned"),
    ],
)
def test_a_bad_catalog_is_found(tmp_path: Path, items: dict[str, Any], rule: str, verdict: str) -> None:
    findings = check_items(write(tmp_path / "items.parquet", items), pa.array(["1", "2"]))
    assert (rule, verdict) in [(finding.rule, finding.verdict) for finding in findings]


def test_a_catalog_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "items.parquet", {"item_id": list(range(5000)), "title": [f"item {n}" for n in range(5000)]}
    )
    path.write_bytes(truncated(path.read_bytes()))
    assert [finding.rule for finding in check_items(path)] == ["unreadable_file"]


def test_a_catalog_that_lists_more_than_was_bought_is_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "items.parquet", {"item_id": [1, 2, 3], "price": [1.0, None, 2.0]})
    assert check_items(path, pa.array(["1"])) == []


@pytest.mark.parametrize(
    ("most", "few", "rule", "words"),
    [
        (1, 10**3, "impossible_timestamps", "most of the column is in another unit"),
        (10**3, 1, "mixed_time_units", "most of the column is milliseconds, and these are seconds"),
        (10**6, 10**3, "mixed_time_units", "most of the column is microseconds, and these are milliseconds"),
        (10**9, 1, "mixed_time_units", "most of the column is nanoseconds, and these are seconds"),
    ],
)
def test_a_column_that_mixes_units_is_refused_in_either_direction(
    tmp_path: Path, most: int, few: int, rule: str, words: str
) -> None:
    seconds = interactions()["timestamp"]
    times = [second * (few if row in (3, 5) else most) for row, second in enumerate(seconds)]
    finding = found(checked(tmp_path, timestamp=times), rule)
    assert (finding.verdict, finding.rows) == ("refused", 2)
    assert "row 3" in finding.example
    assert words in finding.says


def test_calendar_times_among_ordinals_are_refused(tmp_path: Path) -> None:
    finding = found(checked(tmp_path, timestamp=[*range(999), 1_500_000_000]), "mixed_time_units")
    assert (finding.rows, finding.says) == (1, "most of the column is ordinals, and these are seconds")


def test_a_time_of_zero_only_warns_in_every_unit(tmp_path: Path) -> None:
    for factor in (1, 10**3, 10**6, 10**9):
        report = checked(tmp_path, timestamp=[0, *(second * factor for second in interactions()["timestamp"][1:])])
        assert [finding.verdict for finding in report.findings] == ["warned"]


def test_a_catalog_with_two_columns_of_ids_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["item_id", "item_id"])
    (finding,) = check_items(write(tmp_path / "items.parquet", table))
    assert (finding.rule, finding.says) == ("doubled_column", "2 columns are called 'item_id'")
