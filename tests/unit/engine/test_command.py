"""`python -m engine`: its arguments, its text, its files, its exit status."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.display import Text
from engine.run import preview, up
from tests.unit.engine.conftest import Workplace
from tests.unit.engine.programs import pair

PLAN = """Previewing update (local):
     Type                         Name        Plan
 +   pulumi:pulumi:Stack          shop-local  create
 +   ├─ gcp:storage:Bucket        bucket      create
 +   └─ gcp:storage:BucketObject  object      create

Outputs:
    url: [unknown]

Resources:
    + 3 to create

"""


@pytest.fixture
def command(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    for key, value in workplace.environment.items():
        monkeypatch.setenv(key, value)
    return workplace


def _text(workplace: Workplace, run: object = preview) -> str:
    stream = io.StringIO()
    run(workplace.options(), Text(stream))  # type: ignore[operator]
    return stream.getvalue()


def test_a_plan_reads_like_pulumis(workplace: Workplace) -> None:
    assert _text(workplace.program(pair())) == PLAN


def test_a_changed_plan_names_the_changed_properties_and_what_replaces(workplace: Workplace) -> None:
    workplace.program(pair(name="one")).up()
    lines = _text(workplace.program(pair(name="two"))).splitlines()
    bucket = next(line for line in lines if "gcp:storage:Bucket " in line)
    assert bucket.split() == ["+-", "├─", "gcp:storage:Bucket", "bucket", "replace", "[diff:", "~name]"]
    assert "    +-2 to replace" in lines
    assert '  ~ url: "gs://acme-one" => [unknown]' in lines


def test_an_update_shows_its_progress_and_what_was_done(workplace: Workplace) -> None:
    text = _text(workplace.program(pair()), up)
    assert " +  gcp:storage:Bucket bucket creating\n" in text
    assert " +  gcp:storage:Bucket bucket created (" in text
    assert "    + 3 created" in text
    assert "Duration: " in text
    assert "default_" not in text


def test_an_unchanged_stack_says_so(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    assert "Resources:\n    3 unchanged\n" in _text(workplace)


def test_up_asks_for_yes_where_nobody_can_answer(command: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    command.program(pair())
    assert main(["up", "--cwd", str(command.folder), "--stack", "local"]) == 1
    assert "--yes must be passed" in capsys.readouterr().err
    assert command.google.writes() == []


def test_the_commands_work_and_write_their_reports(command: Workplace, tmp_path: Path) -> None:
    command.program(pair())
    common = ["--cwd", str(command.folder), "--stack", "local", "--json", str(tmp_path / "report.json")]
    assert main(["preview", *common, "--expect-no-changes"]) == 1
    assert main(["up", "--yes", *common]) == 0
    assert json.loads((tmp_path / "report.json").read_text())["changes"]["create"] == 3
    assert main(["preview", *common, "--expect-no-changes"]) == 0
    assert main(["destroy", "--yes", *common]) == 0
    assert json.loads((tmp_path / "report.json").read_text())["changes"]["delete"] == 3


def test_a_failure_is_the_exit_status_and_in_the_report(command: Workplace, tmp_path: Path) -> None:
    command.program("raise ValueError('wrong turn')")
    report = tmp_path / "report.json"
    assert main(["up", "--yes", "-C", str(command.folder), "-s", "local", "--json", str(report)]) == 1
    assert "wrong turn" in json.loads(report.read_text())["errors"][0]


def test_a_refusal_is_said_on_stderr_and_in_the_report(
    command: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert main(["preview", "-C", str(tmp_path / "nowhere"), "-s", "local", "--json", str(report)]) == 1
    assert "has no Pulumi.yaml" in capsys.readouterr().err
    assert json.loads(report.read_text())["ok"] is False


def test_a_configuration_value_is_set_for_one_run(command: Workplace, tmp_path: Path) -> None:
    command.program('pulumi.export("size", pulumi.Config().require("size"))')
    report = tmp_path / "report.json"
    arguments = ["preview", "-C", str(command.folder), "-s", "local", "--json", str(report)]
    assert main([*arguments, "-c", "size=3"]) == 0
    assert json.loads(report.read_text())["outputs"] == {"size": "3"}
    assert main([*arguments, "-c", "size"]) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["preview", "--help"], ["up", "--help"], ["destroy", "--help"]])
def test_help_is_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "usage: python -m engine" in capsys.readouterr().out
