"""Which network a job or a persistent resource may have, by peering or by an interface in an attachment's subnetwork.

Owns: what must be there and what Vertex AI's service agent needs on it. No packet takes that way here.
Sources: https://cloud.google.com/vertex-ai/docs/general/vpc-peering and …/general/vpc-psc-i-setup
"""

import re
from typing import TYPE_CHECKING

from local.cloud.aiplatform.resources import Resource
from local.cloud.errors import invalid_argument
from local.cloud.identity import Principal

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_ATTACHMENT = re.compile(r"(?:projects/([^/]+)/regions/([^/]+)/networkAttachments/)?([^/]+)")
# It accepts its own producer's project into the attachment, which is an update of it.
_ATTACHING = ("compute.networkAttachments.get", "compute.networkAttachments.update")


def may_attach(cloud: "Cloud", location: str, spec: Resource, *, at: str) -> None:
    """Raises INVALID_ARGUMENT for a network that is none or is not there, PERMISSION_DENIED where Vertex AI's service
    agent may not use it.
    """
    network = spec.get("network", "")
    attachment = spec.get("pscInterfaceConfig", {}).get("networkAttachment", "")
    if network and attachment:
        rule = f"{attachment!r}: a resource is peered with a network or has an interface in one, not both"
        raise invalid_argument([(f"{at}pscInterfaceConfig.networkAttachment", rule)])
    if network:
        _may_peer(cloud, location, network, f"{at}network")
    if attachment:
        _may_have_interface(cloud, location, attachment, f"{at}pscInterfaceConfig.networkAttachment")


def _may_peer(cloud: "Cloud", location: str, network: str, at: str) -> None:
    """A network of another project must be open to the agent, as a Shared VPC's is; one of the own must be connected to
    Google's services.
    """
    own, name = location.split("/")[1], cloud.projects.with_id(network)
    if not _NETWORK.fullmatch(name):
        raise invalid_argument([(at, f"{network!r} is not projects/NUMBER/global/networks/NAME")])
    owner = name.split("/")[1]
    if owner == own and not cloud.store.list("servicenetworking.connection", name):
        raise invalid_argument([(at, f"{network!r} has no private connection to servicenetworking.googleapis.com")])
    if owner != own and cloud.projects.known(owner):
        cloud.access.require(_agent(cloud, own), "compute.networks.use", name)


def _may_have_interface(cloud: "Cloud", location: str, attachment: str, at: str) -> None:
    match = _ATTACHMENT.fullmatch(attachment)
    if match is None:
        raise invalid_argument([(at, f"{attachment!r} is no name of a network attachment")])
    own, region = location.split("/")[1], location.split("/")[3]
    project = cloud.projects.id_of(match[1] or own)
    name = f"projects/{project}/regions/{match[2] or region}/networkAttachments/{match[3]}"
    if project == own and cloud.store.get("compute.networkAttachments", name) is None:
        raise invalid_argument([(at, f"{attachment!r}: there is no network attachment {name}")])
    if cloud.projects.known(project):
        for permission in _ATTACHING:
            cloud.access.require(_agent(cloud, own), permission, name)


def _agent(cloud: "Cloud", project: str) -> Principal:
    return Principal(f"service-{cloud.projects.number_of(project)}@gcp-sa-aiplatform.iam.gserviceaccount.com")
