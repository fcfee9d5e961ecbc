"""What Monitoring's resources share: ids that are numbers, records of who changed them, filtered lists."""

import secrets
from typing import Any

from local.cloud import filters
from local.cloud.call import Call
from local.cloud.paging import page_of
from local.cloud.resources import Resources


class Numbered(Resources):
    parent = "projects/*"
    version = "v3"
    whole_without_mask = True

    def new_id(self, call: Call, body: dict[str, Any]) -> str:  # noqa: ARG002
        return new_number()

    def list(self, call: Call) -> dict[str, Any]:
        selects = filters.compiled(call.query.get("filter", ""))
        held = self.store.list(self.kind, call.params["parent"])
        chosen = [(name, body) for name, body in held if selects(body)]
        return page_of(call, self.collection, chosen, render=self.show)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **body}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return new

    def mutation(self, call: Call) -> dict[str, Any]:
        return {"mutateTime": self.cloud.clock.timestamp(), "mutatedBy": call.principal}


def new_number() -> str:
    return str(secrets.randbelow(8 * 10**18) + 10**18)
