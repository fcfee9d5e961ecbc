"""What topics and subscriptions have in common: a PATCH that wraps the resource and carries its mask in the body."""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import invalid_argument
from local.cloud.resources import Resources


class PubSubResources(Resources):
    """`wrapper` is the field of a PATCH's body that holds the resource: `{topic, updateMask}`."""

    wrapper: str

    def body(self, call: Call) -> dict[str, Any]:
        given = call.object()
        wrapped = given.get(self.wrapper)
        return self.read(wrapped if call.method == "PATCH" and isinstance(wrapped, dict) else given)

    def mask(self, call: Call) -> str | None:
        mask = super().mask(call) or call.object().get("updateMask")
        if not mask:
            raise invalid_argument([("updateMask", "is required")])
        return mask
