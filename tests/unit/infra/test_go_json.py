import json
from pathlib import Path

import pytest

from infra.go_json import go_json

# Each pair as Go 1.26 wrote it after reading the left side into an interface{}.
AS_GO_WRITES = [
    ("1e-7", "1e-7"),
    ("1.5e-10", "1.5e-10"),
    ("0.000001", "0.000001"),
    ("1e20", "100000000000000000000"),
    ("1e21", "1e+21"),
    ("1.25e25", "1.25e+25"),
    ("123456789012345678901", "123456789012345680000"),
    ("9007199254740993", "9007199254740992"),
    ("-0.0", "-0"),
    ("30.0", "30"),
    ("-2.5e-8", "-2.5e-8"),
    (r'"\u0008\u000c\u0001\u007f<>&\u2028é"', '"\\b\\f\\u0001\x7f\\u003c\\u003e\\u0026\\u2028é"'),
    ('{"b": [true, null], "a": {}}', '{"a":{},"b":[true,null]}'),
]


@pytest.mark.parametrize(("read", "written"), AS_GO_WRITES)
def test_values_are_written_as_go_writes_them(read: str, written: str) -> None:
    assert go_json(json.loads(read)) == written


def test_the_form_is_the_one_that_the_provider_kept_without_a_change() -> None:
    recorded = (Path(__file__).parent / "data" / "recorded_pipeline_spec.json").read_text().rstrip("\n")

    assert go_json(json.loads(recorded)) == recorded


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_without_json_form_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=str(value)):
        go_json({"x": value})


def test_a_value_without_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match=r"PosixPath.*x"):
        go_json([Path("/x")])
