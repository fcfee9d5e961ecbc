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


DIFF = """    ~ gcp:storage/bucket:Bucket: (update)
        [id=acme-one]
        [urn=urn:pulumi:local::shop::gcp:storage/bucket:Bucket::bucket]
        [provider={provider}]
      ~ effectiveLabels: {{
          + team: [secret]
        }}
      + labels         : {{
          + team: "ml"
        }}
      ~ lifecycleRules : [
          ~ [0]: {{
                  ~ condition: {{
                      ~ age: 30 => 60
                    }}
                }}
        ]
      ~ pulumiLabels   : {{
          + team: [secret]
        }}
    + gcp:storage/bucketObject:BucketObject: (create)
        [urn=urn:pulumi:local::shop::gcp:storage/bucketObject:BucketObject::note]
        [provider={provider}]
        bucket       : "acme-one"
        content      : [secret]
        detectMd5hash: "different hash"
        name         : "note.txt"
"""
RULED = """
bucket = gcp.storage.Bucket("bucket", name="acme-one", location="EU", labels={labels},
    lifecycle_rules=[{{"action": {{"type": "Delete"}}, "condition": {{"age": {age}}}}}])
"""
NOTE = 'gcp.storage.BucketObject("note", bucket=bucket.name, name="note.txt", content=pulumi.Output.secret("x"))'


def test_a_detailed_plan_shows_every_property_that_changes(workplace: Workplace) -> None:
    assert workplace.program(RULED.format(labels={}, age=30)).up().errors == []
    workplace.program(RULED.format(labels={"team": "ml"}, age=60) + NOTE)
    stream = io.StringIO()
    preview(workplace.options(), Text(stream, diff=True))
    text = stream.getvalue()
    provider = workplace.state("bucket")["provider"]
    assert DIFF.format(provider=provider) in text
    assert "  pulumi:pulumi:Stack: (same)\n    [urn=urn:pulumi:local::shop::pulumi:pulumi:Stack::shop-local]\n" in text


def test_a_property_that_comes_as_a_whole_is_marked_line_by_line_as_pulumi_marks_it(workplace: Workplace) -> None:
    plain = 'gcp.storage.Bucket("bucket", name="acme-one", location="EU"{more})'
    assert workplace.program(plain.format(more="")).up().errors == []
    workplace.program(plain.format(more=', cors=[{"origins": ["*"], "methods": ["GET"]}]'))
    stream = io.StringIO()
    preview(workplace.options(), Text(stream, diff=True))
    assert """
      + cors: [
      +     [0]: {
              + methods   : [
              +     [0]: "GET"
                ]
              + origins   : [
              +     [0]: "*"
                ]
            }
        ]
""" in stream.getvalue()


def test_a_plan_as_json_is_all_that_is_printed(command: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--cwd", str(command.folder), "--stack", "local"]
    command.program(RULED.format(labels={}, age=30)).up()
    command.program(RULED.format(labels={"team": "ml"}, age=30) + NOTE)
    assert main(["plan", *folder, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["changeSummary"] == {"create": 1, "update": 1, "same": 1}
    bucket = next(step for step in plan["steps"] if step["urn"].endswith("::bucket"))
    assert bucket["op"] == "update"
    assert bucket["diffReasons"] == ["effectiveLabels", "labels", "pulumiLabels"]
    assert bucket["detailedDiff"]["labels"] == {"kind": "add", "inputDiff": False}
    assert bucket["oldState"]["inputs"]["labels"] == {}
    assert bucket["newState"]["inputs"]["labels"] == {"team": "ml"}
    note = next(step for step in plan["steps"] if step["urn"].endswith("::note"))
    assert note["newState"]["inputs"]["content"] == "[secret]"


def test_the_commands_on_what_exists(command: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--cwd", str(command.folder), "--stack", "local"]
    command.program(pair()).up()
    command.google.things["b/acme-one"]["storageClass"] = "NEARLINE"
    assert main(["refresh", *folder, "--preview-only"]) == 0
    assert "[diff: ~storageClass]" in capsys.readouterr().out
    assert main(["preview", *folder, "--refresh", "--expect-no-changes"]) == 1
    assert "Found changed since the state was written:" in capsys.readouterr().out
    assert main(["refresh", *folder, "--yes", "--expect-no-changes"]) == 1
    assert main(["refresh", *folder, "--yes", "--expect-no-changes"]) == 0
    assert main(["up", *folder, "--yes", "--target", "**::object"]) == 0
    assert main(["preview", *folder, "--target-replace", "**::object"]) == 0
    assert "replace" in capsys.readouterr().out
    command.google.things["b/acme-two"] = {**command.google.things["b/acme-one"], "name": "acme-two"}
    assert main(["import", *folder, "--yes", "gcp:storage/bucket:Bucket", "two", "acme-two"]) == 0
    assert "two = gcp.storage.Bucket(" in capsys.readouterr().out
    assert main(["import", *folder, "--yes", "gcp:storage/bucket:Bucket", "three", "acme-three"]) == 1
    assert "'acme-three' does not exist" in capsys.readouterr().err
    assert "two" in command.names()


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_applied(
    command: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = str(tmp_path / "nowhere" / "report.json")
    command.program(pair())
    assert main(["up", "--yes", "-C", str(command.folder), "-s", "local", "--json", report]) == 1
    assert f"--json {report!r} cannot be written" in capsys.readouterr().err
    assert command.google.log == []
