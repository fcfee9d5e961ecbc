"""A stack is changed only where its state says it lies."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.problems import Refused
from doctor import guard
from doctor.google import NoAnswerError
from doctor.guard import Place
from tests.unit.infra.deploy import stack_config

AGENT = "service-123456789012@gcp-sa-aiplatform.iam.gserviceaccount.com"
RESOURCES = [
    {"type": "pulumi:pulumi:Stack", "outputs": {"project": "acme-recsys-dev"}},
    {"type": "pulumi:providers:gcp", "inputs": {"project": "acme-recsys-dev"}},
    {"type": "gcp:projects/serviceIdentity:ServiceIdentity", "outputs": {"email": AGENT}},
]
HERE = Place("acme-recsys-dev", "123456789012")


class Answering:
    """Google with one answer to everything; an int is a refusal of that status."""

    def __init__(self, answer: dict[str, Any] | int) -> None:
        self._answer = answer

    def get(self, api: str, path: str) -> dict[str, Any]:
        if isinstance(self._answer, int):
            raise NoAnswerError(self._answer, "refused")
        return self._answer

    def post(self, api: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.get(api, path)


def test_a_state_tells_its_project_and_the_projects_number() -> None:
    assert guard.place_of({"resources": RESOURCES}) == HERE


def test_an_interrupted_first_up_has_no_outputs_and_tells_its_project_by_the_provider() -> None:
    bucket = {"type": "gcp:storage/bucket:Bucket", "outputs": {}}
    assert guard.place_of({"resources": [RESOURCES[1], bucket]}) == Place("acme-recsys-dev", "")


@pytest.mark.parametrize("state", [{}, {"resources": None}, {"resources": RESOURCES[:2]}])
def test_where_nothing_of_googles_is_left_nothing_can_be_lost(state: dict[str, Any]) -> None:
    assert guard.place_of(state) is None


def test_the_cloud_that_has_the_project_by_its_number_is_the_states() -> None:
    assert guard.other_cloud(Answering({"projectNumber": "123456789012"}), HERE) == []


def test_another_cloud_is_told_by_the_projects_number() -> None:
    (problem,) = guard.other_cloud(Answering({"projectNumber": "7"}), HERE)
    assert str(problem).startswith("project number = '7': the state's acme-recsys-dev has the number '123456789012'")
    assert "GOOGLE_…_CUSTOM_ENDPOINT" in problem.fix


def test_an_account_that_does_not_see_the_project_is_told() -> None:
    (problem,) = guard.other_cloud(Answering(403), HERE)
    assert "the state's project = 'acme-recsys-dev': is not seen by the account that is logged in (HTTP 403" in str(
        problem
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: recsys-training\nruntime: python\n")
    return tmp_path


def declare(folder: Path, **changes: str) -> None:
    config = {"config": stack_config("dev", {key.replace("_", ":", 1): value for key, value in changes.items()})}
    (folder / "Pulumi.dev.yaml").write_text(json.dumps(config))


def test_another_project_in_the_stack_file_is_refused_before_anybody_is_asked(folder: Path) -> None:
    declare(folder, gcp_project="acme-recsys-new", **{"recsys-training_stateBackend": "file://state"})
    state = folder / "state" / ".pulumi" / "stacks" / "recsys-training" / "dev.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": RESOURCES}}}))

    words = r"gcp:project = 'acme-recsys-new': the stack's state is of project 'acme-recsys-dev'.*Set it back to acme"
    with pytest.raises(Refused, match=words):
        guard.require_same_place(folder, "dev", {})


def test_a_stack_that_is_not_there_yet_may_come_up_anywhere(folder: Path) -> None:
    declare(folder, **{"recsys-training_stateBackend": "file://state"})

    guard.require_same_place(folder, "dev", {})


def test_a_stack_file_that_is_older_than_the_program_still_tells_where_the_stack_is(folder: Path) -> None:
    keys = {"gcp:project": "acme-recsys-dev", "recsys-training:stateBackend": "file://state"}
    (folder / "Pulumi.dev.yaml").write_text(json.dumps({"config": keys}))
    guard.require_same_place(folder, "dev", {})

    (folder / "Pulumi.dev.yaml").write_text(json.dumps({"config": {"gcp:region": "us-central1"}}))
    words = r"Pulumi.dev.yaml has no gcp:project, recsys-training:stateBackend. .*make plan STACK=dev"
    with pytest.raises(Refused, match=words):
        guard.require_same_place(folder, "dev", {})


def pulumi(folder: Path, script: str) -> dict[str, str]:
    """An environment whose pulumi command is a script."""
    command = folder / "pulumi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_bucket_of_states_is_read_by_the_pulumi_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare(folder, gcp_project="acme-recsys-new")
    exported = json.dumps({"version": 3, "deployment": {"resources": RESOURCES}})
    asked = '[ "$PULUMI_BACKEND_URL $*" = "gs://acme-recsys-dev-pulumi stack export --stack dev" ] || exit 1'

    with pytest.raises(Refused, match="'acme-recsys-new': the stack's state is of project 'acme-recsys-dev'"):
        guard.require_same_place(folder, "dev", pulumi(folder, f"{asked}\necho '{exported}'"))


def test_a_stack_that_the_pulumi_command_does_not_know_may_come_up(folder: Path) -> None:
    declare(folder)

    guard.require_same_place(folder, "dev", pulumi(folder, "echo \"error: no stack named 'dev' found\" >&2; exit 255"))


def test_a_state_that_cannot_be_read_is_no_state_that_is_fine(folder: Path) -> None:
    declare(folder)

    with pytest.raises(Refused, match=r"--stack = 'dev': `pulumi stack export --stack dev` failed: no access"):
        guard.require_same_place(folder, "dev", pulumi(folder, "echo no access >&2; exit 255"))


def test_a_missing_stack_file_is_told_by_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["--stack", "nowhere", "--cwd", str(folder)]) == 3
    assert "--stack = 'nowhere'" in capsys.readouterr().err
