"""Organisation policies of a project: constraints that are set on it and what holds.

Owns: Resource Manager's v1 methods, and the two constraints on service accounts that are enforced here. Does not own:
organisations and folders, from which nothing is inherited; every other constraint is kept and answered, and binds
nobody. Source: https://cloud.google.com/resource-manager/reference/rest/v1/projects/setOrgPolicy
"""

import hashlib
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.errors import aborted, failed_precondition
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

NO_ACCOUNTS = "constraints/iam.disableServiceAccountCreation"
NO_KEYS = "constraints/iam.disableServiceAccountKeyCreation"

_KIND = "cloudresourcemanager.orgPolicy"
_CONSTRAINT = r"constraints/[a-zA-Z][\w.]*"
_WAYS = ("booleanPolicy", "listPolicy", "restoreDefault")


def org_policy_routes(cloud: "Cloud") -> list[Route]:
    api = _OrgPolicies(cloud)
    project = "/v1/{resource=projects/*}"
    return [
        Route("POST", f"{project}:getOrgPolicy", api.get, "orgpolicy.policy.get"),
        Route("POST", f"{project}:getEffectiveOrgPolicy", api.effective, "orgpolicy.policy.get"),
        Route("POST", f"{project}:setOrgPolicy", api.set, "orgpolicy.policy.set"),
        Route("POST", f"{project}:clearOrgPolicy", api.clear, "orgpolicy.policy.set"),
        Route("POST", f"{project}:listOrgPolicies", api.list, "orgpolicy.policies.list"),
    ]


def refuse_where_enforced(cloud: "Cloud", constraint: str, project: str, on: str) -> None:
    """Raises FAILED_PRECONDITION where a project's policy enforces a boolean constraint."""
    held = cloud.store.get(_KIND, f"projects/{project}/{constraint}") or {}
    if held.get("booleanPolicy", {}).get("enforced"):
        raise failed_precondition(f"Operation not allowed on {on}: Constraint {constraint} violated")


class _OrgPolicies:
    """Kept under the project's id and the constraint's name."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store

    def get(self, call: Call) -> dict[str, Any]:
        constraint = _constraint(call.object().get("constraint"), "constraint")
        return self._store.get(_KIND, self._key(call, constraint)) or {"constraint": constraint, "etag": _etag({})}

    def effective(self, call: Call) -> dict[str, Any]:
        """What is set, without its etag; for a constraint that is not set, what Google's default comes to."""
        constraint = _constraint(call.object().get("constraint"), "constraint")
        held = self._store.get(_KIND, self._key(call, constraint)) or {}
        kept = {key: held[key] for key in ("booleanPolicy", "listPolicy") if key in held}
        default = {"booleanPolicy": {}} if ".disable" in constraint else {"listPolicy": {"allValues": "ALLOW"}}
        return {"constraint": constraint, **(kept or default)}

    def set(self, call: Call) -> dict[str, Any]:
        policy = dict(call.object().get("policy") or {})
        constraint = _constraint(policy.get("constraint"), "policy.constraint")
        found, ways = Violations(), [way for way in _WAYS if way in policy]
        found.unless(len(ways) == 1, "policy", f"{ways or 'none'} given: one of {', '.join(_WAYS)} is required")
        _check_list(found, policy.get("listPolicy"))
        found.refuse()
        with self._store.transaction():
            key = self._key(call, constraint)
            self._same(policy.get("etag"), self._store.get(_KIND, key))
            kept = {"constraint": constraint, ways[0]: policy[ways[0]], "updateTime": self._cloud.clock.timestamp()}
            kept["etag"] = _etag(kept)
            return self._store.put(_KIND, key, kept, parent=self._parent(call))

    def clear(self, call: Call) -> dict[str, Any]:
        body = call.object()
        key = self._key(call, _constraint(body.get("constraint"), "constraint"))
        with self._store.transaction():
            self._same(body.get("etag"), self._store.get(_KIND, key))
            self._store.delete(_KIND, key)
        return {}

    def list(self, call: Call) -> dict[str, Any]:
        return page_of(call, "policies", self._store.list(_KIND, self._parent(call)))

    def _parent(self, call: Call) -> str:
        return f"projects/{self._cloud.projects.get(call.params['resource'].split('/')[1])['projectId']}"

    def _key(self, call: Call, constraint: str) -> str:
        return f"{self._parent(call)}/{constraint}"

    def _same(self, etag: str | None, held: dict[str, Any] | None) -> None:
        if etag and etag != (held or {"etag": _etag({})})["etag"]:
            raise aborted("the policy was changed meanwhile: read it again")


def _check_list(found: Violations, policy: dict[str, Any] | None) -> None:
    policy = policy or {}
    values = [name for name in ("allowedValues", "deniedValues") if policy.get(name)]
    everything = policy.get("allValues", "ALL_VALUES_UNSPECIFIED")
    found.one_of(("ALL_VALUES_UNSPECIFIED", "ALLOW", "DENY"), everything, "policy.listPolicy.allValues")
    both = bool(values) and everything != "ALL_VALUES_UNSPECIFIED"
    found.unless(not both, "policy.listPolicy", f"allValues {everything} excludes {' and '.join(values)}")


def _constraint(value: Any, field: str) -> str:
    found = Violations()
    found.matches(_CONSTRAINT, value or "", field, "is not a constraint such as constraints/gcp.resourceLocations")
    found.refuse()
    return str(value)


def _etag(policy: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(policy.items())).encode()).hexdigest()[:12]
