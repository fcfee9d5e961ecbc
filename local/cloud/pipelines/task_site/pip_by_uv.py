"""Has uv do what a task asks of pip, fast and from one cache for all: each KFP component installs kfp anew.

Owns: which calls of `python -m pip install` uv may answer. Whatever else is asked, or where uv fails, pip does it, and
says in its own words what is wrong. Imported by a task's interpreter at its start, with nothing of the cloud beside it.
"""

import os
import subprocess
import sys

_DROPPED = {"--no-warn-script-location", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--user"}
_PLAIN = {"-q": "--quiet", "--quiet": "--quiet", "--no-deps": "--no-deps", "-U": "--upgrade", "--upgrade": "--upgrade"}
_WITH_VALUE = {
    "-i": "--default-index",
    "--index-url": "--default-index",
    "--extra-index-url": "--index",
    "--trusted-host": "--allow-insecure-host",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "-r": "--requirements",
    "--requirement": "--requirements",
}
_SETTINGS = {
    "PIP_INDEX_URL": "--default-index",
    "PIP_EXTRA_INDEX_URL": "--index",
    "PIP_TRUSTED_HOST": "--allow-insecure-host",
    "PIP_FIND_LINKS": "--find-links",
}


def answered(words):
    """Whether the command line `words` (without the interpreter) is an installation that uv has done."""
    uv = os.environ.get("TASK_UV")
    if not uv or words[:3] != ["-m", "pip", "install"]:
        return False
    asked = translated(words[3:])
    if asked is None:
        return False
    options, wanted = asked
    if "--no-deps" in options and wanted and all(map(_is_here, wanted)):
        return True
    command = [uv, "pip", "install", "--python", sys.executable, "--no-config", "--system-certs", *options]
    if not ({"--default-index", "--index"} & set(options)):
        command += _settings()
    command += ["--index-strategy", "unsafe-best-match", "--cache-dir", os.environ["TASK_UV_CACHE"], "--", *wanted]
    return subprocess.run(command, check=False, capture_output=True, env=_environment()).returncode == 0


def translated(words):
    """pip's options as uv's, and what is to be installed; None where uv has no word for one of them."""
    options, wanted = [], []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            wanted.append(word)
        elif word in _PLAIN:
            options.append(_PLAIN[word])
        elif name in _WITH_VALUE and (equals or rest):
            options += [_WITH_VALUE[name], value if equals else rest.pop(0)]
        elif word not in _DROPPED:
            return None
    return options, wanted


def _is_here(text):
    """Whether exactly what `text` pins can be imported already, or is not wanted on this interpreter."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        from pip._vendor.packaging.requirements import Requirement

        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate():
            return True
        return str(wanted.specifier).startswith("==") and wanted.specifier.contains(version(wanted.name))
    except (ImportError, ValueError, PackageNotFoundError):
        return False


def _settings():
    """How this host reaches its package index, as it tells pip."""
    return [word for name, option in _SETTINGS.items() for each in _values(name) for word in (option, each)]


def _values(name):
    return os.environ.get(name, "").split()


def _environment():
    """uv's own environment: its settings come from the command line, certificates and proxy from pip's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    if "PIP_CERT" in env:
        env["SSL_CERT_FILE"] = env["PIP_CERT"]
    if "PIP_PROXY" in env:
        env |= {"HTTPS_PROXY": env["PIP_PROXY"], "HTTP_PROXY": env["PIP_PROXY"]}
    return {name: value for name, value in env.items() if name != "PYTHONPATH"}
