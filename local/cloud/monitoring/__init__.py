"""Cloud Monitoring: alert policies, notification channels, dashboards.

Owns: what is declared. No time series are kept here, so that no alert ever fires.
Source: https://cloud.google.com/monitoring/api/ref_v3/rest
"""

from typing import TYPE_CHECKING

from local.cloud.monitoring.alerts import AlertPolicies
from local.cloud.monitoring.channels import NotificationChannels
from local.cloud.monitoring.dashboards import Dashboards
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def services(cloud: "Cloud") -> list[Service]:
    collections = (AlertPolicies(cloud), NotificationChannels(cloud), Dashboards(cloud))
    routes = [route for each in collections for route in each.routes()]
    return [Service("monitoring", routes, prefixes=("/monitoring",))]
