"""What Pulumi adds of providers: to those that a program declares, and the default one for each package and version
that it uses without naming a provider.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from engine import urns
from engine.deployment import Planner
from engine.errors import EngineError
from engine.goal import Goal
from engine.gojson import go_json
from engine.state import ResourceState
from engine.values import UNKNOWN_TEXT, Properties, Value

# What the gcp provider takes from the environment into its configuration.
_FROM_ENVIRONMENT = {
    "project": ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
    "region": ("GOOGLE_REGION", "GCLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"),
    "zone": ("GOOGLE_ZONE", "GCLOUD_ZONE", "CLOUDSDK_COMPUTE_ZONE"),
}


def completed(goal: Goal) -> Goal:
    """The goal of a provider that the program declares, with what the engine adds to its configuration."""
    version = {"version": goal.version} if goal.version else {}
    inputs = {key: _as_written(value) for key, value in goal.inputs.items()}
    return replace(goal, inputs={"__internal": {}, **version, **inputs})


def _as_written(value: Value) -> Value:
    """Configuration that is no text arrives as JSON, and the provider writes it anew in Go's form."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return go_json(json.loads(value))
    except ValueError:
        return value


class DefaultProviders:
    """Registers each default provider when it is first needed."""

    def __init__(
        self, planner: Planner, config: dict[str, Value], register: Callable[[Goal, str], ResourceState | None]
    ) -> None:
        self._planner = planner
        self._config = config
        self._register = register
        self._known: dict[str, str] = {}

    def reference(self, goal: Goal) -> str:
        """The reference to the default provider of a goal's package."""
        package = urns.package_of(goal.type)
        name = f"default_{goal.version.replace('.', '_')}" if goal.version else "default"
        urn = urns.make(self._planner.stack, self._planner.project, "", urns.PROVIDER_PREFIX + package, name)
        if urn not in self._known:
            inputs = {"__internal": {}, **self.inputs(package, goal.version)}
            wanted = Goal(type=urns.PROVIDER_PREFIX + package, name=name, inputs=inputs)
            state = self._register(wanted, urn)
            if state is None:
                raise EngineError(f"the provider {urn} could not be registered")
            self._known[urn] = f"{urn}::{state.id or UNKNOWN_TEXT}"
        return self._known[urn]

    def inputs(self, package: str, version: str) -> Properties:
        """A default provider's configuration: what the stack's config says under the package's name."""
        prefix = f"{package}:"
        inputs: Properties = {
            key.removeprefix(prefix): value for key, value in self._config.items() if key.startswith(prefix)
        }
        if package == "gcp":
            for name, variables in _FROM_ENVIRONMENT.items():
                given = next(
                    (self._planner.environment[item] for item in variables if self._planner.environment.get(item)), None
                )
                if given and name not in inputs:
                    inputs[name] = given
        if version:
            inputs["version"] = version
        return inputs
