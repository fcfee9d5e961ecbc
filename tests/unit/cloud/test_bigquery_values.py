"""Values on their way in and out."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.bigquery.arrow import arrow_field
from local.cloud.bigquery.detect import detected
from local.cloud.bigquery.rows import decimal_text, json_rows
from local.cloud.bigquery.values import BadValue, row_of, value_of

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def field(kind, mode="NULLABLE", name="v", **more):
    return {"name": name, "type": kind, "mode": mode, **more}


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("INTEGER", "5", 5),
        ("INTEGER", 5.0, 5),
        ("INT64", "-9223372036854775808", -(2**63)),
        ("FLOAT", "1e3", 1000.0),
        ("FLOAT64", 1, 1.0),
        ("BOOLEAN", "Y", True),
        ("BOOL", False, False),
        ("STRING", 5, "5"),
        ("STRING", True, "true"),
        ("BYTES", "YWJj", b"abc"),
        ("NUMERIC", "1.5", Decimal("1.5")),
        ("TIMESTAMP", "2026-01-02T03:04:05.678901Z", MOMENT),
        ("TIMESTAMP", "2026-01-02 03:04:05.678901 UTC", MOMENT),
        ("TIMESTAMP", "2026-01-02 05:04:05.678901+02:00", MOMENT),
        ("TIMESTAMP", "2026-01-01 23:04:05.678901-4", MOMENT),
        ("TIMESTAMP", "2026-01-02 03:04:05.678901", MOMENT),
        ("TIMESTAMP", 1767323045.678901, MOMENT),
        ("TIMESTAMP", "1767323045.678901", MOMENT),
        ("DATETIME", "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
        ("DATE", "2026-1-2", date(2026, 1, 2)),
        ("TIME", "03:04:05", time(3, 4, 5)),
        ("JSON", {"a": 1}, '{"a": 1}'),
    ],
)
def test_a_value_is_read_in_every_form_that_bigquery_takes(kind, given, read):
    assert value_of(field(kind), given) == read


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("INTEGER", "1.5"),
        ("INTEGER", "9223372036854775808"),
        ("INTEGER", True),
        ("FLOAT", "x"),
        ("BOOLEAN", "maybe"),
        ("BYTES", "%%"),
        ("NUMERIC", "1e40"),
        ("TIMESTAMP", "yesterday"),
        ("TIMESTAMP", "2026-13-01"),
        ("DATE", "2026-02-30"),
        ("STRING", ["a"]),
    ],
)
def test_a_value_of_another_type_is_refused_by_what_it_is(kind, given):
    with pytest.raises(BadValue) as refused:
        value_of(field(kind), given)
    assert repr(given) in refused.value.what


def test_a_refusal_names_the_path_of_the_field():
    record = field("RECORD", name="r", fields=[field("INTEGER", name="n")])
    with pytest.raises(BadValue) as refused:
        row_of([record], {"r": {"n": "x"}})
    assert refused.value.where == "r.n"
    with pytest.raises(BadValue, match=r"no such field: nope") as refused:
        row_of([record], {"r": {"nope": 1}})
    assert refused.value.where == "r.nope"
    assert row_of([record], {"r": {"nope": 1}}, ignore_unknown=True) == {"r": {"n": None}}


CASES = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "FLOAT": st.floats(allow_nan=False),
    "STRING": st.text(),
    "BOOLEAN": st.booleans(),
    "BYTES": st.binary(),
    "TIMESTAMP": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    "DATE": st.dates(),
    "NUMERIC": st.decimals("-99999999999999999999999999999", "99999999999999999999999999999", places=9),
}


@pytest.mark.parametrize("kind", CASES)
@given(data=st.data())
def test_what_is_written_as_json_is_read_back_the_same(kind, data):
    value = data.draw(CASES[kind])
    column = field(kind)
    table = pa.table({"v": pa.array([value], arrow_field(column).type)})
    [row] = json_rows(table, [column], int64_timestamps=False)
    assert value_of(column, row["f"][0]["v"]) == value


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2008, 12, 25, 15, 30, tzinfo=UTC), "1.230219E9"),
        (datetime(1970, 1, 1, tzinfo=UTC), "0.0"),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "1.0"),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), "-0.5"),
    ],
)
def test_a_timestamp_without_format_options_is_seconds_as_a_double(moment, text):
    table = pa.table({"v": pa.array([moment], pa.timestamp("us", "UTC"))})
    [row] = json_rows(table, [field("TIMESTAMP")], int64_timestamps=False)
    assert row["f"][0]["v"] == text


def test_nested_rows_are_nested_cells():
    column = field("RECORD", "REPEATED", fields=[field("INTEGER", name="x"), field("STRING", "REPEATED", name="y")])
    table = pa.table({"v": pa.array([[{"x": 1, "y": ["a"]}], None], arrow_field(column).type)})
    rows = json_rows(table, [column], int64_timestamps=True)
    assert rows[0]["f"][0]["v"] == [{"v": {"f": [{"v": "1"}, {"v": [{"v": "a"}]}]}}]
    assert rows[1]["f"][0]["v"] == []


def test_decimals_have_no_exponent_and_no_trailing_zeros():
    assert [decimal_text(Decimal(text)) for text in ("1.500000000", "1E+3", "0E-9", "-0.000000001")] == [
        "1.5",
        "1000",
        "0",
        "-0.000000001",
    ]


def test_the_narrowest_type_that_holds_all_values_is_detected():
    rows = [
        {"i": 1, "f": 1, "m": "1", "d": "2026-01-02", "r": {"x": 1}, "a": [1], "bad name": "x"},
        {"i": None, "f": 1.5, "m": "x", "d": "2026-01-02 03:04:05", "r": {"y": True}, "a": [2.5]},
    ]
    found = {each["name"]: (each["type"], each["mode"]) for each in detected(rows)}
    assert found == {
        "i": ("INTEGER", "NULLABLE"),
        "f": ("FLOAT", "NULLABLE"),
        "m": ("STRING", "NULLABLE"),
        "d": ("TIMESTAMP", "NULLABLE"),
        "r": ("RECORD", "NULLABLE"),
        "a": ("FLOAT", "REPEATED"),
        "bad_name": ("STRING", "NULLABLE"),
    }
