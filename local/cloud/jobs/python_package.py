"""Runs a module of Python packages, as Vertex AI's executor does with a `PythonPackageSpec`: a script, not imported.

`python python_package.py PACKAGE... -- MODULE ARG...` installs the package files, and of what they require that which
the image lacks, into a folder of the replica's own, and becomes `python -m MODULE ARG...`.
Source: https://cloud.google.com/vertex-ai/docs/training/create-python-pre-built-container
"""

import os
import subprocess
import sys
import tempfile
from importlib import metadata


def main(words: list[str]) -> None:
    end = words.index("--")
    packages, (module, *args) = words[:end], words[end + 1 :]
    missing = [package for package in packages if not os.path.exists(package)]  # noqa: PTH110 - few imports at start
    if missing:
        sys.exit(f"packageUris: there is no {', '.join(missing)}")
    folder = tempfile.mkdtemp(prefix="packages-")
    _install(folder, "--no-deps", *packages)
    if wanted := _unmet(folder):
        _install(folder, *wanted)
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *args], {**os.environ, "PYTHONPATH": path})  # noqa: S606


def _install(folder: str, *wanted: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder]
    code = subprocess.run([*command, *wanted], check=False).returncode
    if code:
        sys.exit(f"pip could not install {' '.join(wanted)} (exit code {code})")


def _unmet(folder: str) -> list[str]:
    """What the installed packages require and neither they nor the image have."""
    from packaging.requirements import Requirement

    own = {each.name.lower() for each in metadata.distributions(path=[folder])}
    lines = [line for each in metadata.distributions(path=[folder]) for line in each.requires or []]
    wanted = [each for each in map(Requirement, lines) if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [str(each) for each in wanted if each.name.lower() not in own and not _is_met(each.name, each.specifier)]


def _is_met(name: str, specifier: object) -> bool:
    try:
        return metadata.version(name) in specifier  # type: ignore[operator]
    except metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
