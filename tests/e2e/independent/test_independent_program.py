"""A program that is not ours, 65 resources of 43 types, by the embedded engine on the local cloud."""

from engine.refresh import refresh
from engine.run import destroy, preview, up
from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import PROJECT
from tests.e2e.independent.engines import Stack
from tests.e2e.independent.recorded_changes import CHANGES, assert_recorded, changes


def test_it_comes_up_stays_still_changes_and_goes(cloud: CloudProcess, stack: Stack) -> None:
    options = stack.options
    made = up(options)
    assert made.errors == []
    assert made.changes == {"create": 65, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert not preview(options).changed
    assert not refresh(options).changed
    for change in CHANGES:
        stack.vary(change.removeprefix("change_"))
        assert_recorded(changes(preview(options)), change, stack.deployment["resources"])
    stack.vary("bulk")
    changed = up(options)
    assert changed.errors == []
    assert changed.changes == {"create": 1, "update": 23, "replace": 3, "delete": 0, "same": 39}
    assert not refresh(options).changed
    gone = destroy(options)
    assert gone.errors == []
    assert gone.changes["delete"] == 66
    _assert_empty(cloud)


def test_by_its_command_line_65_come_and_65_go(stack: Stack) -> None:
    assert "+ 65 created" in " ".join(stack.run("embedded", "up").split())
    assert "65 unchanged" in stack.run("embedded", "preview", "--expect-no-changes")
    assert "65 unchanged" in stack.run("embedded", "refresh", "--expect-no-changes")
    assert "- 65 deleted" in " ".join(stack.run("embedded", "destroy").split())


def _assert_empty(cloud: CloudProcess) -> None:
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
