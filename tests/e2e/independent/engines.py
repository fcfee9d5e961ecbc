"""The two engines as commands on one folder, one state and one local cloud."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.run import Options
from local.cloud.clients import client_environment
from tests.contract.cloud_process import CloudProcess

_REPOSITORY = Path(__file__).resolve().parents[3]
_PULUMI = {
    "up": ["--yes", "--skip-preview", "--parallel", "32"],
    "refresh": ["--yes", "--skip-preview"],
    "destroy": ["--yes", "--skip-preview", "--parallel", "32"],
}


class Stack:
    """The stack `dev` of a program. Both engines keep its state in the same place, with the same passphrase."""

    def __init__(self, folder: Path, cloud: CloudProcess) -> None:
        self.folder = folder
        state = folder.parent / "state"
        state.mkdir(exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "GOOGLE_"))}
        self.environment = {
            **kept,
            **client_environment(cloud.url, operator_token=cloud.token, token_file=""),
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_HOME": os.environ.get("PULUMI_HOME", str(folder.parent / "home")),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def vary(self, change: str = "") -> None:
        """Switch on one of the program's changes, and all others off."""
        (self.folder / "variant.json").write_text(json.dumps({change: True} if change else {}))

    def run(self, engine: str, command: str, *flags: str, fails: bool = False) -> str:
        """What the command printed; it must end well, or must not."""
        if engine == "pulumi":
            argv = ["pulumi", *command.split(), "--stack", "dev", "--non-interactive", *_PULUMI.get(command, [])]
        else:
            agreed = ["--yes"] if command in ("up", "refresh", "destroy", "import") else []
            argv = [sys.executable, "-m", "engine", *command.split(), "--stack", "dev", *agreed]
        done = subprocess.run(
            [*argv, *flags],
            cwd=self.folder,
            env=self.environment | ({} if engine == "pulumi" else {"PYTHONPATH": str(_REPOSITORY)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + (done.stderr if fails else "")

    def init(self) -> None:
        """What `pulumi` needs before its first command; the embedded engine needs it not."""
        self.run("pulumi", "stack init")

    def plan(self) -> list[dict[str, Any]]:
        """The steps of Pulumi's plan that change something."""
        text = self.run("pulumi", "preview", "--json")
        steps = json.loads(text[text.index("{") :])["steps"]
        return [step for step in steps if step["op"] in ("create", "update", "replace", "delete")]

    @property
    def options(self) -> Options:
        """For the embedded engine in this process."""
        return Options(self.folder, "dev", environment=self.environment)

    @property
    def deployment(self) -> dict[str, Any]:
        (file,) = (self.folder.parent / "state" / ".pulumi" / "stacks").glob("*/dev.json")
        return json.loads(file.read_text())["checkpoint"]["latest"]

    def state(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.deployment["resources"] if each["urn"].endswith(f"::{name}")]
        return found


def real_pair_missing() -> bool:
    return not (shutil.which("pulumi") and shutil.which("pulumi-resource-gcp"))
