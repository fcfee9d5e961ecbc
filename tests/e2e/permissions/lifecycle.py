"""A platform's life on a fresh local cloud with IAM enforced, each part under the account that it is meant for.

A person applies the identities, the deployer the rest, changes of it and its end; the submitter submits one training
run, which the pipeline's account runs; the previewer plans with a refresh; the keeper looks after pools and schedule.
Owns: who does what. Does not own: how what was used is told (table.py).
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from local.cloud.clients import client_environment
from tests.e2e.stack.checkout import LOCATION, Checkout, wait_until

_PROJECT = "recsys-local"
_BY_A_PERSON = ("EnabledServices", "PlatformIdentity", "ServiceAgents", "DataAccessAudit", "GithubFederation")
_RETENTION = {
    "stagingDays": 30,
    "checkpointsDays": 60,
    "versionsDays": 7,
    "softDeleteDays": 14,
    "logsDays": 365,
    "driftDays": 30,
}
# No budget: it belongs to the billing account, where none of these accounts has a role.
_OPERATIONS = {
    "emails": ["operator@local.test"],
    "noSuccessHours": 25,
    "idlePoolHours": 6,
    "billingAccount": "",
    "monthlyBudget": 1,
}
_START = """
from local import images, server
from local.layout import Layout
from local.stack import _repository
layout = Layout()
address = server.ensure_started(layout)
images.register(layout, address, _repository(layout))
"""


class Lifecycle:
    """`run` answers with what each account used: rows of principal, permission, role and granted."""

    def __init__(self, checkout: Checkout, data: Path) -> None:
        self._checkout = checkout
        self._data = data
        self._tokens: dict[str, str] = {}

    def run(self) -> list[dict[str, Any]]:
        self._python("-c", _START)
        self._engine("up", "operator", *self._targets(_BY_A_PERSON))
        self._engine("up", "deployer")
        self._engine("up", "deployer", "--config", f"recsys-training:retention={json.dumps(_RETENTION)}")
        self._engine("up", "deployer")
        self._python("-m", "pipeline.ingest", "--stack", "local", "--data", str(self._data))
        self._submit()
        self._engine("preview", "previewer", "--refresh")
        self._keep()
        self._engine("destroy", "deployer", *self._targets(self._others()))
        return self._checkout.get("/_local/access/used")["used"]

    def _others(self) -> list[str]:
        """The components that the deployer may take down."""
        (state,) = (self._checkout.local / "state" / ".pulumi" / "stacks").glob("*/local.json")
        resources = json.loads(state.read_text())["checkpoint"]["latest"]["resources"]
        kinds = {r["type"].removeprefix("recsys:infra:") for r in resources if r["type"].startswith("recsys:infra:")}
        return sorted(kinds - set(_BY_A_PERSON))

    def _targets(self, components: Any) -> list[str]:
        return [word for kind in components for word in ("--target", f"**recsys:infra:{kind}**")]

    def _engine(self, verb: str, account: str, *flags: str) -> None:
        yes = [] if verb == "preview" else ["--yes"]
        without_budget = ["--config", f"recsys-training:operations={json.dumps(_OPERATIONS)}"]
        command = ["-m", "engine", verb, "--cwd", ".", "--stack", "local", *yes, *without_budget, *flags]
        self._python(*command, environment=self._environment(account))

    def _environment(self, account: str) -> dict[str, str]:
        token_file = self._checkout.local / "cloud" / "operator-token"
        token = token_file.read_text().strip() if account == "operator" else self._token(account)
        environment = client_environment(self._checkout.url, operator_token=token, token_file=str(token_file))
        return environment | {"PULUMI_BACKEND_URL": f"file://{self._checkout.local / 'state'}"}

    def _token(self, account: str) -> str:
        if account not in self._tokens:
            email = f"recsys-{account}@{_PROJECT}.iam.gserviceaccount.com"
            answer = self._call("POST", "/_local/access/tokens", {"principal": email}, self._operator())
            self._tokens[account] = answer["accessToken"]
        return self._tokens[account]

    def _operator(self) -> str:
        return (self._checkout.local / "cloud" / "operator-token").read_text().strip()

    def _submit(self) -> None:
        outputs = self._outputs("submitter")
        self._python("-m", "pipeline.submit", "--stack", "local", "--outputs", outputs, "--wait", "max_minutes=0.05")

    def _outputs(self, account: str) -> str:
        """A copy of the outputs that names the account's token in place of the operator's."""
        from pipeline import stack_reader

        token_file = self._checkout.local / f"{account}-token"
        token_file.write_text(self._token(account))
        outputs = stack_reader.read("local", root=self._checkout.root)
        endpoints = outputs.endpoints.model_copy(update={"access_token_file": str(token_file)})
        file = self._checkout.local / f"{account}-outputs.json"
        file.write_text(outputs.model_copy(update={"endpoints": endpoints}).model_dump_json())
        return str(file)

    def _keep(self) -> None:
        """Reboot, hibernate, wake, pause and resume, after looking whether anything runs."""
        self._python("-m", "pipeline.status", "--stack", "local", "--outputs", self._outputs("keeper"))
        token = self._token("keeper")
        for collection in ("persistentResources", "schedules", "customJobs", "pipelineJobs"):
            self._call("GET", f"{LOCATION}/{collection}", None, token)
        schedule = self._call("GET", f"{LOCATION}/schedules", None, token)["schedules"][0]["name"].rpartition("/")[2]
        self._call("POST", f"{LOCATION}/schedules/{schedule}:pause", {}, token)
        self._call("POST", f"{LOCATION}/schedules/{schedule}:resume", {}, token)
        name = f"{LOCATION}/persistentResources/recsys-steps-blue"
        self._call("POST", f"{name}:reboot", {}, token)
        wait_until(lambda: self._call("GET", name, None, token)["state"] == "RUNNING")
        pool = self._call("GET", name, None, token)
        self._call("DELETE", name, None, token)
        kept = {key: pool[key] for key in ("displayName", "resourcePools", "resourceRuntimeSpec")}
        wait_until(lambda: "error" in self._call("GET", name, None, token, failing=True))
        self._call("POST", f"{LOCATION}/persistentResources?persistentResourceId=recsys-steps-blue", kept, token)

    def _call(self, method: str, path: str, body: Any, token: str, *, failing: bool = False) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"authorization": f"Bearer {token}"}
            answer = session.request(method, self._checkout.url + path, json=body, headers=headers, timeout=30)
        if not (answer.ok or failing):
            raise RuntimeError(f"{method} {path}: {answer.text}")
        return answer.json()

    def _python(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        env = {**self._checkout.env, **(environment or {})}
        command = [str(self._checkout.root / ".venv" / "bin" / "python"), *arguments]
        done = subprocess.run(
            command, cwd=self._checkout.root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)[:200]}: {done.returncode}{os.linesep}{done.stdout}{done.stderr}")
        return done.stdout
