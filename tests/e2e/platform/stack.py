"""The platform with prod's configuration, brought up by the embedded engine on a local cloud."""

import itertools
from pathlib import Path
from typing import Any

from engine.outcome import Result
from engine.run import Options, preview, up
from tests.contract.cloud_process import CloudProcess
from tests.e2e.platform.project_folder import ProjectFolder

PROGRAM = "from tests.unit.infra.deploy import platform\n\nplatform()\n"  # around a pipeline of one step
POOL_TYPE = "gcp:vertex/aiPersistentResource:AiPersistentResource"

_numbers = itertools.count(1)


class Stack:
    """`plan` and `up` take changes of prod's configuration; they add up, as edits of the stack file do."""

    def __init__(self, cloud: CloudProcess, folder: Path) -> None:
        self.project = f"acme-recsys-{next(_numbers)}"
        self._cloud = cloud
        self._files = ProjectFolder(cloud, folder, stack="prod", project=self.project)
        self._config = dict(self._files.config)
        self.deploy_images("1")

    def deploy_images(self, digit: str) -> None:
        """Write a lock with the trainer's digest made of `digit`."""
        self._files.deploy_images(trainer=digit, steps="2")

    def plan(self, **changes: Any) -> Result:
        return preview(self._options(changes))

    def up(self, **changes: Any) -> Result:
        return up(self._options(changes))

    def _options(self, changes: dict[str, Any]) -> Options:
        """Each change is a key without its namespace; a mapping is merged into what is there."""
        for name, value in changes.items():
            key = f"recsys-training:{name}"
            self._config[key] = {**self._config[key], **value} if isinstance(value, dict) else value
        return self._files.options(self._config, PROGRAM)

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
