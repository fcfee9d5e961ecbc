"""The same program by the real `pulumi` command and gcp provider, and handed from each engine to the other.

The tests of this file stand in the order of one stack's life: the real pair makes it, both plan each recorded change on
it, and the embedded engine, in the last but one, changes and destroys it.
"""

import shutil
from collections.abc import Iterator

import pytest

from engine.run import preview
from tests.contract.cloud_process import CloudProcess
from tests.contract.provider_replay import DATA, PROJECT
from tests.e2e.independent.engines import Stack, real_pair_missing
from tests.e2e.independent.recorded_changes import CHANGES, assert_recorded, changes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pulumi,
    pytest.mark.minutes,
    pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
]


def _words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The program's stack, just made by the real pair and read again by it."""
    folder = tmp_path_factory.mktemp("made")
    cloud = CloudProcess(folder / "cloud").start()
    cloud.json("PUT", "/_local/projects", PROJECT)
    stack = Stack(shutil.copytree(DATA / "stack", folder / "stack"), cloud)
    stack.init()
    assert "+ 65 created" in _words(stack.run("pulumi", "up"))
    stack.run("pulumi", "refresh", "--expect-no-changes")
    yield stack
    cloud.stop()


def test_what_the_real_pair_made_neither_engine_wants_to_change(made: Stack) -> None:
    made.vary()
    made.run("pulumi", "preview", "--expect-no-changes")
    made.run("embedded", "refresh", "--expect-no-changes")
    assert "65 unchanged" in made.run("embedded", "preview", "--expect-no-changes")


@pytest.mark.parametrize("change", CHANGES)
def test_both_engines_plan_a_recorded_change_as_it_was_recorded(made: Stack, change: str) -> None:
    made.vary(change.removeprefix("change_"))
    resources = made.deployment["resources"]
    assert_recorded(made.plan(), change, resources, exact=False)
    assert_recorded(changes(preview(made.options)), change, resources)


def test_the_embedded_engine_changes_and_destroys_what_the_real_pair_made(made: Stack) -> None:
    made.vary("bulk")
    assert "~ 23 updated" in _words(made.run("embedded", "up"))
    made.run("pulumi", "preview", "--expect-no-changes", "--refresh")
    assert "- 66 deleted" in _words(made.run("embedded", "destroy"))


def test_the_real_pair_changes_and_destroys_what_the_embedded_engine_made(stack: Stack) -> None:
    stack.run("embedded", "up")
    stack.run("pulumi", "refresh", "--expect-no-changes")
    stack.run("pulumi", "preview", "--expect-no-changes")
    stack.vary("bulk")
    assert "~ 23 updated" in _words(stack.run("pulumi", "up"))
    stack.run("embedded", "preview", "--expect-no-changes", "--refresh")
    stack.vary()
    assert "~ 21 updated - 1 deleted +-4 replaced" in _words(stack.run("embedded", "up"))
    assert "- 65 deleted" in _words(stack.run("pulumi", "destroy"))
