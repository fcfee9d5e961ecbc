"""Every key of a stack file against values that are wrong for its type: each is refused, by its key."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from infra import settings
from infra.settings import RefusedSettings
from infra.stack_config import StackConfig, config_key
from tests.unit.infra.deploy import deploy, stack_config

WRONG: dict[Any, list[Any]] = {
    str: [5, True, None, [], {}, "", " ", " x", "x\n", "x\x00", "x" * 5000, "ｄｅｖ", "٣", "а"],  # the last is Cyrillic
    int: ["1", "١", 1.5, True, None, [], {}, -1, 10**12, 10**400],
    float: ["1", True, None, [], {}, -1, 0, 1e-9, 1e12, float("inf"), float("nan")],
    bool: [0, 1, "yes", "True", None, [], {}],
    tuple[str, ...]: [0, True, None, {}, "user:ann@acme.example", [5], [None], [""], [["user:ann@acme.example"]]],
    # A member with letters of another script, with spaces, without a domain, in two spellings of one.
    "members": [["user:änn@acme.example"], ["user:ann@асme.example"], [" user:ann@acme.example"], ["user:ann@acme"]],
    dict[str, Any]: [0, True, None, [], "text", {"x": []}, {"x": None}, {"strategy": "SPOT"}],
    "sections": [0, True, None, {}, "text", [5], [None]],
    "section": [0, True, None, [], {}, "text"],
}


FURTHER = stack_config("dev", {})["recsys-training:trainingPool"] | {"persistentResourceId": "recsys-large"}


def leaves(section: type[BaseModel] = StackConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each key with its type; sections are keys, too."""
    for name, kind in get_type_hints(section).items():
        if name not in section.model_fields:
            continue
        key = f"{prefix}.{to_camel(name)}" if prefix else config_key(name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield key, "section"
            yield from leaves(kind, key)
        elif any(hasattr(part, "model_fields") for part in get_args(kind)):
            yield key, "sections"
            yield from leaves(get_args(kind)[0], key)
        else:
            yield key, kind
            if kind == tuple[str, ...]:
                yield key, "members"


# "" builds the images, no accelerator is what the steps' machine has, mostly no pool is retiring, no workflow deploys.
RIGHT = {
    "recsys-training:imagesLock": "",
    "recsys-training:stepsPool.acceleratorType": "",
    "recsys-training:trainingPool.retiringGeneration": "",
    "recsys-training:stepsPool.retiringGeneration": "",
    "recsys-training:furtherTrainingPools.retiringGeneration": "",
    "recsys-training:federation.githubRepository": "",
    "recsys-training:schedules.startTime": "",
    "recsys-training:schedules.endTime": "",
    "recsys-training:operations.billingAccount": "",
    "recsys-training:network.peeringRange": "",
}


def cases() -> Iterator[tuple[str, Any]]:
    for key, kind in leaves():
        for value in WRONG[kind]:
            # At the top of a stack file everything is text to whoever asks for text.
            is_text = kind is str and "." not in key
            if (isinstance(value, str) or not is_text) and RIGHT.get(key) != value:
                yield key, value


def raw(key: str, value: Any) -> dict[str, str]:
    """The changed configuration as the language host gets it."""
    top, _, inner = key.partition(".")
    if inner:
        held = stack_config("dev", {})[top] or [FURTHER]  # no stack file has a further pool
        changed = [{**held[0], inner: value}] if isinstance(held, list) else {**held, inner: value}
        return {top: json.dumps(changed)}
    return {top: value if isinstance(value, str) else json.dumps(value)}


def test_every_key_has_wrong_values() -> None:
    assert {key for key, _ in cases()} == {key for key, _ in leaves()}


@pytest.mark.parametrize(("key", "value"), cases(), ids=lambda item: repr(item)[:60])
def test_a_wrong_value_is_refused_by_its_key(key: str, value: Any, image_lock: str) -> None:
    config = {"recsys-training:imagesLock": image_lock} | raw(key, value)

    with pytest.raises(RefusedSettings) as refused:
        deploy(settings.load, config=config)

    section, _, name = key.rpartition(".")
    told = [problem.key for problem in refused.value.problems]
    assert told
    assert all(each.startswith(section) and name in each for each in told)
    assert "\n" not in str(refused.value.problems[0])
