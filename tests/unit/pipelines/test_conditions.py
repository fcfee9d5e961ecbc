import pytest

from local.cloud.pipelines.conditions import ConditionError, holds, parse

VALUES = {"n": 3, "x": 0.5, "s": "it's", "t": "true", "b": True, "whole": 3.0}


def p(name: str) -> str:
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"int({p('n')}) > 2", True),
        (f"int({p('n')}) >= 4", False),
        (f"{p('whole')} == 3", True),
        (f"{p('x')} < 1e0 && {p('n')} != 4", True),
        (f"{p('s')} == 'it\\'s'", True),
        (f'{p("s")} == "it\'s"', True),
        (f"{p('s')} != 'other' || {p('n')} == 0", True),
        (f"!({p('n')} == 3) && {p('b')} == true", False),
        (f"!({p('n')} == 4) && !({p('n')} == 5)", True),
        (f"{p('b')} == true", True),
        (f"{p('t')} == 'true'", True),
        (f"{p('t')} == true", False),
        (f"{p('n')} == '3'", False),
        (f"string({p('n')}) == '3'", True),
        (f"double({p('n')}) <= 3.0", True),
        ("true == true", True),
        (f"{p('n')} == -3", False),
        ("(true || false) && !false", True),
        ("true || false && false", True),
    ],
)
def test_a_condition_means_what_cel_says(text: str, *, expected: bool) -> None:
    assert holds(text, VALUES) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "__import__('os')",
        f"{p('n')} ==",
        f"({p('n')} == 3",
        f"{p('n')} == 3)",
        "open('x') == 1",
        "1 == 1; 2",
    ],
)
def test_what_is_no_condition_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ConditionError, match="condition"):
        parse(text)


@pytest.mark.parametrize(
    "text", [f"{p('gone')} == 1", f"{p('s')} > 1", f"int({p('s')}) > 1", f"{p('n')}", f"!{p('s')}"]
)
def test_what_cannot_be_decided_is_an_error_and_not_false(text: str) -> None:
    with pytest.raises(ConditionError):
        holds(text, VALUES)
