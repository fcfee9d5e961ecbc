"""A program that is not ours, 65 resources of 43 types, by the embedded engine on the local cloud."""

import json
import shutil
from pathlib import Path

import pytest

from engine.refresh import refresh
from engine.run import Options, destroy, preview, up
from local.cloud.clients import client_environment
from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import DATA, PROJECT


@pytest.fixture
def cloud(tmp_path: Path):
    made = CloudProcess(tmp_path / "cloud").start()
    made.json("PUT", "/_local/projects", PROJECT)
    yield made
    made.stop()


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path) -> Options:
    folder = Path(shutil.copytree(DATA / "stack", tmp_path / "stack"))
    environment = client_environment(cloud.url, operator_token=cloud.token, token_file="")
    return Options(
        folder,
        "dev",
        environment={**environment, "PULUMI_BACKEND_URL": "file://state", "PULUMI_CONFIG_PASSPHRASE": "x"},
    )


def test_it_comes_up_stays_still_changes_and_goes(cloud: CloudProcess, stack: Options) -> None:
    made = up(stack)
    assert made.errors == []
    assert made.changes == {"create": 65, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert not preview(stack).changed
    assert not refresh(stack).changed
    (stack.cwd / "variant.json").write_text(json.dumps({"bulk": True}))
    changed = up(stack)
    assert changed.errors == []
    assert changed.changes == {"create": 1, "update": 23, "replace": 3, "delete": 0, "same": 39}
    assert not refresh(stack).changed
    gone = destroy(stack)
    assert gone.errors == []
    assert gone.changes["delete"] == 66
    number, project = PROJECT["projectNumber"], PROJECT["projectId"]
    for path, field in (
        (f"/storage/v1/b?project={project}", "items"),
        (f"/v1/projects/{project}/topics", "topics"),
        (f"/v1/projects/{number}/secrets", "secrets"),
        (f"/compute/v1/projects/{project}/global/networks", "items"),
        (f"/v1beta1/projects/{project}/locations/europe-west1/persistentResources", "persistentResources"),
        (f"/v3/projects/{project}/alertPolicies", "alertPolicies"),
    ):
        assert field not in cloud.json("GET", path)
