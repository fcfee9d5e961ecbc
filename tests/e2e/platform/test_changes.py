"""What an `up` does to a platform that is there."""

from tests.e2e.platform.stack import Stack


def test_another_pipeline_is_stored_before_the_one_that_is_exported_is_deleted(stack: Stack) -> None:
    assert stack.up().errors == []
    stack.deploy_images("3")

    (stored,) = [outcome for outcome in stack.plan().outcomes if outcome.name == "pipeline-object"]

    assert (stored.op, stored.delete_first) == ("replace", False)
