"""Compute Engine, as far as networks go: networks, subnetworks and attachments to them, routers with NAT, firewalls,
global addresses; and machine types, to be read.

Owns: the resources. No packet is routed by them, and there are no machines.
Source: https://cloud.google.com/compute/docs/reference/rest/v1
"""

from typing import TYPE_CHECKING

from local.cloud.compute.addresses import GlobalAddresses
from local.cloud.compute.attachments import NetworkAttachments
from local.cloud.compute.firewalls import Firewalls
from local.cloud.compute.machine_types import machine_type_routes
from local.cloud.compute.networks import Networks
from local.cloud.compute.operations import ComputeOperations
from local.cloud.compute.places import place_routes
from local.cloud.compute.routers import Routers
from local.cloud.compute.subnetworks import Subnetworks
from local.cloud.request_ids import once
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def services(cloud: "Cloud") -> list[Service]:
    operations = ComputeOperations(cloud)
    kinds = (Networks, Subnetworks, NetworkAttachments, Routers, Firewalls, GlobalAddresses)
    routes = [route for kind in kinds for route in kind(cloud, operations).routes()]
    routes = [once(route) for route in routes]
    routes += [*place_routes(cloud), *machine_type_routes(cloud), *operations.routes()]
    versions = {"v1": ("v1", "beta")}
    return [Service("compute", routes, prefixes=("/compute",), versions=versions, bare=False)]
