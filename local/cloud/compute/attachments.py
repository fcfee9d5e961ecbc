"""Network attachments: where a service producer's machines get an interface in a consumer's subnetwork.

No producer connects by itself here: Vertex AI's jobs run on this machine.
Source: https://cloud.google.com/compute/docs/reference/rest/v1/networkAttachments
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.compute.collection import ComputeCollection, fingerprint
from local.cloud.compute.subnetworks import as_paths
from local.cloud.errors import ApiError
from local.cloud.policy_routes import policy_routes
from local.cloud.routing import Route
from local.cloud.validation import Violations

_PREFERENCES = ("ACCEPT_AUTOMATIC", "ACCEPT_MANUAL", "INVALID")


class NetworkAttachments(ComputeCollection):
    collection = permission = "networkAttachments"
    scope = "regions/*"
    singular = "networkAttachment"
    references = ("network", "subnetworks")
    output = ("network", "connectionEndpoints", "fingerprint")

    def routes(self) -> list[Route]:
        name = "/v1/{name=projects/*/regions/*/networkAttachments/*}"
        resource = "/v1/{resource=projects/*/regions/*/networkAttachments/*}"
        may = "compute.networkAttachments"
        return [
            *super().routes(),
            Route("PATCH", name, self._patch, f"{may}.update"),
            *as_paths(policy_routes(resource, self._policy_name, permission=may)),
        ]

    def check(self, found: Violations, body: dict[str, Any]) -> None:
        found.one_of(_PREFERENCES[:2], body.get("connectionPreference"), "connectionPreference")
        subnetworks = body.get("subnetworks")
        one = isinstance(subnetworks, list) and len(subnetworks) == 1
        found.unless(one, "subnetworks", f"{subnetworks!r} is not a list of one subnetwork")
        lists = [body.get(key) or [] for key in ("producerAcceptLists", "producerRejectLists")]
        if body.get("connectionPreference") == "ACCEPT_AUTOMATIC":
            for key, given in zip(("producerAcceptLists", "producerRejectLists"), lists, strict=True):
                found.unless(not given, key, f"{given!r}: only ACCEPT_MANUAL has lists of projects")
        both = sorted(set(lists[0]) & set(lists[1]))
        found.unless(not both, "producerRejectLists", f"{both!r} are in producerAcceptLists, too")

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "connectionEndpoints": []}

    def stored(self, resource: dict[str, Any]) -> dict[str, Any]:
        """With the network of its subnetwork, which is in the attachment's own region."""
        name = resource["subnetworks"][0]
        subnetwork = self.store.get("compute.subnetworks", name)
        if subnetwork is None:
            raise ApiError(404, f"The resource '{name}' was not found")
        if not name.startswith(resource["_name"].partition("/networkAttachments/")[0] + "/"):
            message = f"Invalid value for field 'resource.subnetworks[0]': '{name}' is in another region"
            raise ApiError(400, message, reason="invalid")
        print_ = fingerprint({key: value for key, value in resource.items() if key != "fingerprint"})
        return resource | {"network": subnetwork["network"], "fingerprint": print_}

    def show(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        shown = super().show(call, resource)
        return shown | {"selfLinkWithId": f"{shown['selfLink'].rpartition('/')[0]}/{resource['id']}"}

    def _patch(self, call: Call) -> dict[str, Any]:
        if not call.object().get("fingerprint"):
            message = "Invalid value for field 'resource.fingerprint': '': is required, as it was read last"
            raise ApiError(400, message, reason="required")
        return self.patch(call)

    def _policy_name(self, call: Call) -> str:
        return self.named(call.params["resource"])["_name"]
