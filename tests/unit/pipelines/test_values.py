from typing import Any

import pytest

from local.cloud.pipelines.values import WrongTypeError, adapted, coerced, parsed, text_of


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (3.0, "NUMBER_INTEGER", 3),
        (3, "NUMBER_DOUBLE", 3.0),
        ("a", "STRING", "a"),
        ([1.0], "LIST", [1.0]),
        (True, "BOOLEAN", True),
    ],
)
def test_a_number_from_json_becomes_what_is_declared(value: Any, kind: str, expected: Any) -> None:
    result = coerced(value, kind)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3.5, "NUMBER_INTEGER"),
        (True, "NUMBER_INTEGER"),
        ("3", "NUMBER_INTEGER"),
        (3, "STRING"),
        ("[]", "LIST"),
        (1, "BOOLEAN"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(WrongTypeError, match=kind):
        coerced(value, kind)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("3", "NUMBER_INTEGER", 3),
        ("True", "BOOLEAN", True),
        ('{"a": 1}', "STRUCT", {"a": 1}),
        (" x\n", "STRING", " x\n"),
    ],
)
def test_an_output_file_is_read_by_its_type(text: str, kind: str, expected: Any) -> None:
    assert parsed(text, kind) == expected


def test_between_components_a_value_is_adapted() -> None:
    assert adapted(3.0, "STRING") == "3.0"
    assert adapted("3", "NUMBER_INTEGER") == 3
    assert adapted({"a": 1}, "STRING") == '{"a": 1}'


def test_text_is_json_but_for_strings() -> None:
    assert [text_of(value) for value in ("a", 3, 0.5, True, None, ["é"])] == ["a", "3", "0.5", "true", "null", '["é"]']
