"""Whether Vertex AI would take the jobs of a run, asked before anything is sent.

Owns: applying the pool's rules (contracts.pool_spec) to the parameters of a submission. Does not own: the rules.
"""

import re
from collections.abc import Mapping
from typing import Any

from contracts.pool_spec import DiskSpec, JobRequest, MachineSpec, NetworkAccess, PoolSpec, match_problems
from contracts.problems import Problem, refuse_if
from contracts.stack_outputs import PlatformFacts
from pipeline.custom_jobs import NO_ACCELERATOR, ON_TRAINING_POOL
from pipeline.parameters import REPLICAS

_STRATEGIES = ("STANDARD", "SPOT", "FLEX_START")
_MOST_MINUTES = 30 * 24 * 60  # the trainer's own limit
_SECONDS = re.compile(r"\d{1,9}s")


def require_accepted(values: Mapping[str, Any], facts: PlatformFacts, spec: Mapping[str, Any]) -> None:
    """Raise `Refused` with every reason why a job of the compiled pipeline with these parameters (defaults included)
    would be rejected."""
    refuse_if("Job", [*problems(values, facts), *network_problems(spec, facts)])


def network_problems(spec: Mapping[str, Any], facts: PlatformFacts) -> list[Problem]:
    """Jobs of the compiled pipeline that are not in their pool's network."""
    found = []
    for step, payload in _payloads(spec).items():
        pool = facts.training_pool if step in ON_TRAINING_POOL else facts.steps_pool
        held = NetworkAccess(network=_named("network", payload), attachment=_named("network_attachment", payload))
        if held != pool.network:
            rule = f"the pool of step {step!r} has {pool.network.as_api()!r}, and its jobs must have the same"
            found.append(
                Problem(key="network", value=held.as_api(), rule=rule, fix="Bring the stack up again: make up")
            )
    return found


def _payloads(spec: Mapping[str, Any]) -> dict[str, str]:
    """Of each step the job that its launcher creates: JSON but for the placeholders in it."""
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    arguments = {name.removeprefix("exec-"): each["container"].get("args", []) for name, each in executors.items()}
    return {name: args[args.index("--payload") + 1] for name, args in arguments.items() if "--payload" in args}


def _named(key: str, payload: str) -> str:
    match = re.search(rf'"{key}": "([^"]*)"', payload)
    return match[1] if match else ""


def problems(values: Mapping[str, Any], facts: PlatformFacts) -> list[Problem]:
    """Why the jobs of a run would be rejected."""
    found = _range_problems(values)
    if found:
        return found
    accelerator = values["accelerator_type"]
    training = JobRequest(
        machine=MachineSpec(
            machine_type=values["machine_type"],
            accelerator_type="" if accelerator == NO_ACCELERATOR else accelerator,
            accelerator_count=values["accelerator_count"],
        ),
        disk=DiskSpec(boot_disk_type=values["boot_disk_type"], boot_disk_size_gb=values["boot_disk_size_gb"]),
        replica_count=values[REPLICAS],
        persistent_resource_id=values["persistent_resource_id"],
        service_account=values["service_account"],
        strategy=values["strategy"],
        network=facts.training_pool.network,  # all pools of a stack are in one
    )
    step = JobRequest(
        machine=facts.steps_pool.machine,
        disk=facts.steps_pool.disk,
        persistent_resource_id=values["steps_persistent_resource_id"],
        service_account=values["service_account"],
        network=facts.steps_pool.network,
    )
    steps = [
        problem.model_copy(update={"key": "steps_persistent_resource_id"})
        for problem in match_problems(step, facts.steps_pool)
        if problem.key == "persistent_resource_id"
    ]
    return match_problems(training, _pool_of(training, facts)) + steps


def _pool_of(training: JobRequest, facts: PlatformFacts) -> PoolSpec:
    """The pool that a job names; the usual one where it names none of the stack's."""
    named = [pool for pool in facts.training_pools if pool.persistent_resource_id == training.persistent_resource_id]
    return named[0] if named else facts.training_pool


def _range_problems(values: Mapping[str, Any]) -> list[Problem]:
    found = []
    if values["strategy"] not in _STRATEGIES:
        found.append(_problem("strategy", values, f"the strategies are {', '.join(_STRATEGIES)}", "Name one of them"))
    if not 0 < values["max_minutes"] <= _MOST_MINUTES:
        rule = "the time budget must be above 0 and at most 30 days"
        found.append(_problem("max_minutes", values, rule, "Give it in minutes: max_minutes=30"))
    if not _is_timeout(values["train_timeout"]):
        rule = "the timeout must be whole seconds and end in s"
        found.append(_problem("train_timeout", values, rule, "Write train_timeout=7200s, or leave it out"))
    if values[REPLICAS] < 1:
        found.append(_problem(REPLICAS, values, "a job has at least one replica", "Ask for one or more"))
    has_type = values["accelerator_type"] not in ("", NO_ACCELERATOR)
    if has_type != bool(values["accelerator_count"]):
        rule = f"type and count go together (accelerator_type is {values['accelerator_type']!r})"
        found.append(_problem("accelerator_count", values, rule, "Give both, or accelerator_type= accelerator_count=0"))
    return found


def _is_timeout(text: str) -> bool:
    return _SECONDS.fullmatch(text) is not None and int(text.removesuffix("s")) > 0


def _problem(key: str, values: Mapping[str, Any], rule: str, fix: str) -> Problem:
    return Problem(key=key, value=values[key], rule=rule, fix=fix)
