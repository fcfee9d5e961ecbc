"""The same program by the real `pulumi` command and gcp provider, and handed from each engine to the other."""

import pytest

from engine.run import preview
from tests.e2e.independent.engines import Stack, real_pair_missing
from tests.e2e.independent.recorded_changes import CHANGES, assert_recorded, changes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pulumi,
    pytest.mark.timeout(600),
    pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
]


def _words(text: str) -> str:
    return " ".join(text.split())


def test_what_the_real_pair_makes_both_plan_alike_and_the_embedded_engine_takes_over(stack: Stack) -> None:
    stack.init()
    assert "+ 65 created" in _words(stack.run("pulumi", "up"))
    stack.run("pulumi", "refresh", "--expect-no-changes")
    stack.run("pulumi", "preview", "--expect-no-changes")
    stack.run("embedded", "preview", "--expect-no-changes")
    stack.run("embedded", "refresh", "--expect-no-changes")
    resources = stack.deployment["resources"]
    for change in CHANGES:
        stack.vary(change.removeprefix("change_"))
        assert_recorded(stack.plan(), change, resources, beside={"detectMd5hash"})
        assert_recorded(changes(preview(stack.options)), change, resources)
    stack.vary("bulk")
    assert "23 updated" in stack.run("embedded", "up")
    stack.run("pulumi", "preview", "--expect-no-changes", "--refresh")
    assert "- 66 deleted" in _words(stack.run("embedded", "destroy"))


def test_what_the_embedded_engine_makes_the_real_pair_takes_over(stack: Stack) -> None:
    stack.run("embedded", "up")
    stack.run("pulumi", "refresh", "--expect-no-changes")
    stack.run("pulumi", "preview", "--expect-no-changes")
    stack.vary("bulk")
    assert "~ 23 updated" in _words(stack.run("pulumi", "up"))
    stack.run("embedded", "preview", "--expect-no-changes", "--refresh")
    stack.run("pulumi", "preview", "--expect-no-changes")
    stack.vary()
    assert "~ 23 updated" in _words(stack.run("embedded", "up"))
    assert "- 65 deleted" in _words(stack.run("pulumi", "destroy"))
