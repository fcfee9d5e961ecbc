"""Expressions give what BigQuery's reference says, in the types that it says."""

import datetime
import math
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from local.cloud.bigquery.described import described
from local.cloud.bigquery.dialect import in_duckdb
from local.cloud.bigquery.farmhash import fingerprint
from local.cloud.bigquery.translate import parse
from local.cloud.bigquery.warehouse import Warehouse
from local.cloud.errors import ApiError

_LINES = (Path(__file__).parents[2] / "data/googlesql/expressions.txt").read_text().splitlines()
EXAMPLES = [line.rpartition(" => ")[::2] for line in _LINES if line and not line.startswith("#")]
_NAMES = {
    "datetime": datetime,
    "Decimal": Decimal,
    "inf": math.inf,
    "ts": lambda text: datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC),
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    warehouse = Warehouse(tmp_path_factory.mktemp("warehouse"))
    yield warehouse
    warehouse.close()


def evaluate(warehouse, expression):
    with warehouse.reading() as cursor:
        fields, sql = described(cursor, in_duckdb(parse(f"SELECT {expression} AS v")))
        return fields[0], cursor.execute(sql).fetchone()[0]


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES)
def test_an_expression_gives_what_the_reference_says(warehouse, expression, expected):
    if expected == "ERR":
        with pytest.raises((duckdb.Error, ApiError)):
            evaluate(warehouse, expression)
        return
    wanted = eval(expected, _NAMES)  # noqa: S307
    field, found = evaluate(warehouse, expression)
    assert type(found) is type(wanted)
    assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)
    assert (field["type"] in ("NUMERIC", "BIGNUMERIC")) == isinstance(wanted, Decimal)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("BIGNUMERIC '1.5'", "BIGNUMERIC"),
        ("BIGNUMERIC '1.5' + 1", "BIGNUMERIC"),
        ("NUMERIC '1.5' * NUMERIC '1.5'", "NUMERIC"),
        ("TO_JSON(1)", "JSON"),
        ("JSON_OBJECT('a', 1)", "JSON"),
        ("TO_JSON_STRING(1)", "STRING"),
    ],
)
def test_an_expression_has_the_type_that_the_reference_says(warehouse, expression, kind):
    assert evaluate(warehouse, expression)[0]["type"] == kind


def test_there_are_enough_examples():
    assert len(EXAMPLES) > 800


@pytest.mark.parametrize(
    ("text", "value"),  # of Google's own implementation
    [
        ("", -7286425919675154353),
        ("a", -5528939962900187677),
        ("abcdefghij", -8486264482287339525),
        ("x" * 20, 8233088228747857348),
        ("y" * 40, 276292113409495006),
        ("z" * 100, 9220849947163966073),
        ("w" * 200, 5137922210105849728),
    ],
)
def test_fingerprints_of_every_length_are_farmhashs(text, value):
    assert fingerprint(text.encode()) == value


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "copy (select 1) to '/tmp/out.csv'",
        "attach '/tmp/other.db'",
        "install httpfs",
        "set enable_external_access = true",
        "export database '/tmp/out'",
    ],
)
def test_the_engine_itself_cannot_leave_its_file(warehouse, sql):
    with warehouse.reading() as cursor, pytest.raises(duckdb.Error):
        cursor.execute(sql).fetchall()


def test_the_engine_does_not_see_pythons_variables(warehouse):
    import pyarrow as pa

    secrets = pa.table({"a": [1]})
    with warehouse.reading() as cursor, pytest.raises(duckdb.Error, match="secrets"):
        cursor.execute("select * from secrets").fetchall()
    assert secrets.num_rows == 1
