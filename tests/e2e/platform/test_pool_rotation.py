"""A pool gets a successor in two steps, under prod's protection."""

from tests.e2e.platform.stack import Stack, pool_steps

BLUE, GREEN = "recsys-train-blue", "recsys-train-green"
ROTATION = {"generation": "green", "retiringGeneration": "blue"}


def test_a_successor_is_created_beside_its_predecessor_which_then_is_deleted(stack: Stack) -> None:
    assert stack.up().errors == []

    first = stack.up(trainingPool=ROTATION)
    assert first.errors == []
    assert pool_steps(first) == {GREEN: "create", BLUE: "update"}
    assert {BLUE, GREEN} <= stack.pools()
    assert not stack.plan().changed

    second = stack.up(trainingPool={"retiringGeneration": ""})
    assert second.errors == []
    assert pool_steps(second) == {BLUE: "delete"}
    assert BLUE not in stack.pools()
    assert GREEN in stack.pools()
    assert not stack.plan().changed


def test_the_successor_is_as_protected_as_its_predecessor_was(stack: Stack) -> None:
    assert stack.up().ok
    assert stack.up(trainingPool=ROTATION).ok
    assert stack.up(trainingPool={"retiringGeneration": ""}).ok

    planned = stack.plan(trainingPool={"machineType": "g2-standard-16"})

    assert GREEN in str(planned.errors)
    assert "protect" in str(planned.errors)


def test_a_successor_of_another_machine_leaves_its_predecessor_as_it_is(stack: Stack) -> None:
    assert stack.up().errors == []

    done = stack.up(trainingPool={**ROTATION, "machineType": "g2-standard-16", "minReplicas": 2, "replicas": 2})

    assert done.errors == []
    (blue,) = [outcome for outcome in done.outcomes if outcome.name.endswith(BLUE)]
    assert (blue.op, blue.diff) == ("update", ["deletionPolicy"])
    assert stack.machine(BLUE) == "g2-standard-12"
    assert stack.machine(GREEN) == "g2-standard-16"
    assert not stack.plan().changed


def test_another_generation_alone_is_refused_and_loses_nothing(stack: Stack) -> None:
    assert stack.up().errors == []

    planned = stack.plan(trainingPool={"generation": "green"})
    done = stack.up()

    for result in (planned, done):
        assert BLUE in str(result.errors)
        assert "protect" in str(result.errors)
    assert {name for name in stack.pools() if name.startswith("recsys-train-")} == {BLUE}


def test_the_steps_pool_keeps_its_predecessor_too(stack: Stack) -> None:
    assert stack.up().errors == []

    first = stack.up(stepsPool=ROTATION)
    assert first.errors == []
    assert {"recsys-steps-blue", "recsys-steps-green"} <= stack.pools()

    second = stack.up(stepsPool={"retiringGeneration": ""})
    assert second.errors == []
    assert {name for name in stack.pools() if name.startswith("recsys-steps-")} == {"recsys-steps-green"}
