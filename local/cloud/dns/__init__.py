"""Cloud DNS: zones, the record sets in them, and the changes by which those are made.

Owns: the declared names. No name is resolved by them: jobs run on this machine and ask its own resolver.
Source: https://cloud.google.com/dns/docs/reference/rest/v1
"""

from typing import TYPE_CHECKING

from local.cloud.dns.records import record_routes
from local.cloud.dns.zones import zone_routes
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def services(cloud: "Cloud") -> list[Service]:
    return [Service("dns", [*zone_routes(cloud), *record_routes(cloud)], prefixes=("/dns",), bare=False)]
