"""How commands end."""

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.auth.exceptions import DefaultCredentialsError
from requests.exceptions import ConnectionError as NoConnection

from contracts.problems import Problem, Refused
from pipeline.command import ExitCode, run


def raising(error: BaseException) -> Callable[[], Any]:
    def command() -> ExitCode:
        raise error

    return command


REFUSED = Refused("Job", [Problem(key="machine_type", value="n1", rule="must be n2", fix="Leave it out")])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (REFUSED, 3, "Job refused:\n  - machine_type = 'n1': must be n2. Leave it out"),
        (BadRequest("the pool is busy"), 4, "the pool is busy"),
        (Forbidden("no aiplatform.pipelineJobs.create"), 4, "403"),
        (DefaultCredentialsError("none found"), 4, "gcloud auth application-default login"),
        (NoConnection("refused"), 4, "cannot be reached"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_what_the_user_can_mend_is_told_without_a_traceback(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(raising(error))
    assert ended.value.code == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


def test_a_commands_own_code_is_the_exit_code() -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda: ExitCode.FAILED)
    assert ended.value.code == 1
