"""What topics, subscriptions and snapshots have in common.

They are made by PUT under a name that the caller chooses, a PATCH wraps the resource and carries its mask in the body,
and no times are kept.
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import already_exists, invalid_argument, not_found
from local.cloud.resources import Resources
from local.cloud.routing import Route


class PubSubResources(Resources):
    """`wrapper` is the field of a PATCH's body that holds the resource: `{topic, updateMask}`."""

    wrapper: str

    def routes(self) -> list[Route]:
        name = f"/v1/{{name={self.parent}/{self.collection}/*}}"
        standard = [route for route in super().routes() if route.method != "POST" or ":" in route.template]
        return [*standard, Route("PUT", name, self.put, f"{self.kind}.create")]

    def put(self, call: Call) -> dict[str, Any]:
        """Create under the name of the call."""
        parent, short = self.new_name(call)
        return self.make(call, parent, short, self.body(call))

    def new_name(self, call: Call) -> tuple[str, str]:
        """The project and the id of a resource that is made. Raises ALREADY_EXISTS."""
        name = call.params["name"]
        parent, _, short = name.rpartition(f"/{self.collection}/")
        if self.find(name):
            raise already_exists(f"Resource already exists in the project (resource={short}).")
        return parent, short

    def named(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found is None:
            raise not_found(f"Resource not found (resource={name.rsplit('/', 1)[-1]}).")
        return found

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **body}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return new

    def body(self, call: Call) -> dict[str, Any]:
        given = call.object()
        wrapped = given.get(self.wrapper)
        return self.read(wrapped if call.method == "PATCH" and isinstance(wrapped, dict) else given)

    def mask(self, call: Call) -> str | None:
        mask = super().mask(call) or call.object().get("updateMask")
        if not mask:
            raise invalid_argument([("updateMask", "is required")])
        return mask
