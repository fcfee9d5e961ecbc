"""The modules of the packages that are commands: `python -m` runs them, and they have a parser."""

from pathlib import Path

from tests.policy.readme import ROOT_FOLDER

PACKAGES = ("contracts", "infra", "pipeline", "engine", "policy", "plan", "doctor", "local", "trainer/train")


def modules_with_a_parser() -> list[str]:
    files = [path for package in PACKAGES for path in (ROOT_FOLDER / package).rglob("*.py")]
    ours = [path for path in files if ".venv" not in path.parts]  # the policy pack has an environment of its own
    return sorted(_name(path) for path in ours if _is_command(path))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT_FOLDER).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("trainer", "__main__"))


def _is_command(path: Path) -> bool:
    text = path.read_text()
    return '__name__ == "__main__"' in text and ".ArgumentParser(" in text
