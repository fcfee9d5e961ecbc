"""What `make plan` prints: the same every time, and for two stacks different only in what their files say."""

import shutil
from pathlib import Path

import pytest
import yaml

from plan.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with prod's file, as it is and for a project of another name, and dev's."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    for name in ("Pulumi.yaml", "__main__.py", "Pulumi.prod.yaml", "Pulumi.dev.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    prod = (ROOT / "Pulumi.prod.yaml").read_text()
    (tmp_path / "Pulumi.twin.yaml").write_text(prod.replace("acme-recsys-prod", "acme-recsys-twin"))
    return tmp_path


def planned(folder: Path, stack: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines without what draws the tree and lines the columns up."""
    status = main(["--cwd", str(folder), "--stack", stack])
    printed = capsys.readouterr()
    assert (status, printed.err) == (0, ""), printed.out
    return [" ".join(word for word in line.split() if word not in "│├─└─") for line in printed.out.splitlines()]


def test_equal_files_give_equal_plans_line_by_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prod, twin = (planned(folder, stack, capsys) for stack in ("prod", "twin"))
    assert len(prod) > 90
    named = (("(twin)", "(prod)"), ("training-twin", "training-prod"), ("acme-recsys-twin", "acme-recsys-prod"))
    for ours, theirs in named:
        twin = [line.replace(ours, theirs) for line in twin]
    assert twin == prod


def test_a_changed_key_shows_in_the_lines_that_it_is_about(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = planned(folder, "prod", capsys)
    file = folder / "Pulumi.prod.yaml"
    content = yaml.safe_load(file.read_text())
    content["config"]["recsys-training:trainingPool"]["bootDiskSizeGb"] = 100
    file.write_text(yaml.safe_dump(content))
    after = planned(folder, "prod", capsys)
    changed = [line.split()[:2] for line in before if line not in after]
    assert changed[0] == ["pool", "recsys-train-blue"]
    assert [words[0] for words in changed] == ["pool", "together"]
    assert len(after) == len(before)


def test_dev_and_prod_declare_the_same_but_for_people_alerts_and_records(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose files name other submitters, other alerts, another address and for how long audit logs are kept."""
    dev, prod = (
        {line for line in planned(folder, stack, capsys) if line.startswith("+") and "create" in line.split()}
        for stack in ("dev", "prod")
    )
    named = (
        "audit-records",
        "RecordsWriter",
        "group-ml-engineers",
        "alerts-no-success",
        "alerts-pool-idle",
        "operations-email-",
        ":Stack",
        "to create",
    )
    assert len(dev & prod) > 80
    assert [line for line in sorted(dev ^ prod) if not any(word in line for word in named)] == []
