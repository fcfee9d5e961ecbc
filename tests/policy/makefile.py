"""The Makefile's targets with their help, and the variables that a caller may set."""

import re

from tests.policy.readme import ROOT_FOLDER

TEXT = (ROOT_FOLDER / "Makefile").read_text(encoding="utf-8")


def targets() -> dict[str, str]:
    """The help text of each target that is a command, "" where it has none."""
    return {
        name: text.strip() for name, text in re.findall(r"^([a-z][a-z-]*):[^=\n]*?(?:## (.*))?$", TEXT, re.MULTILINE)
    }


def variables() -> set[str]:
    return set(re.findall(r"^([A-Z]+) \?=", TEXT, re.MULTILINE))


def phony() -> set[str]:
    found = re.search(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)
    return set(found[1].split()) if found else set()
