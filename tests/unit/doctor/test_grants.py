"""Waiting until the grants of an `up` hold, as Google takes its time."""

import json
from pathlib import Path
from typing import Any

import pytest

from doctor import grants
from doctor.google import NoAnswerError
from doctor.stack_file import StackPlace

PLACE = StackPlace("acme-recsys-dev", "gs://acme-recsys-dev-pulumi")
ACCOUNT = "projects/acme-recsys-dev/serviceAccounts/recsys-pipeline@acme-recsys-dev.iam.gserviceaccount.com"
RUNS, ACT_AS = "aiplatform.pipelineJobs.create", "iam.serviceAccounts.actAs"


class Propagating:
    """Google, whose answers change from look to look, the last one stays; an int is a refusal of that status."""

    def __init__(self, **answers: list[list[str] | int]) -> None:
        self._answers = answers

    def get(self, api: str, path: str) -> dict[str, Any]:
        raise NotImplementedError

    def post(self, api: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answers = self._answers[api]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            raise NoAnswerError(answer, "refused")
        return {"permissions": [each for each in answer if each in body["permissions"]]} if answer else {}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(google: Propagating, *, seconds: float = 420) -> tuple[list[str], list[str], float]:
    """What is missing in the end, what was told, and for how long was waited."""
    clock, told = Clock(), []
    lacking = grants.wait(
        lambda: grants.missing(google, PLACE), seconds=seconds, tell=told.append, clock=clock, sleep=clock.sleep
    )
    return lacking, told, clock.now


def test_grants_that_hold_are_not_waited_for() -> None:
    assert waited(Propagating(projects=[[RUNS]], iam=[[ACT_AS]])) == ([], [], 0.0)


def test_a_grant_is_asked_for_until_it_holds_and_an_account_until_it_is_there() -> None:
    lacking, told, seconds = waited(Propagating(projects=[[], [RUNS]], iam=[404, 403, [], [ACT_AS]]))

    assert lacking == []
    assert seconds == 1 + 2 + 4
    assert told == [
        f"not granted yet, asking again for up to 7 min: {RUNS} on projects/acme-recsys-dev; {ACT_AS} on {ACCOUNT}",
        f"not granted yet, asking again for up to 7 min: {ACT_AS} on {ACCOUNT}",
        "granted after 7 s",
    ]


def test_what_nobody_granted_is_told_in_the_end() -> None:
    lacking, told, seconds = waited(Propagating(projects=[[RUNS]], iam=[[]]), seconds=60)

    assert lacking == [f"{ACT_AS} on {ACCOUNT}"]
    assert len(told) == 1
    assert 45 < seconds <= 60


def test_what_is_no_matter_of_grants_is_not_waited_for() -> None:
    with pytest.raises(NoAnswerError):
        waited(Propagating(projects=[503], iam=[[ACT_AS]]))


@pytest.mark.parametrize(("held", "status"), [([RUNS], 0), ([], 1)])
def test_the_command_ends_as_the_grants_stand(
    held: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"gcp:project": "acme-recsys-dev", "recsys-training:stateBackend": "file://state"}
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": keys}))
    monkeypatch.setattr(grants, "Rest", lambda _environment: Propagating(projects=[held], iam=[[ACT_AS]]))

    assert grants.main(["--stack", "dev", "--cwd", str(tmp_path), "--minutes", "0"]) == status
    assert ("Add yourself to submitters" in capsys.readouterr().err) is bool(status)
