"""Service Usage: the quotas of a project, and the overrides by which it limits itself.

Owns: the REST methods of consumer quota metrics, limits and consumer overrides. Does not own: what the limits are
(quota_limits.py). Overrides by an organisation's administrators or by the producer are not there.
Source: https://cloud.google.com/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics
"""

import re
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.cloud.call import Call
from local.cloud.errors import already_exists, failed_precondition, not_found
from local.cloud.locations import REGIONS
from local.cloud.masks import masked_update
from local.cloud.paging import page_of
from local.cloud.quota_limits import (
    LIMIT,
    OVERRIDES,
    SERVICE,
    TITLES,
    UNIT,
    UNLIMITED,
    effective,
    limit_name,
    overrides,
)
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_NAME = re.compile(
    rf"projects/(?P<project>[^/]+)/services/(?P<service>[^/]+)/consumerQuotaMetrics/(?P<metric>[^/]+/[^/]+)"
    rf"(/limits/(?P<limit>{LIMIT})(/consumerOverrides/(?P<override>[^/]+))?)?"
)
_FIXED = ("name", "metric", "unit", "dimensions")
_MOST_DECREASE = 0.1
_TYPE = "google.api.serviceusage.v1beta1.QuotaOverride"
_METADATA = "google.api.serviceusage.v1beta1.OperationMetadata"


def consumer_quota_routes(cloud: "Cloud") -> list[Route]:
    api = _ConsumerQuotas(cloud)
    metrics = "projects/*/services/*/consumerQuotaMetrics"
    limit = f"{metrics}/*/limits/*"
    read, change = "serviceusage.quotas.get", "serviceusage.quotas.update"
    return [
        Route("GET", "/v1/{parent=projects/*/services/*}/consumerQuotaMetrics", api.metrics, read),
        Route("GET", f"/v1/{{name={metrics}/*}}", api.metric, read),
        Route("GET", f"/v1/{{name={limit}}}", api.limit, read),
        Route("GET", f"/v1/{{parent={limit}}}/consumerOverrides", api.list, read),
        Route("POST", f"/v1/{{parent={limit}}}/consumerOverrides", api.create, change),
        Route("PATCH", f"/v1/{{name={limit}/consumerOverrides/*}}", api.patch, change),
        Route("DELETE", f"/v1/{{name={limit}/consumerOverrides/*}}", api.delete, change),
    ]


class _ConsumerQuotas:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def metrics(self, call: Call) -> dict[str, Any]:
        _, project, _, service = call.params["parent"].split("/")
        names = sorted(TITLES) if service == SERVICE else []
        return page_of(call, "metrics", [(name, self._metric(project, name)) for name in names])

    def metric(self, call: Call) -> dict[str, Any]:
        project, metric, _ = self._parts(call.params["name"])
        return self._metric(project, metric)

    def limit(self, call: Call) -> dict[str, Any]:
        project, metric, _ = self._parts(call.params["name"])
        return self._limit(project, metric)

    def list(self, call: Call) -> dict[str, Any]:
        project, metric, _ = self._parts(call.params["parent"])
        return page_of(call, "overrides", overrides(self._store, project, metric), render=self._shown)

    def create(self, call: Call) -> dict[str, Any]:
        project, metric, _ = self._parts(call.params["parent"])
        override = self._checked({**call.object(), "metric": metric, "unit": UNIT})
        parent = limit_name(project, metric)
        with self._store.transaction():
            same = [
                name
                for name, body in overrides(self._store, project, metric)
                if body.get("dimensions", {}) == override.get("dimensions", {})
            ]
            if same:
                raise already_exists(f"there is an override of these dimensions: {_shown_name(same[0])}")
            self._may_lower(call, project, metric, override)
            name = f"{parent}/consumerOverrides/{secrets.token_hex(4)}"
            self._store.put(OVERRIDES, name, {**override, "name": name}, parent=parent)
            return self._done(name, project)

    def patch(self, call: Call) -> dict[str, Any]:
        project, metric, name = self._parts(call.params["name"])
        with self._store.transaction():
            held = self._override(name)
            mask = call.query.get("updateMask") or "overrideValue"
            changed = self._checked(masked_update(held, call.object(), mask, fixed=_FIXED))
            self._may_lower(call, project, metric, changed)
            self._store.put(OVERRIDES, name, changed, parent=limit_name(project, metric))
            return self._done(name, project)

    def delete(self, call: Call) -> dict[str, Any]:
        project, _, name = self._parts(call.params["name"])
        with self._store.transaction():
            self._override(name)
            self._store.delete(OVERRIDES, name)
            return self._done("", project)

    def _parts(self, name: str) -> tuple[str, str, str]:
        """Project, metric and the name under which an override is kept; raises 404 for what there is no quota of."""
        found = _NAME.fullmatch(name)
        if found is None or found["service"] != SERVICE or found["metric"] not in TITLES:
            raise not_found(f"Quota {_shown_name(name)} was not found")
        project = self._cloud.projects.get(found["project"])["projectId"]
        return project, found["metric"], f"{limit_name(project, found['metric'])}/consumerOverrides/{found['override']}"

    def _override(self, name: str) -> dict[str, Any]:
        held = self._store.get(OVERRIDES, name)
        if held is None:
            raise not_found(f"Quota override {_shown_name(name)} was not found")
        return held

    def _checked(self, override: dict[str, Any]) -> dict[str, Any]:
        found = Violations()
        value = as_int(override.get("overrideValue", 0))
        good = value is not None and value >= UNLIMITED
        found.unless(good, "overrideValue", f"{override.get('overrideValue')!r} is not -1 (unlimited) or more")
        dimensions = override.get("dimensions") or {}
        found.unless(set(dimensions) <= {"region"}, "dimensions", f"{sorted(dimensions)}: the unit {UNIT} has region")
        if "region" in dimensions:
            found.one_of(REGIONS, dimensions["region"], "dimensions.region")
        found.refuse()
        return {**override, "overrideValue": str(value), "dimensions": dimensions}

    def _may_lower(self, call: Call, project: str, metric: str, override: dict[str, Any]) -> None:
        """The safety check against a limit that falls by more than a tenth, which `force` ignores."""
        before = effective(self._store, project, metric, override["dimensions"].get("region", ""))
        after = int(override["overrideValue"])
        falls = after != UNLIMITED and (before == UNLIMITED or after < before * (1 - _MOST_DECREASE))
        named = "LIMIT_DECREASE_PERCENTAGE_TOO_HIGH" in call.query_lists.get("forceOnly", [])
        if falls and not (call.flag("force") or named):
            text = "LIMIT_DECREASE_PERCENTAGE_TOO_HIGH: the limit would fall by more than 10%"
            raise failed_precondition(f"{text}, from {before} to {after}. Set force to do it all the same.")

    def _metric(self, project: str, metric: str) -> dict[str, Any]:
        return {
            "name": self._name(project, metric),
            "metric": metric,
            "displayName": TITLES[metric],
            "consumerQuotaLimits": [self._limit(project, metric)],
            "unit": "1",
        }

    def _limit(self, project: str, metric: str) -> dict[str, Any]:
        set_ = {body["dimensions"].get("region", ""): body for _, body in overrides(self._store, project, metric)}
        buckets = []
        for region in ("", *sorted(set(set_) - {""})):
            override = set_.get(region)
            buckets.append(
                {
                    "effectiveLimit": str(effective(self._store, project, metric, region)),
                    "defaultLimit": str(UNLIMITED),
                    **({"dimensions": {"region": region}} if region else {}),
                    **({"consumerOverride": self._shown(override)} if override else {}),
                }
            )
        return {
            "name": f"{self._name(project, metric)}/limits/{quote(LIMIT, safe='')}",
            "unit": UNIT,
            "metric": metric,
            "quotaBuckets": buckets,
            "supportedLocations": sorted(REGIONS),
        }

    def _name(self, project: str, metric: str) -> str:
        number = self._cloud.projects.number_of(project)
        return f"projects/{number}/services/{SERVICE}/consumerQuotaMetrics/{quote(metric, safe='')}"

    def _shown(self, override: dict[str, Any]) -> dict[str, Any]:
        return {**override, "name": self._cloud.projects.with_number(_shown_name(override["name"]))}

    def _done(self, name: str, project: str) -> dict[str, Any]:
        return self._cloud.operations.done(
            "",
            self._shown(self._override(name)) if name else {},
            kind="serviceusage.operations",
            on=f"projects/{project}",
            response_type=_TYPE if name else "google.protobuf.Empty",
            metadata_type=_METADATA,
        )


def _shown_name(name: str) -> str:
    """With the slashes of the metric and the limit encoded, as Google shows names."""
    found = _NAME.fullmatch(name)
    if found is None:
        return name
    head = f"projects/{found['project']}/services/{found['service']}/consumerQuotaMetrics/"
    limit = f"/limits/{quote(found['limit'], safe='')}" if found["limit"] else ""
    override = f"/consumerOverrides/{found['override']}" if found["override"] else ""
    return f"{head}{quote(found['metric'], safe='')}{limit}{override}"
