"""Decides whether a principal may do something to a resource, and says why.

Owns: the decision, from the policies of a resource and of all above it. Does not own: policies, roles, conditions.
Source: https://cloud.google.com/iam/docs/policies

The operator of this cloud may do everything. In the mode `audit` nobody is refused, but what would have been refused is
recorded; in `off` nothing is looked at.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from local.cloud.clock import Clock
from local.cloud.errors import ApiError
from local.cloud.iam import conditions, hierarchy
from local.cloud.iam.log import AccessLog
from local.cloud.iam.members import HoldsRole, Members
from local.cloud.iam.roles import Roles
from local.cloud.identity import OPERATOR_EMAIL, Mode, Principal

Bindings = Iterable[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Grant:
    """The binding that allowed: where it stands and what it says."""

    carrier: str
    role: str
    member: str
    condition: str = ""


@dataclass(slots=True)
class Decision:
    """`near` are bindings that would have allowed but for one thing, which is said of each."""

    granted: bool
    grant: Grant | None = None
    near: list[str] = field(default_factory=list)


class Access:
    """`bindings_of` reads the bindings of a name; `project_of_bucket` finds where a bucket belongs.

    Services whose access is not in a policy register a source of their own under the collection of the resource:
    `sources["datasets"]`.
    """

    def __init__(
        self,
        mode: Mode,
        *,
        bindings_of: Callable[[str], Bindings],
        project_of_bucket: Callable[[str], str | None],
        roles: Roles,
        members: Members,
        clock: Clock,
        log: AccessLog,
    ) -> None:
        self.mode: Mode = mode
        self.log = log
        self.sources: dict[str, Callable[[str], Bindings]] = {}
        self._bindings_of = bindings_of
        self._project_of_bucket = project_of_bucket
        self._roles = roles
        self.members = members
        self._clock = clock

    def require(self, principal: Principal, permission: str, resource: str) -> None:
        """Raises PERMISSION_DENIED, in the service's words, and records the decision."""
        if self.mode == "off":
            return
        decision = self.decide(principal.email, permission, resource)
        refused = not decision.granted and self.mode == "enforce"
        self.log.record(principal.email, permission, resource, decision.grant, refused=refused)
        if refused:
            raise denied(principal.email, permission, resource)

    def tolerates(self, principal: Principal, permission: str, resource: str) -> bool:
        """Whether nothing is refused: `require` as a question, without a record."""
        return self.mode != "enforce" or self.decide(principal.email, permission, resource).granted

    def allows(self, principal: Principal, permission: str, resource: str) -> bool:
        """What testIamPermissions answers: no record, and no mode."""
        return self.decide(principal.email, permission, resource).granted

    def decide(self, email: str, permission: str, resource: str) -> Decision:
        if email == OPERATOR_EMAIL:
            return Decision(granted=True, grant=Grant("", "operator of the local cloud", email))
        near: list[str] = []
        for carrier in hierarchy.carriers(resource, self._project_of_bucket):
            for binding in self._of(carrier):
                if not self._usable(binding["role"], carrier) or not self._roles.grants(binding["role"], permission):
                    continue
                grant = self._grant(carrier, binding, email, resource, near)
                if grant:
                    return Decision(granted=True, grant=grant)
        return Decision(granted=False, near=near)

    def _of(self, carrier: str) -> Bindings:
        """The bindings of one name, wherever its service keeps them."""
        segments = carrier.split("/")
        source = self.sources.get(segments[-2]) if len(segments) > 2 else None
        return source(carrier) if source else self._bindings_of(carrier)

    def _usable(self, role: str, carrier: str) -> bool:
        """A project's custom role grants in that project alone."""
        if not role.startswith("projects/"):
            return True
        owner = hierarchy.project_of(carrier, self._project_of_bucket)
        return role.split("/")[1] == owner

    def _grant(self, carrier: str, binding: dict[str, Any], email: str, resource: str, near: list[str]) -> Grant | None:
        role, condition = binding["role"], (binding.get("condition") or {}).get("expression", "")
        held = self._basic_roles_of(email, resource)
        member = self.members.match(email, binding.get("members", []), held)
        if member is None:
            near.append(f"{role} on {carrier} is granted to {', '.join(binding.get('members', []))} only")
            return None
        if problem := self._unmet(condition, resource):
            near.append(f"{role} on {carrier} is granted to {member} on a condition that {problem}: {condition}")
            return None
        return Grant(carrier, role, member, condition)

    def _basic_roles_of(self, email: str, resource: str) -> HoldsRole:
        """Whether the principal has a role on a project, by any form of member and with every condition met."""

        def holds(project: str, role: str) -> bool:
            return any(
                self.members.match(email, binding.get("members", []))
                for binding in self._of(f"projects/{project}")
                if binding["role"] == role
                and not self._unmet((binding.get("condition") or {}).get("expression", ""), resource)
            )

        return holds

    def _unmet(self, condition: str, resource: str) -> str:
        if not condition:
            return ""
        try:
            met = conditions.holds(condition, resource=hierarchy.attributes(resource), now=self._clock.now())
        except conditions.ConditionError as error:
            return f"cannot be evaluated ({error})"
        return "" if met else "does not hold"


def denied(email: str, permission: str, resource: str) -> ApiError:
    """In the words of the service that the permission belongs to."""
    service = permission.split(".", maxsplit=1)[0]
    if service == "storage":
        caller = email or "Anonymous caller"
        thing = "object" if "/objects/" in resource else "bucket"
        message = (
            f"{caller} does not have {permission} access to the Google Cloud Storage {thing}. "
            f"Permission '{permission}' denied on resource (or it may not exist)."
        )
        return ApiError(403, message, reason="forbidden") if email else ApiError(401, message, reason="required")
    if service == "bigquery":
        what = _bigquery_label(resource)
        message = f"Access Denied: {what}: Permission {permission} denied on {what.lower()} (or it may not exist)."
        return ApiError(403, message, reason="accessDenied")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": f"{service}.googleapis.com",
        "metadata": {"permission": permission, "resource": resource},
    }
    message = (
        f"Permission '{permission}' denied on resource '//{service}.googleapis.com/{resource}' (or it may not exist)."
    )
    return ApiError(403, message, details=[info], reason="forbidden")


def _bigquery_label(resource: str) -> str:
    segments = resource.split("/")
    if len(segments) >= 6:
        return f"Table {segments[1]}:{segments[3]}.{segments[5]}"
    return f"Dataset {segments[1]}:{segments[3]}" if len(segments) >= 4 else f"Project {segments[1]}"
