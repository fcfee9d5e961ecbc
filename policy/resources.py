"""A resource as the rules see it, whichever engine plans it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Resource:
    """`inputs` are the provider's (camelCase); `stack` is the stack's name, which is the environment's."""

    type: str
    name: str
    stack: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False

    def get(self, path: str) -> Any:
        """The input at a dotted path, None where there is none; lists are entered at their first item."""
        value: Any = self.inputs
        for part in path.split("."):
            if isinstance(value, Sequence) and not isinstance(value, str):  # the policy pack has lists of its own kind
                value = value[0] if value else None
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value


def stack_of(urn: str) -> str:
    """`urn:pulumi:prod::project::type::name` is of stack `prod`."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]
