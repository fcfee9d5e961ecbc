"""The two engines that can bring the local stack up on the same state: the embedded one, or the real `pulumi` command.

Owns: how each is called and what of its answer the report needs. Does not own: planning or applying.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from engine.crypto import passphrase_beside
from local.layout import STACK, Layout

EngineName = Literal["embedded", "pulumi"]

_NO_PROXY_SINK = "http://127.0.0.1:9"  # each call that is not to the loopback fails at once instead of hanging


class EngineError(Exception):
    """The engine refused or failed; it has said why on the terminal."""


@dataclass(frozen=True)
class EngineResult:
    """How many resources each operation touched, and how long planning and applying took."""

    changes: Mapping[str, int] = field(default_factory=dict)
    plan_seconds: float = 0.0
    apply_seconds: float = 0.0

    def counts(self) -> dict[str, int]:
        """As the report has them; a replacement is one resource deleted and one created."""
        replaced = self.changes.get("replace", 0)
        return {
            "created": self.changes.get("create", 0) + replaced,
            "updated": self.changes.get("update", 0),
            "same": self.changes.get("same", 0),
            "deleted": self.changes.get("delete", 0) + replaced,
        }


def up(name: EngineName, layout: Layout, environment: Mapping[str, str]) -> EngineResult:
    return _embedded("up", layout, environment) if name == "embedded" else _Pulumi(layout, environment).up()


def plan(layout: Layout, *, state: str) -> int:
    """Print the embedded engine's plan and what it means; its exit status."""
    command = [sys.executable, "-m", "plan", "--cwd", str(layout.root), "--stack", STACK]
    env = {**os.environ, "PULUMI_BACKEND_URL": _backend(layout)}
    return _returncode([*command, *(["--state", state] if state else [])], cwd=layout.root, env=env)


def destroy(name: EngineName, layout: Layout, environment: Mapping[str, str]) -> EngineResult:
    return _embedded("destroy", layout, environment) if name == "embedded" else _Pulumi(layout, environment).destroy()


def _backend(layout: Layout) -> str:
    return f"file://{layout.state}"


def _embedded(verb: str, layout: Layout, environment: Mapping[str, str]) -> EngineResult:
    answer = layout.home / "engine.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "engine", verb, "--cwd", str(layout.root), "--stack", STACK, "--yes"]
    env = {**os.environ, **environment, "PULUMI_BACKEND_URL": _backend(layout)}
    if _returncode([*command, "--json", str(answer)], cwd=layout.root, env=env):
        raise EngineError(f"`{' '.join(command[1:])}` failed; what it did is recorded in {layout.state}")
    result = json.loads(answer.read_text())
    return EngineResult(result["changes"], result["seconds"]["plan"], result["seconds"]["apply"])


class _Pulumi:
    """The real command, on a copy of the stack's configuration, since it writes its encryption salt into that file."""

    def __init__(self, layout: Layout, environment: Mapping[str, str]) -> None:
        for command in ("pulumi", "pulumi-resource-gcp"):
            if not shutil.which(command):
                raise EngineError(f"ENGINE=pulumi: {command!r} is not on PATH. Install it, or leave ENGINE out")
        self._layout = layout
        self._config = layout.home / f"Pulumi.{STACK}.yaml"
        shutil.copyfile(layout.root / f"Pulumi.{STACK}.yaml", self._config)
        layout.state.mkdir(parents=True, exist_ok=True)
        self._env = {
            **os.environ,
            **environment,
            "PULUMI_BACKEND_URL": _backend(layout),
            **self._passphrase(),
            "PULUMI_HOME": os.environ.get("PULUMI_HOME", str(layout.home / "pulumi-home")),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "HTTPS_PROXY": _NO_PROXY_SINK,
        }

    def up(self) -> EngineResult:
        self._create_stack()
        began = time.monotonic()
        changes = self._plan("preview")
        planned = time.monotonic()
        self._run("up", "--yes", "--skip-preview")
        return EngineResult(changes, planned - began, time.monotonic() - planned)

    def destroy(self) -> EngineResult:
        self._create_stack()
        began = time.monotonic()
        changes = self._plan("destroy", "--preview-only")
        planned = time.monotonic()
        self._run("destroy", "--yes", "--skip-preview")
        return EngineResult(changes, planned - began, time.monotonic() - planned)

    def _passphrase(self) -> dict[str, str]:
        """The variable for the passphrase that the embedded engine keeps too, where the user gives none."""
        if any(name in os.environ for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")):
            return {}
        return {"PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase_beside(self._layout.state / ".pulumi")[1])}

    def _create_stack(self) -> None:
        """An empty state where there is none. Not by `pulumi stack init`, which writes into the stack's own file."""
        project = yaml.safe_load((self._layout.root / "Pulumi.yaml").read_text())["name"]
        state = self._layout.state / ".pulumi" / "stacks" / project / f"{STACK}.json"
        if not state.exists():
            state.parent.mkdir(parents=True, exist_ok=True)
            (self._layout.state / ".pulumi" / "meta.yaml").write_text("version: 1\n")
            checkpoint = {"stack": f"organization/{project}/{STACK}", "latest": None}
            state.write_text(json.dumps({"version": 3, "checkpoint": checkpoint}))

    def _plan(self, verb: str, *flags: str) -> dict[str, int]:
        """The plan's count of each operation."""
        done = subprocess.run(
            [*self._command(verb, *flags), "--json"],
            cwd=self._layout.root, env=self._env, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise EngineError(f"`pulumi {verb}` failed:\n{_diagnostics(done.stdout)}")
        return json.loads(done.stdout).get("changeSummary", {})

    def _run(self, verb: str, *flags: str) -> None:
        self._checked(self._command(verb, *flags))

    def _command(self, verb: str, *flags: str) -> list[str]:
        where = ["--stack", STACK, "--cwd", str(self._layout.root), "--config-file", str(self._config)]
        return ["pulumi", verb, *where, "--non-interactive", *flags]

    def _checked(self, command: Sequence[str]) -> None:
        if _returncode(command, cwd=self._layout.root, env=self._env):
            raise EngineError(f"`{' '.join(command[:3])}` failed; see above")


def _returncode(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run an engine to its end. Ctrl-C is passed on once: it then finishes what is under way and writes its state.

    In a process group of its own, since a terminal would signal it beside us, and a second signal means to give up.
    """
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def _diagnostics(output: str) -> str:
    """The messages in the JSON that a failed `--json` command prints."""
    try:
        return "\n".join(entry["message"].strip() for entry in json.loads(output).get("diagnostics", []))
    except ValueError:
        return output


def stack_exists(layout: Layout) -> bool:
    """Whether the state has anything to take down. Raises EngineError where the file is no state."""
    for path in (layout.state / ".pulumi" / "stacks").glob(f"*/{STACK}.json"):
        try:
            latest = json.loads(path.read_text())["checkpoint"].get("latest") or {}
            resources = latest.get("resources") or []
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            fix = f"Restore it from {path.name}.bak beside it, or remove .local/ to begin anew"
            raise EngineError(f"{path} is no state of a stack ({type(error).__name__}: {error}). {fix}") from None
        return any(resource.get("custom") and not resource["type"].startswith("pulumi:") for resource in resources)
    return False
