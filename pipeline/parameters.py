"""The parameters of a compiled pipeline, as a person writes them: `name=value`, typed by the pipeline itself.

Owns: which names there are, their types and defaults, and `replica_count`, which stands for the worker pool beside the
chief's. Does not own: whether a job with these values fits its pool (preflight.py).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.problems import Problem, Refused, refuse_if
from contracts.stack_outputs import PlatformFacts
from pipeline import custom_jobs as jobs

REPLICAS = "replica_count"
_WORKERS = "worker_pool"  # computed from REPLICAS, never given
_UNQUOTABLE = ('"', "\\", "\n", "{{")


def declared(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The definitions that the compiled pipeline gives of its parameters."""
    return spec["root"]["inputDefinitions"]["parameters"]


def defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's default, and one replica."""
    values = {name: definition.get("defaultValue") for name, definition in declared(spec).items() if name != _WORKERS}
    return values | {REPLICAS: 1}


def parse(arguments: Sequence[str], spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `name=value` arguments. Raises `Refused` with every unknown name and wrongly typed value."""
    types = {name: definition["parameterType"] for name, definition in declared(spec).items() if name != _WORKERS}
    types[REPLICAS] = "NUMBER_INTEGER"
    values: dict[str, Any] = {}
    problems = []
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            rule, fix = "a parameter is written name=value", f"Write {name}=…"
            problems.append(Problem(key="argument", value=argument, rule=rule, fix=fix))
        elif name not in types:
            rule = "the pipeline has no such parameter"
            problems.append(Problem(key=name, value=text, rule=rule, fix=f"Known: {', '.join(sorted(types))}"))
        else:
            value, problem = _typed(name, text, types[name])
            values[name] = value
            problems += [problem] if problem else []
    refuse_if("Parameters", problems)
    return values


def on_pool(name: str, facts: PlatformFacts) -> dict[str, Any]:
    """The values that send training to the pool of that name, "" for the usual one: on demand on its machine while it
    sleeps. Raises `Refused` where the stack has none of that name."""
    if not name:
        return {}
    pool = next((pool for pool in facts.training_pools if pool.name == name), None)
    if pool is None:
        known = ", ".join(pool.name for pool in facts.training_pools)
        fix = "Name one of them, or declare it in furtherTrainingPools and bring the stack up"
        raise Refused("Pool", [Problem(key="--pool", value=name, rule=f"the training pools are {known}", fix=fix)])
    return jobs.machine_defaults(pool) | {"persistent_resource_id": pool.persistent_resource_id}


def for_request(
    values: Mapping[str, Any], spec: Mapping[str, Any], facts: PlatformFacts, run_id: str
) -> dict[str, Any]:
    """What is sent: the given values, and what follows from them (the workers' pool, a longer training's timeout)."""
    sent = {name: value for name, value in values.items() if name != REPLICAS}
    if "accelerator_type" in sent:
        sent["accelerator_type"] = sent["accelerator_type"] or jobs.NO_ACCELERATOR
    if "max_minutes" in sent and "train_timeout" not in sent:
        sent["train_timeout"] = f"{jobs.train_timeout_seconds(sent['max_minutes'])}s"
    if values.get(REPLICAS, 1) > 1:
        whole = defaults(spec) | sent
        machine = {name: whole[name] for name in jobs.machine_defaults(facts.training_pool)}
        container = jobs.train_container(
            facts, train_args=jobs.train_args(whole["max_minutes"], whole["train_args"]), run_id=run_id
        )
        sent[_WORKERS] = jobs.worker_pool(**machine, container=container, replica_count=values[REPLICAS] - 1)
    return sent


def _typed(name: str, text: str, kind: str) -> tuple[Any, Problem | None]:
    convert, wanted = _KINDS[kind]
    try:
        return convert(text), None
    except (ValueError, KeyError):
        return None, Problem(
            key=name, value=text, rule=f"the parameter is {wanted}", fix=f"Write {name}={_EXAMPLES[kind]}"
        )


def _text(text: str) -> str:
    # Google's components paste the value into a JSON document as it is.
    if any(part in text for part in _UNQUOTABLE):
        raise ValueError(text)
    return text


_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "STRING": (_text, "text without quotation marks, backslashes, line breaks and double braces"),
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (float, "a number"),
    "BOOLEAN": (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    "STRUCT": (json.loads, "a JSON object"),
    "LIST": (json.loads, "a JSON list"),
}
_EXAMPLES = {
    "STRING": "text",
    "NUMBER_INTEGER": "4",
    "NUMBER_DOUBLE": "30",
    "BOOLEAN": "true",
    "STRUCT": "'{}'",
    "LIST": "'[]'",
}
