"""A platform that is up, and what a change of its stack file or of a single resource would be said to do to it."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.run import Options, preview, up
from local.cloud.clients import client_environment
from plan.__main__ import answer_of
from plan.page import sections
from tests.contract.cloud_process import CloudProcess
from tests.unit.infra.deploy import stack_config

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROJECT = "acme-recsys-plan"
_PROGRAM = """
import pulumi
from tests.unit.infra.deploy import platform

CHANGES = {changes!r}

def changed(args):
    wanted = CHANGES.get(args.name, {{}})
    return pulumi.ResourceTransformationResult({{**args.props, **wanted}}, args.opts)

pulumi.runtime.register_stack_transformation(changed)
platform()
"""


class Deployed:
    """Dev's configuration, or prod's, in a project of the local cloud."""

    def __init__(self, cloud: CloudProcess, folder: Path, *, stack: str = "dev") -> None:
        self.stack = stack
        self._folder = folder
        self._config = stack_config(
            stack,
            {
                "gcp:project": PROJECT if stack == "dev" else f"{PROJECT}-{stack}",
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
        self.deploy_images("1")
        result = up(self._options({}, {}))
        assert result.errors == []

    def deploy_images(self, digit: str) -> None:
        repository = f"us-central1-docker.pkg.dev/{self._config['gcp:project']}/recsys-training"
        lock = {name: f"{repository}/recsys-{name}@sha256:{digit * 64}" for name in ("trainer", "steps")}
        (self._folder / "images.json").write_text(json.dumps(lock))

    def told(self, config: dict[str, Any] | None = None, **resources: dict[str, Any]) -> str:
        """What is said of a change: `config` in the stack file, `resources` by logical name with _ for -."""
        answer = self.answer(config, {name.replace("_", "-"): inputs for name, inputs in resources.items()})
        return sections(answer, now=NOW)

    def answer(self, config: dict[str, Any] | None = None, resources: dict[str, Any] | None = None) -> dict[str, Any]:
        return answer_of(preview(self._options(config or {}, resources or {})))

    def _options(self, config: dict[str, Any], resources: dict[str, Any]) -> Options:
        merged = copy.deepcopy(self._config)
        for key, value in config.items():
            if key == "schedule":  # the one that there is
                merged["recsys-training:schedules"][0] |= value
                continue
            full = key if ":" in key else f"recsys-training:{key}"
            merged[full] = {**merged[full], **value} if isinstance(value, dict) and full in merged else value
        (self._folder / f"Pulumi.{self.stack}.yaml").write_text(json.dumps({"config": merged}))
        (self._folder / "__main__.py").write_text(_PROGRAM.format(changes=resources))
        return Options(cwd=self._folder, stack=self.stack, environment=self._environment)
