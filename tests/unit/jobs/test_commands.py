import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cloud.jobs.commands import PythonCommand, host_argv, python_command, simple_command

ENV = {"TRAIN_ARGS": "--epochs 3  --lr 0.1", "ONE": "a b", "EMPTY": "", "STAR": "*", "LEAD": " x"}


@pytest.mark.parametrize(
    "script",
    [
        "python -m train.main $TRAIN_ARGS",
        'python -m train.main "$TRAIN_ARGS"',
        "python -m train.main --name='a b' ${ONE}x $EMPTY end",
        "python -m m a$LEAD b",
        "python -m m \"\" ''",
        "exec python -m m --k=v $UNKNOWN",
    ],
)
def test_a_simple_command_is_expanded_as_a_shell_expands_it(script: str) -> None:
    printing = script.replace("exec ", "").replace("python", "printf '%s\\n' python", 1)
    shell = subprocess.run(["/bin/sh", "-c", printing], env=ENV, capture_output=True, text=True, check=True)
    words = simple_command(script, ENV)
    assert words is not None
    assert [word for word in words if word != "exec"] == shell.stdout.split("\n")[:-1]


@settings(deadline=None)  # each example starts a shell
@given(st.lists(st.sampled_from(["a", " ", "'b c'", '"d $ONE"', "$ONE", "${LEAD}", "$EMPTY", "-x=1"]), max_size=8))
def test_any_mix_of_words_quotes_and_variables_is_expanded_as_a_shell_expands_it(parts: list[str]) -> None:
    script = "python " + "".join(parts)
    expected = subprocess.run(
        ["/bin/sh", "-c", "printf '%s\\n' " + script], env=ENV, capture_output=True, text=True, check=True
    )
    assert simple_command(script, ENV) == expected.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    "script",
    [
        "a | b",
        "a; b",
        "a && b",
        "A=1 python -m m",
        "echo *",
        "a $(b)",
        "a `b`",
        "a > f",
        "a $STAR",
        'a "$(b)"',
        "a 'b",
        "a\\ b",
    ],
)
def test_more_than_one_simple_command_is_left_to_a_shell(script: str) -> None:
    assert simple_command(script, ENV) is None


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["python", "-m", "train.main", "--x"], PythonCommand("module", "train.main", ["--x"])),
        (["/usr/bin/python3.11", "-u", "run.py"], PythonCommand("file", "run.py", [], unbuffered=True)),
        (
            ["/usr/bin/bash", "-lc", "python -m train.main $TRAIN_ARGS"],
            PythonCommand("module", "train.main", ["--epochs", "3", "--lr", "0.1"]),
        ),
        (["python", "-c", "print(1)"], None),
        (["python", "-B", "-m", "m"], None),
        (["bash", "-lc", "cd x && python -m m"], None),
        (["sleep", "1"], None),
        ([], None),
    ],
)
def test_a_python_module_or_file_is_recognised(argv: list[str], expected: PythonCommand | None) -> None:
    assert python_command(argv, ENV) == expected


def test_the_image_s_python_is_its_interpreter_and_a_login_shell_becomes_a_plain_one() -> None:
    assert host_argv(["/usr/bin/python3", "-m", "m"], "/venv/bin/python", "/bin") == ["/venv/bin/python", "-m", "m"]
    shell = host_argv(["/nowhere/bash", "-lc", "true"], "/venv/bin/python", "/usr/bin:/bin")
    assert shell[0].endswith("/bash")
    assert shell[1:] == ["-c", "true"]


def test_a_container_without_any_command_is_refused() -> None:
    with pytest.raises(ValueError, match="no command"):
        host_argv([], "/venv/bin/python", "/bin")
