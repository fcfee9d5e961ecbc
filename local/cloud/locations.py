"""Where a service has its resources: `projects.locations.list` and `.get`, the same for every service.

Owns: the regions, which this cloud all has everywhere. Sources:
https://github.com/googleapis/googleapis/blob/master/google/cloud/location/locations.proto and, for the names,
https://cloud.google.com/compute/docs/regions-zones as read 2026-11-24.
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import not_found
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

REGIONS = (
    *("africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"),
    *("asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1"),
    *("australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
    *("europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8"),
    *("europe-west9", "europe-west10", "europe-west12", "me-central1", "me-central2", "me-west1"),
    *("northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1"),
    *("southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
    *("us-west2", "us-west3", "us-west4"),
)


def location_routes(cloud: "Cloud") -> list[Route]:
    def listed(call: Call) -> dict[str, Any]:
        project = cloud.projects.get(call.params["project"])["projectId"]
        return page_of(call, "locations", [(name, _shown(project, name)) for name in sorted(REGIONS)])

    def got(call: Call) -> dict[str, Any]:
        project = cloud.projects.get(call.params["project"])["projectId"]
        if call.params["location"] not in REGIONS:
            raise not_found(f"Location '{call.params['location']}' was not found")
        return _shown(project, call.params["location"])

    may = "resourcemanager.projects.get"
    return [
        Route("GET", "/v1/projects/{project}/locations", listed, may),
        Route("GET", "/v1/projects/{project}/locations/{location}", got, may),
    ]


def _shown(project: str, region: str) -> dict[str, Any]:
    name = f"projects/{project}/locations/{region}"
    labels = {"cloud.googleapis.com/region": region}
    return {"name": name, "locationId": region, "displayName": region, "labels": labels}
