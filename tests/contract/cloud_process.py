"""A local cloud in a process of its own, as a user starts it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

_REPOSITORY = Path(__file__).resolve().parents[2]


class CloudProcess:
    """Started by `start`, which returns when it answers. `kill` is SIGKILL; `start` after it is a restart on the same
    root.
    """

    def __init__(self, root: Path, *, iam: str = "enforce") -> None:
        self.root = root
        self.url = ""
        self.session = requests.Session()
        self.session.trust_env = False
        self._iam = iam
        self._process: subprocess.Popen[str] | None = None

    @property
    def token(self) -> str:
        return (self.root / "operator-token").read_text().strip()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self, port: int = 0) -> "CloudProcess":
        command = [
            sys.executable,
            "-m",
            "local.cloud",
            "--root",
            str(self.root),
            "--iam",
            self._iam,
            "--port",
            str(port),
        ]
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_REPOSITORY,
                env=os.environ | {"PYTHONPATH": ""},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"the local cloud did not start: {(self.root / 'server.log').read_text()[-2000:]}")
        self.url = line.strip()
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """One request as the operator; `body` is sent as JSON."""
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        data = options.pop("data", None)
        if body is not None:
            data, headers["content-type"] = json.dumps(body), "application/json"
        return self.session.request(method, f"{self.url}{path}", data=data, headers=headers, timeout=60, **options)

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer that must have `status`."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json() if answer.content else None

    def account(self, project: str, account_id: str) -> str:
        """The e-mail address of a service account, made if it was not there."""
        self.call("POST", f"/iam/v1/projects/{project}/serviceAccounts", {"accountId": account_id})
        return f"{account_id}@{project}.iam.gserviceaccount.com"

    def grant(self, project: str, roles: dict[str, list[str]]) -> None:
        """Add members to roles of a project's policy."""
        policy = self.json("POST", f"/crm/v1/projects/{project}:getIamPolicy", {})
        policy["bindings"] = [*policy.get("bindings", []), *({"role": each, "members": roles[each]} for each in roles)]
        self.json("POST", f"/crm/v1/projects/{project}:setIamPolicy", {"policy": policy})

    def token_of(self, principal: str) -> str:
        """A token of somebody else than the operator."""
        return self.json("POST", "/_local/access/tokens", {"principal": principal})["accessToken"]

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None
