"""The repository as a whole: it names no machine and no package host, every test file is collected, decisions are
numbered.
"""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.policy.readme import ROOT_FOLDER

# Put together here, so that this file is not the one that it finds.
PACKAGE_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pytorch", "org/whl"),
        ("npmjs", "org"),
        ("huggingface", "co"),
    )
]
OUR_MACHINES = re.compile(r"(?<![\w.~$}-])/(?:work|root)/\w")
ANY_MACHINE = re.compile(r"(?<![\w.~$}-])/(?:work|root|home|Users)/\w")


def text_files() -> dict[str, str]:
    """What is or would be committed, as far as it is text."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT_FOLDER, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for name in names:
        try:
            found[name] = (ROOT_FOLDER / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    return found


def test_no_file_names_a_package_host() -> None:
    assert [(name, host) for name, text in text_files().items() for host in PACKAGE_HOSTS if host in text] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """Tests may use a home folder as an example."""
    patterns = {name: OUR_MACHINES if name.startswith("tests/") else ANY_MACHINE for name in text_files()}
    assert [name for name, text in text_files().items() if patterns[name].search(text)] == []


def test_the_locks_pin_every_package() -> None:
    locks = {name: text for name, text in text_files().items() if re.search(r"requirements.*\.txt$", name)}
    locks = {name: text for name, text in locks.items() if not name.startswith("tests/data/")}
    assert len(locks) >= 4
    loose = [(name, line) for name, text in locks.items() for line in text.splitlines() if "==" not in line]
    assert loose == []


def test_no_test_file_collects_nothing(request: pytest.FixtureRequest) -> None:
    """Of the folders and files that this very session was asked for."""
    config = request.config
    if config.option.markexpr or config.option.keyword or any("::" in argument for argument in config.args):
        pytest.skip("only a selection is collected")
    asked = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    files = {path for place in asked for path in ([place] if place.is_file() else place.rglob("test_*.py"))}
    assert files
    assert sorted(files - {item.path for item in request.session.items}) == []


def test_every_file_with_tests_has_a_name_that_is_collected() -> None:
    hidden = [
        name
        for name, text in text_files().items()
        if name.startswith("tests/") and name.endswith(".py") and re.search(r"^ *def test_", text, re.MULTILINE)
        if not Path(name).name.startswith("test_")
    ]
    assert hidden == []


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (file, target)
        for file in (ROOT_FOLDER / "docs").rglob("*.md")
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text())
        if not target.startswith("https://")
    ]
    assert links
    assert [(file.name, target) for file, target in links if not (file.parent / target).exists()] == []


def test_decisions_are_numbered_without_gap_and_have_a_status() -> None:
    files = sorted((ROOT_FOLDER / "docs" / "adr").glob("*.md"))
    numbers = [int(file.name[:4]) for file in files]
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert numbers == list(range(1, len(files) + 1))
    for file in files:
        text = file.read_text()
        assert text.startswith(f"# ADR {file.name[:4]}: ")
        assert re.search(r"^## Status\n(Accepted|Superseded)", text, re.MULTILINE)
