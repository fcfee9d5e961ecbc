"""Our policies (policy/rules.py) on what a plan declares."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plan.changes import without_marks
from policy.resources import Resource, stack_of
from policy.rules import RULES, STACK_RULES, Violation, violations


def broken(steps: Iterable[Mapping[str, Any]]) -> list[Violation]:
    """What the rules have against the resources that the program declares."""
    return violations(sorted(_declared(steps), key=lambda resource: (resource.type, resource.name)))


def _declared(steps: Iterable[Mapping[str, Any]]) -> Iterable[Resource]:
    for step in steps:
        new = step.get("newState") or {}
        if new.get("custom") and step["op"] != "delete":
            inputs = without_marks(new.get("inputs") or {})
            protect = bool(new.get("protect"))
            yield Resource(step["type"], step["name"], stack_of(step["urn"]), inputs, protect)


def refused(found: Sequence[Violation]) -> bool:
    return any(violation.level == "mandatory" for violation in found)


def lines(found: Sequence[Violation]) -> list[str]:
    """As they are printed; that all are kept is said too."""
    kept = len(RULES) + len(STACK_RULES) - len({violation.rule for violation in found})
    return [*(f"  {violation}" for violation in found), f"  {kept} of {len(RULES) + len(STACK_RULES)} rules are kept"]
