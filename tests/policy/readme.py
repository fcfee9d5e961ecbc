"""README.md taken apart: its blocks, its commands with the output that it shows, its tables and its code spans.

The table of configuration keys is in docs/configuration.md.

Does not own: what they must agree with, which the tests say.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT_FOLDER = Path(__file__).resolve().parents[2]
TEXT = (ROOT_FOLDER / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT_FOLDER / "docs" / "configuration.md").read_text(encoding="utf-8")

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    lines: list[str]


class Command(NamedTuple):
    """`shown` is the output below a command in a console block; nothing is shown in a block of plain commands."""

    text: str
    shown: list[str]


def blocks() -> list[Block]:
    return [Block(language, body.splitlines()) for language, body in _FENCED.findall(TEXT)]


def commands() -> list[Command]:
    """Those of `sh` blocks, each line one, and those behind the prompts of `console` blocks."""
    found: list[Command] = []
    for block in blocks():
        for line in block.lines:
            text = _command(block.language, line)
            if text:
                found.append(Command(text, []))
            elif block.language == "console" and found:
                found[-1].shown.append(line)
    return found


def _command(language: str, line: str) -> str:
    if language == "sh":
        return re.sub(r"\s+#.*$", "", line).strip()
    return line.removeprefix("$ ") if language == "console" and line.startswith("$ ") else ""


def prose() -> str:
    return _FENCED.sub("", TEXT)


def spans(text: str) -> list[str]:
    """The code spans of a text."""
    return re.findall(r"`([^`\n]+)`", text)


def section(title: str, text: str = TEXT) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"there is no section {title!r}")
    return found[1]


def table(title: str, text: str = TEXT) -> list[list[str]]:
    """The cells of the one table in a section, without its head."""
    lines = section(title, text).splitlines()
    rows = [line.strip().strip("|").split(" | ") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]
