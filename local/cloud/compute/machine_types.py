"""Zones, and the machine types that are offered in them.

Owns: reading them. Every zone offers every type that this cloud knows, since none has machines: a real zone offers
fewer. Does not own: what may be trained on (aiplatform/machines.py has Vertex AI's own table).
Sources: https://cloud.google.com/compute/docs/reference/rest/v1/machineTypes and …/zones; sizes from
https://cloud.google.com/compute/docs/machine-resource as read on 2026-11-24
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from local.cloud import filters
from local.cloud.call import Call
from local.cloud.compute.names import HOST, number_of, path_of
from local.cloud.errors import ApiError
from local.cloud.locations import REGIONS
from local.cloud.paging import page_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_OTHER_ZONES = {"us-central1": "abcf", "us-east1": "bcd", "europe-west1": "bcd"}
ZONES = {f"{region}-{letter}": region for region in REGIONS for letter in _OTHER_ZONES.get(region, "abc")}

_MIB_A_CPU = {
    **{"n1-standard": 3840, "n1-highmem": 6656, "n1-highcpu": 921.6},
    **{"n2-standard": 4096, "n2-highmem": 8192, "n2-highcpu": 1024},
    **{"e2-standard": 4096, "e2-highmem": 8192, "e2-highcpu": 1024},
    **{"n4-standard": 4096, "n4-highmem": 8192, "n4-highcpu": 2048},
    **{"c2-standard": 4096, "g2-standard": 4096},
}
_CPUS = {
    "n1": (1, 2, 4, 8, 16, 32, 64, 96),
    "n2": (2, 4, 8, 16, 32, 48, 64, 80, 96, 128),
    "e2": (2, 4, 8, 16, 32),
    "n4": (2, 4, 8, 16, 32, 48, 64, 80),
    "c2": (4, 8, 16, 30, 60),
    "g2": (4, 8, 12, 16, 24, 32, 48, 96),
}
_G2_GPUS = {24: 2, 48: 4, 96: 8}
# Of accelerator machines: processors, MiB, the accelerator and how many.
_FIXED = {
    **{f"a2-highgpu-{n}g": (12 * n, 87040 * n, "nvidia-tesla-a100", n) for n in (1, 2, 4, 8)},
    "a2-megagpu-16g": (96, 1392640, "nvidia-tesla-a100", 16),
    **{f"a2-ultragpu-{n}g": (12 * n, 174080 * n, "nvidia-a100-80gb", n) for n in (1, 2, 4, 8)},
    **{f"a3-highgpu-{n}g": (26 * n, 239616 * n, "nvidia-h100-80gb", n) for n in (1, 2, 4, 8)},
    "a3-megagpu-8g": (208, 1916928, "nvidia-h100-mega-80gb", 8),
    "a3-ultragpu-8g": (224, 3022848, "nvidia-h200-141gb", 8),
}


def machine_type_routes(cloud: "Cloud") -> list[Route]:
    api = _MachineTypes(cloud)
    zone, may = "/v1/projects/{project}/zones/{zone}", "compute.machineTypes"
    return [
        Route("GET", "/v1/projects/{project}/zones", api.zones, "compute.zones.list"),
        Route("GET", zone, api.zone, "compute.zones.get"),
        Route("GET", f"{zone}/machineTypes", api.list, f"{may}.list"),
        Route("GET", f"{zone}/machineTypes/{{machine}}", api.get, f"{may}.get"),
        Route("GET", "/v1/projects/{project}/aggregated/machineTypes", api.aggregated, f"{may}.list"),
    ]


class _MachineTypes:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud

    def zones(self, call: Call) -> dict[str, Any]:
        base = self._project(call)
        return _list(call, "compute#zoneList", f"{base}/zones", [(name, _zone(base, name)) for name in sorted(ZONES)])

    def zone(self, call: Call) -> dict[str, Any]:
        return _zone(self._project(call), self._known(call))

    def list(self, call: Call) -> dict[str, Any]:
        base, zone = self._project(call), self._known(call)
        found = [(body["name"], body) for body in _types(base, zone)]
        return _list(call, "compute#machineTypeList", f"{base}/zones/{zone}/machineTypes", found)

    def get(self, call: Call) -> dict[str, Any]:
        base, zone, wanted = self._project(call), self._known(call), call.params["machine"]
        for body in _types(base, zone):
            if body["name"] == wanted:
                return body
        raise _unknown(f"projects/{call.params['project']}/zones/{zone}/machineTypes/{wanted}")

    def aggregated(self, call: Call) -> dict[str, Any]:
        """Of all zones. A page holds so many types, of as many zones as that takes."""
        base, selects = self._project(call), filters.compiled(call.query.get("filter", ""))
        found = [
            (f"zones/{zone} {body['name']}", {"scope": f"zones/{zone}", "body": body})
            for zone in sorted(ZONES)
            for body in _types(base, zone)
            if selects(body)
        ]
        page = page_of(call, "items", sorted(found, key=lambda each: each[0]), default=500, most=500)
        groups: dict[str, Any] = {}
        for each in page.pop("items", []):
            groups.setdefault(each["scope"], {"machineTypes": []})["machineTypes"].append(each["body"])
        link = f"{base}/aggregated/machineTypes"
        return {"kind": "compute#machineTypeAggregatedList", "id": link, "selfLink": link, "items": groups, **page}

    def _project(self, call: Call) -> str:
        """The link of the project, which there is from its first use on."""
        project = self._cloud.projects.get(call.params["project"])["projectId"]
        return f"{HOST}{path_of(call)}/projects/{project}"

    def _known(self, call: Call) -> str:
        zone = call.params["zone"]
        if zone not in ZONES:
            raise _unknown(f"projects/{call.params['project']}/zones/{zone}")
        return zone


def _types(base: str, zone: str) -> Iterator[dict[str, Any]]:
    for family, mib in sorted(_MIB_A_CPU.items()):
        for cpus in _CPUS[family[:2]]:
            gpus = [("nvidia-l4", _G2_GPUS.get(cpus, 1))] if family == "g2-standard" else []
            yield _type(base, zone, f"{family}-{cpus}", cpus, round(mib * cpus), gpus)
    for name, (cpus, mib, gpu, count) in sorted(_FIXED.items()):
        yield _type(base, zone, name, cpus, mib, [(gpu, count)])


def _type(base: str, zone: str, name: str, cpus: int, mib: int, gpus: "list[tuple[str, int]]") -> dict[str, Any]:
    held = [{"guestAcceleratorType": gpu, "guestAcceleratorCount": count} for gpu, count in gpus]
    return {
        "kind": "compute#machineType",
        "id": number_of(name),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": name,
        "description": f"{cpus} vCPUs {mib / 1024:g} GB RAM",
        "guestCpus": cpus,
        "memoryMb": mib,
        "maximumPersistentDisks": 128,
        "maximumPersistentDisksSizeGb": "263168",
        "zone": zone,
        "selfLink": f"{base}/zones/{zone}/machineTypes/{name}",
        "isSharedCpu": False,
        "architecture": "X86_64",
        **({"accelerators": held} if held else {}),
    }


def _zone(base: str, name: str) -> dict[str, Any]:
    link = f"{base}/zones/{name}"
    region = f"{base}/regions/{ZONES[name]}"
    return {
        **{"kind": "compute#zone", "id": number_of(name), "name": name, "status": "UP", "region": region},
        "selfLink": link,
    }


def _list(call: Call, kind: str, link: str, items: "list[tuple[str, dict[str, Any]]]") -> dict[str, Any]:
    selects = filters.compiled(call.query.get("filter", ""))
    shown = sorted((pair for pair in items if selects(pair[1])), key=lambda pair: pair[0])
    return {"kind": kind, "id": link, "selfLink": link, **page_of(call, "items", shown, default=500, most=500)}


def _unknown(name: str) -> ApiError:
    return ApiError(404, f"The resource '{name}' was not found")
