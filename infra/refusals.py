"""How a rule of the settings says no: the key, the refused value, the rule, the way out."""

from collections.abc import Iterator

from contracts.problems import Problem
from infra import limits


def problem(key: str, value: object, rule: str, fix: str) -> Problem:
    return Problem(key=key, value=value, rule=rule, fix=fix)


def broken(key: str, value: object, rule: str | None, fix: str) -> Iterator[Problem]:
    """Nothing where `rule` is None, as the rules of infra/limits.py and infra/machines.py answer."""
    if rule is not None:
        yield problem(key, value, rule, fix)


def named_after(kind: str, name: str) -> str | None:
    """Why a name that follows from a key would be refused."""
    rule = limits.name_rule(kind, name)
    return rule and f"names the {kind} {name!r}, which {rule}"
