"""Workload identity pools and their providers: who outside of Google may become whom.

Owns: the resources. Does not own: the exchange of tokens, which needs Google. A deleted one stays, marked, for 30 days;
its id is taken until then.
Source: https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud.call import Call
from local.cloud.clock import parse_rfc3339, rfc3339
from local.cloud.errors import failed_precondition, invalid_argument
from local.cloud.paging import page_of
from local.cloud.resources import LongRunning
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"(?!gcp-)[a-z0-9-]{4,32}"
_ID_RULE = "must hold 4 to 32 lowercase letters, digits and hyphens, and not begin with 'gcp-'"
_KEPT_DAYS = 30
_POOL = "projects/*/locations/*/workloadIdentityPools/*"
_WAYS = ("aws", "oidc", "saml", "x509")
_RULES = "iam.attestationRules"


def workload_identity_routes(cloud: "Cloud") -> list[Route]:
    pools = Pools(cloud)
    return [*pools.routes(), *Providers(cloud, pools).routes()]


class Restorable(LongRunning):
    """Deleted, it is marked and can be brought back."""

    shows_number = True
    deleted_is_empty = False
    metadata = "google.iam.v1beta.OperationMetadata"
    fixed: ClassVar[tuple[str, ...]] = ("name", "state", "expireTime")
    output = fixed

    def routes(self) -> list[Route]:
        name = f"/v1/{{name={self.parent}/{self.collection}/*}}"
        return [*super().routes(), Route("POST", f"{name}:undelete", self._undelete, f"{self.kind}.undelete")]

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, **body, "state": "ACTIVE"}

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        if new["state"] == "DELETED":
            raise failed_precondition(f"{new['name']} is deleted: undelete it before it is changed")
        return new

    def find(self, name: str) -> dict[str, Any] | None:
        found = super().find(name)
        end = found.get("expireTime") if found else None
        return None if end and parse_rfc3339(end) <= self.cloud.clock.now() else found

    def list(self, call: Call) -> dict[str, Any]:
        deleted = call.flag("showDeleted")
        held = [(name, self.find(name)) for name, _ in self.store.list(self.kind, call.params["parent"])]
        shown = [(name, body) for name, body in held if body and (deleted or body["state"] != "DELETED")]
        return page_of(call, self.collection, shown, default=50, most=1000, render=self.show)

    def delete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            resource = self.named(call.params["name"])
            if resource["state"] == "DELETED":
                raise failed_precondition(f"{resource['name']} is already deleted")
            end = rfc3339(self.cloud.clock.now() + timedelta(days=_KEPT_DAYS))
            return self.answer(call, "delete", self.keep(resource | {"state": "DELETED", "expireTime": end}))

    def operations_parent(self, name: str) -> str:
        return name

    def _undelete(self, call: Call) -> dict[str, Any]:
        with self.store.transaction():
            resource = self.named(call.params["name"])
            if resource["state"] != "DELETED":
                raise failed_precondition(f"{resource['name']} is not deleted")
            kept = {key: value for key, value in resource.items() if key != "expireTime"}
            return self.answer(call, "undelete", self.keep(kept | {"state": "ACTIVE"}))


class Pools(Restorable):
    kind = "iam.workloadIdentityPools"
    collection = "workloadIdentityPools"
    id_parameter = "workloadIdentityPoolId"
    message = "google.iam.v1beta.WorkloadIdentityPool"
    policies_by = "POST"

    def routes(self) -> list[Route]:
        resource = f"/v1/{{resource={_POOL}}}"
        return [
            *super().routes(),
            Route("GET", f"{resource}:listAttestationRules", self._list_rules, f"{self.kind}.getAttestationRules"),
            Route("POST", f"{resource}:addAttestationRule", self._add_rule, f"{self.kind}.setAttestationRules"),
            Route("POST", f"{resource}:removeAttestationRule", self._remove_rule, f"{self.kind}.setAttestationRules"),
            Route("POST", f"{resource}:setAttestationRules", self._set_rules, f"{self.kind}.setAttestationRules"),
        ]

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "workloadIdentityPoolId", _ID_RULE)
        check_texts(found, body)

    def _list_rules(self, call: Call) -> dict[str, Any]:
        rules = self._rules(call)
        return {"attestationRules": rules} if rules else {}

    def _add_rule(self, call: Call) -> dict[str, Any]:
        return self._keep_rules(call, [*self._rules(call), _rule(call.object().get("attestationRule"))])

    def _remove_rule(self, call: Call) -> dict[str, Any]:
        wanted = _rule(call.object().get("attestationRule"))
        return self._keep_rules(call, [each for each in self._rules(call) if each != wanted])

    def _set_rules(self, call: Call) -> dict[str, Any]:
        return self._keep_rules(call, [_rule(each) for each in call.object().get("attestationRules") or []])

    def _rules(self, call: Call) -> list[dict[str, Any]]:
        name = self.named(call.params["resource"])["name"]
        return (self.store.get(_RULES, name) or {}).get("rules", [])

    def _keep_rules(self, call: Call, rules: list[dict[str, Any]]) -> dict[str, Any]:
        pool = self.named(call.params["resource"])
        self.store.put(_RULES, pool["name"], {"rules": rules})
        return self.answer(call, "attestationRules", pool)


class Providers(Restorable):
    kind = "iam.workloadIdentityPoolProviders"
    parent = _POOL
    collection = "providers"
    id_parameter = "workloadIdentityPoolProviderId"
    message = "google.iam.v1beta.WorkloadIdentityPoolProvider"

    def __init__(self, cloud: "Cloud", pools: Pools) -> None:
        super().__init__(cloud)
        self._pools = pools

    def create(self, call: Call) -> dict[str, Any]:
        if self._pools.named(call.params["parent"])["state"] == "DELETED":
            raise failed_precondition(f"{call.params['parent']} is deleted: undelete it first")
        return super().create(call)

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, "workloadIdentityPoolProviderId", _ID_RULE)
        check_texts(found, body)
        ways = [way for way in _WAYS if body.get(way)]
        found.unless(len(ways) == 1, "oidc", f"exactly one of {', '.join(_WAYS)} is required")
        _check_mapping(found, body.get("attributeMapping") or {}, required="aws" not in ways)
        condition = body.get("attributeCondition") or ""
        found.unless(len(condition) <= 4096, "attributeCondition", f"{len(condition)} characters are more than 4096")
        if body.get("oidc"):
            issuer = body["oidc"].get("issuerUri")
            found.matches(r"https://[^\s/]+(/\S*)?", issuer, "oidc.issuerUri", "is not an https:// URL")
            audiences = body["oidc"].get("allowedAudiences") or []
            found.unless(len(audiences) <= 10, "oidc.allowedAudiences", f"{len(audiences)} are more than 10")


def check_texts(found: Violations, body: dict[str, Any]) -> None:
    for field, most in (("displayName", 32), ("description", 256)):
        size = len(body.get(field) or "")
        found.unless(size <= most, field, f"{size} characters are more than the {most} allowed")


def _check_mapping(found: Violations, mapping: dict[str, Any], *, required: bool) -> None:
    """Source: …/projects.locations.workloadIdentityPools.providers, attributeMapping."""
    rule = "is not google.subject, google.groups or attribute.NAME of at most 100 lowercase letters, digits and '_'"
    for key, expression in mapping.items():
        where = f"attributeMapping[{key!r}]"
        found.matches(r"google\.(subject|groups)|attribute\.[a-z0-9_]{1,100}", key, where, rule)
        long = isinstance(expression, str) and 0 < len(expression) <= 2048
        found.unless(long, where, f"{expression!r} is not a CEL expression of at most 2048 characters")
    found.unless(len(mapping) <= 52, "attributeMapping", f"{len(mapping)} attributes are more than 50 of one's own")
    found.unless(not required or "google.subject" in mapping, "attributeMapping", "google.subject must be mapped")


def _rule(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, dict) or not rule.get("googleCloudResource"):
        raise invalid_argument([("attestationRule.googleCloudResource", "is required")])
    return rule
