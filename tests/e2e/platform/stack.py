"""The platform with prod's configuration, brought up by the embedded engine on a local cloud."""

import itertools
import json
from pathlib import Path
from typing import Any

from engine.outcome import Result
from engine.run import Options, preview, up
from local.cloud.clients import client_environment
from tests.contract.cloud_process import CloudProcess
from tests.unit.infra.deploy import stack_config

PROGRAM = "from tests.unit.infra.deploy import platform\n\nplatform()\n"  # around a pipeline of one step
POOL_TYPE = "gcp:vertex/aiPersistentResource:AiPersistentResource"

_numbers = itertools.count(1)


class Stack:
    """`plan` and `up` take changes of prod's configuration; they add up, as edits of the stack file do."""

    def __init__(self, cloud: CloudProcess, folder: Path) -> None:
        self.project = f"acme-recsys-{next(_numbers)}"
        self._cloud = cloud
        self._folder = folder
        self._config = stack_config(
            "prod",
            {
                "gcp:project": self.project,
                "recsys-training:imagesLock": str(folder / "images.json"),
                "recsys-training:submitters": ["user:ann@acme.example"],
            },
        )
        token_file = cloud.root / "operator-token"
        self._environment = {
            **client_environment(cloud.url, operator_token=cloud.token, token_file=str(token_file)),
            "PULUMI_BACKEND_URL": "file://state",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        (folder / "Pulumi.yaml").write_text("name: recsys-training\nruntime: python\n")
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "state").mkdir()
        self.deploy_images("1")

    def deploy_images(self, digit: str) -> None:
        """Write a lock with the trainer's digest made of `digit`."""
        repository = f"us-central1-docker.pkg.dev/{self.project}/recsys-training"
        lock = {"trainer": f"{repository}/recsys-train@sha256:{digit * 64}"}
        lock["steps"] = f"{repository}/recsys-steps@sha256:{'2' * 64}"
        (self._folder / "images.json").write_text(json.dumps(lock))

    def plan(self, **changes: Any) -> Result:
        return preview(self._options(changes))

    def up(self, **changes: Any) -> Result:
        return up(self._options(changes))

    def _options(self, changes: dict[str, Any]) -> Options:
        """Each change is a key without its namespace; a mapping is merged into what is there."""
        for name, value in changes.items():
            key = f"recsys-training:{name}"
            self._config[key] = {**self._config[key], **value} if isinstance(value, dict) else value
        (self._folder / "Pulumi.prod.yaml").write_text(json.dumps({"config": self._config}))
        return Options(cwd=self._folder, stack="prod", environment=self._environment)

    def pools(self) -> set[str]:
        """The names of the persistent resources that the cloud has."""
        return set(self._pools())

    def machine(self, pool: str) -> str:
        """The type of machine that the cloud has given to the pool of that name."""
        return self._pools()[pool]["resourcePools"][0]["machineSpec"]["machineType"]

    def _pools(self) -> dict[str, Any]:
        path = f"/v1/projects/{self.project}/locations/us-central1/persistentResources"
        listed = self._cloud.json("GET", path).get("persistentResources", [])
        return {pool["name"].rpartition("/")[2]: pool for pool in listed}


def pool_steps(result: Result) -> dict[str, str]:
    """What a plan or a run does to each training pool, by the pool's name; what stays as it is left out."""
    prefix = "training-pool-"
    return {
        outcome.name.removeprefix(prefix): outcome.op
        for outcome in result.outcomes
        if outcome.type == POOL_TYPE and outcome.name.startswith(prefix) and outcome.op != "same"
    }
