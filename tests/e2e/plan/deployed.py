"""A platform that is up, and what a change of its stack file or of a single resource would be said to do to it."""

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.run import Options, preview, up
from plan.__main__ import answer_of
from plan.page import sections
from tests.contract.cloud_process import CloudProcess
from tests.e2e.platform.project_folder import ProjectFolder

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
        project = PROJECT if stack == "dev" else f"{PROJECT}-{stack}"
        self._files = ProjectFolder(cloud, folder, stack=stack, project=project)
        self.deploy_images("1")
        result = up(self._options({}, {}))
        assert result.errors == []

    def deploy_images(self, digit: str) -> None:
        self._files.deploy_images(trainer=digit, steps=digit)

    def told(self, config: dict[str, Any] | None = None, **resources: dict[str, Any]) -> str:
        """What is said of a change: `config` in the stack file, `resources` by logical name with _ for -."""
        answer = self.answer(config, {name.replace("_", "-"): inputs for name, inputs in resources.items()})
        return sections(answer, now=NOW)

    def answer(self, config: dict[str, Any] | None = None, resources: dict[str, Any] | None = None) -> dict[str, Any]:
        return answer_of(preview(self._options(config or {}, resources or {})))

    def _options(self, config: dict[str, Any], resources: dict[str, Any]) -> Options:
        merged = copy.deepcopy(self._files.config)
        for key, value in config.items():
            if key == "schedule":  # the one that there is
                merged["recsys-training:schedules"][0] |= value
                continue
            full = key if ":" in key else f"recsys-training:{key}"
            merged[full] = {**merged[full], **value} if isinstance(value, dict) and full in merged else value
        return self._files.options(merged, _PROGRAM.format(changes=resources))
