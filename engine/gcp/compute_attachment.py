"""Network attachments: where the machines of a service producer join a subnetwork."""

from __future__ import annotations

from typing import Any

from engine.gcp.compute import ComputeType, stable
from engine.gcp.resource import Call
from engine.values import Properties

_CHANGED_IN_PLACE = ("description", "producerAcceptLists", "producerRejectLists", "subnetworks")


class NetworkAttachment(ComputeType):
    """An update carries the fingerprint that the state has, so that one that another writer changed is refused."""

    type_name = "gcp:compute/networkAttachment:NetworkAttachment"
    noun = "NetworkAttachment"
    identity = "projects/{project}/regions/{region}/networkAttachments/{name}"
    collection = "projects/{project}/regions/{region}/networkAttachments"
    links = ()
    table = """
    connectionEndpoints objs out
      ipAddress str out
      projectIdOrNum str out
      secondaryIpCidrRanges str out
      status str out
      subnetwork str out
    connectionPreference str required replace check=in:ACCEPT_AUTOMATIC,ACCEPT_MANUAL,INVALID
    creationTimestamp str out
    deletionPolicy str kept api=-
    description str
    fingerprint str out
    kind str out
    name str required replace auto
    network str out
    producerAcceptLists strs
    producerRejectLists strs
    project str kept replace api=-
    region str kept replace same=last-segment api=-
    selfLink str out
    selfLinkWithId str out
    subnetworks strs required same=last-segments
    """

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        super().read_more(outputs, answer, known)
        outputs["region"] = stable(answer.get("region"))
        outputs["subnetworks"] = [stable(each) for each in outputs["subnetworks"] or []]

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if self.mask(prior, plan):
            body = {key: value for key, value in self.body(plan).items() if key in _CHANGED_IN_PLACE}
            body["fingerprint"] = prior.get("fingerprint")
            self.finish(call, call.api.call(self.service, "PATCH", identity, body=body), "update")
        return self.read_back(call, identity, plan)[1]
