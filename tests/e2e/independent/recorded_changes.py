"""The changes that the real engine and provider were recorded planning, and what makes a plan the same as theirs."""

import json
from typing import Any

from engine.outcome import Result
from tests.contract.provider_replay import DATA

PLANS: dict[str, Any] = json.loads((DATA / "plans.json").read_text())
CHANGES = [name for name in PLANS if name.startswith("change_") and not name.endswith("_back")]

Steps = list[dict[str, Any]]


def changes(plan: Result) -> Steps:
    """The steps of the embedded engine's plan that change something, as its JSON has them."""
    return [step for step in plan.as_json()["steps"] if step["op"] != "same"]


def assert_recorded(steps: Steps, change: str, resources: list[dict[str, Any]], *, exact: bool = True) -> None:
    """The same operations for the same reasons, none before what it depends on, and deletions last. `resources` is
    the state that was planned on: what a program registers side by side comes in no certain order. Unless
    `exact`, more properties than the recorded ones may differ: the provider takes its own nulls and zeros for changes
    in one run and not in another.
    """
    recorded = {(each["type"], each["name"]): each for each in PLANS[change]["resources"]}
    planned = {(each["urn"].split("::")[2].split("$")[-1], each["urn"].split("::")[3]): each for each in steps}
    assert {key: each["op"] for key, each in planned.items()} == {key: each["op"] for key, each in recorded.items()}
    for key, each in recorded.items():
        wanted, found = set(each.get("diffReasons") or ()), set(planned[key].get("diffReasons") or ())
        assert wanted == found if exact else wanted <= found, key
    for key, each in recorded.items():
        if each.get("replaceReasons"):  # null where it is another's replacement that demands this one
            assert planned[key].get("replaceReasons") == each["replaceReasons"], key
    _assert_ordered([each["urn"] for each in steps if each["op"] != "delete"], resources)
    deletes = [each["op"] == "delete" for each in steps]
    assert deletes == sorted(deletes)


def _assert_ordered(urns: list[str], resources: list[dict[str, Any]]) -> None:
    place = {urn: index for index, urn in enumerate(urns)}
    for each in resources:
        for needed in each.get("dependencies") or ():
            if each["urn"] in place and needed in place:
                assert place[needed] < place[each["urn"]], f"{each['urn']} is planned before {needed}"
