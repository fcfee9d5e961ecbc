"""A project folder that the engine runs against a local cloud: stack file, lock of images, state."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.run import Options
from local.cloud.clients import client_environment
from tests.contract.cloud_process import CloudProcess
from tests.unit.infra.deploy import stack_config


class ProjectFolder:
    """`config` is the stack file of the repository, but for the project, the images and who may submit."""

    def __init__(self, cloud: CloudProcess, folder: Path, *, stack: str, project: str) -> None:
        self._folder = folder
        self._stack = stack
        self._project = project
        self.config = stack_config(
            stack,
            {
                "gcp:project": project,
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
        (folder / "state").mkdir()

    def deploy_images(self, *, trainer: str, steps: str) -> None:
        """Write a lock with digests made of these digits."""
        repository = f"us-central1-docker.pkg.dev/{self._project}/recsys-training"
        digits = {"trainer": trainer, "steps": steps}
        lock = {name: f"{repository}/recsys-{name}@sha256:{digit * 64}" for name, digit in digits.items()}
        (self._folder / "images.json").write_text(json.dumps(lock))

    def options(self, config: Mapping[str, Any], program: str) -> Options:
        """For a run of a program with a configuration, both written to the folder."""
        (self._folder / f"Pulumi.{self._stack}.yaml").write_text(json.dumps({"config": config}))
        (self._folder / "__main__.py").write_text(program)
        return Options(cwd=self._folder, stack=self._stack, environment=self._environment)
