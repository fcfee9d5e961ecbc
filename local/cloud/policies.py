"""IAM policies of any resource.

Owns: their storage, etags, versions and the validation of members, roles and conditions' shape. Does not own: which
calls they allow, nor the paths of getIamPolicy and setIamPolicy, which differ by service. Source:
https://cloud.google.com/iam/docs/reference/rest/v1/Policy
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from local.cloud.bytes_fields import same_bytes
from local.cloud.clock import Clock
from local.cloud.errors import ApiError, aborted
from local.cloud.masks import mask_paths
from local.cloud.store import Store
from local.cloud.validation import Violations

_KIND = "iam.policy"
_PENDING = "iam.policy.pending"
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers"
    r"|(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer|projectCreator):[^\s:@/]+(@[^\s@]+)?"
    r"|serviceAccount:[\w.-]+\.svc\.id\.goog\[[^\]]+\]"
    r"|(principal|principalSet)://\S+"
    r"|deleted:\S+\?uid=\d+"
)
_ROLE = re.compile(r"roles/[\w.]{1,100}|(projects|organizations)/[\w.:-]+/roles/[\w.]{3,64}")
_MOST_MEMBERS = 1500


class Policies:
    """By the full name of the resource that carries them, `projects/p/locations/l/repositories/r`.

    `member_checks` say why a new member cannot be named, or None: a service account that does not exist.
    `delay_seconds` is how long a change takes until it is in force, by the clock.
    """

    def __init__(self, store: Store, clock: Clock, delay_seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._store = store
        self._clock = clock
        self._delay_seconds = delay_seconds
        self.member_checks: list[Callable[[str], str | None]] = []

    def get(self, resource: str, *, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """The policy, or `default`'s bindings where none was ever set. Always with an etag."""
        held = self._store.get(_KIND, resource) or default or {}
        return _stamped(resource, held)

    def in_force(self, resource: str) -> list[dict[str, Any]] | None:
        """The bindings by which calls are allowed now, None where none were ever set; not to be changed. `get` tells
        at once what was set, this when it has propagated.
        """
        pending = self._store.derived(_PENDING, resource, _changes)
        if not pending:
            return self._store.derived(_KIND, resource, _bindings)
        now = self._clock.millis()
        return [policy for since, policy in pending if since <= now][-1].get("bindings")

    def set(
        self,
        resource: str,
        policy: dict[str, Any],
        *,
        mask: str | None = None,
        stale: ApiError | None = None,
        default: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Replace the policy; raises ABORTED (or `stale`) where it carries an etag that is not the present one."""
        _refuse_bad(policy)
        with self._store.transaction():
            held = self.get(resource, default=default)
            if policy.get("etag") and not same_bytes(policy["etag"], held["etag"]):
                message = "There were concurrent policy changes: read the policy again and retry the whole change"
                raise stale or aborted(message)
            self._refuse_unknown_members(policy, held)
            named = {path[0] for path in mask_paths(mask)} or {"bindings", "etag", "auditConfigs"}
            new = {key: policy[key] for key in ("bindings", "auditConfigs") if key in named and policy.get(key)}
            new |= {key: held[key] for key in ("bindings", "auditConfigs") if key not in named and key in held}
            new["bindings"] = _merged(new.get("bindings", []))
            new["revision"] = held.get("revision", 0) + 1
            self._propagate(resource, new)
            self._store.put(_KIND, resource, new, parent="")
            return _stamped(resource, new)

    def _refuse_unknown_members(self, policy: dict[str, Any], held: dict[str, Any]) -> None:
        known = {member for binding in held.get("bindings", []) for member in binding["members"]}
        for binding in policy.get("bindings") or []:
            for member in set(binding.get("members") or []) - known:
                for check in self.member_checks:
                    if problem := check(member):
                        raise ApiError(400, problem)

    def _propagate(self, resource: str, new: dict[str, Any]) -> None:
        delay = int(self._delay_seconds() * 1000)
        pending = self._store.get(_PENDING, resource)
        if delay:
            earlier = pending["policies"] if pending else [{"from": 0, "policy": self.get(resource)}]
            later = {"from": self._clock.millis() + delay, "policy": new}
            self._store.put(_PENDING, resource, {"policies": [*earlier, later]}, parent="")
        elif pending:
            self._store.delete(_PENDING, resource)

    def rename_member(self, old: str, new: str) -> None:
        """In every policy: an account is deleted, and its bindings are no later account's of the same name."""
        with self._store.transaction():
            for resource, policy in self._store.list(_KIND):
                bindings = policy.get("bindings", [])
                if any(old in binding["members"] for binding in bindings):
                    renamed = [
                        {**each, "members": [new if member == old else member for member in each["members"]]}
                        for each in bindings
                    ]
                    revision = policy.get("revision", 0) + 1
                    new_policy = policy | {"bindings": _merged(renamed), "revision": revision}
                    self._store.put(_KIND, resource, new_policy, parent="")

    def held(self, resource: str) -> dict[str, Any] | None:
        """What was set, to be brought back with a resource that is deleted softly."""
        return self._store.get(_KIND, resource)

    def bring_back(self, resource: str, policy: dict[str, Any]) -> None:
        self._store.put(_KIND, resource, policy, parent="")

    def delete(self, resource: str) -> None:
        """With its resource; policies of resources below it go too."""
        self._store.delete(_PENDING, resource)
        self._store.delete_under(_PENDING, f"{resource}/")
        self._store.delete(_KIND, resource)
        self._store.delete_under(_KIND, f"{resource}/")


def _changes(pending: dict[str, Any] | None) -> list[tuple[int, dict[str, Any]]]:
    """Policies and since when each counts, of one that has not propagated."""
    return [(entry["from"], entry["policy"]) for entry in pending["policies"]] if pending else []


def _bindings(policy: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    return None if policy is None else policy.get("bindings", [])


def answer(policy: dict[str, Any], *, requested_version: int = 1) -> dict[str, Any]:
    """A policy as the API shows it: version 3 where it holds conditions, and no empty lists."""
    conditional = any("condition" in binding for binding in policy.get("bindings", []))
    shown: dict[str, Any] = {"version": 3 if conditional and requested_version >= 3 else 1, "etag": policy["etag"]}
    return shown | {key: policy[key] for key in ("bindings", "auditConfigs") if policy.get(key)}


def _stamped(resource: str, policy: dict[str, Any]) -> dict[str, Any]:
    stamp = json.dumps([resource, policy.get("revision", 0), policy.get("bindings")], sort_keys=True)
    return {**policy, "etag": base64.b64encode(hashlib.sha256(stamp.encode()).digest()[:8]).decode()}


def _merged(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One binding for each role and condition, members in order and once, empty ones dropped."""
    merged: dict[str, dict[str, Any]] = {}
    for binding in bindings:
        key = json.dumps([binding["role"], binding.get("condition")], sort_keys=True)
        held = merged.setdefault(key, {**binding, "members": []})
        held["members"] += [member for member in binding.get("members", []) if member not in held["members"]]
    return [binding for binding in merged.values() if binding["members"]]


def members_of(policy: dict[str, Any]) -> list[str]:
    """Of all bindings. Raises INVALID_ARGUMENT for a policy that is none."""
    bindings = policy.get("bindings") or []
    _refuse_misshapen(bindings)
    return [member for binding in bindings for member in binding.get("members") or ()]


def _refuse_bad(policy: dict[str, Any]) -> None:
    found = Violations()
    bindings = policy.get("bindings") or []
    _refuse_misshapen(bindings)
    members = 0
    for index, binding in enumerate(bindings):
        where = f"policy.bindings[{index}]"
        role = binding.get("role", "")
        found.unless(
            _ROLE.fullmatch(role),
            f"{where}.role",
            f"Role {role!r} is not supported: write roles/… or projects/…/roles/…",
        )
        for member in binding.get("members") or []:
            members += 1
            rule = "must be allUsers, allAuthenticatedUsers or TYPE:ID with a type such as user or serviceAccount"
            found.unless(
                isinstance(member, str) and _MEMBER.fullmatch(member), f"{where}.members", f"{member!r} {rule}"
            )
        _check_condition(found, policy, binding, where)
    found.unless(
        members <= _MOST_MEMBERS, "policy.bindings", f"{members} principals are more than the {_MOST_MEMBERS} allowed"
    )
    found.refuse()


def _refuse_misshapen(bindings: Any) -> None:
    found = Violations()
    if not isinstance(bindings, list):
        found.add("policy.bindings", f"{bindings!r} is not a list")
    for index, binding in enumerate(bindings if isinstance(bindings, list) else ()):
        members = binding.get("members") if isinstance(binding, dict) else None
        good = isinstance(binding, dict) and isinstance(binding.get("role", ""), str)
        rule = f"{binding!r} is not an object with a role and a list of members"
        found.unless(good and isinstance(members, list | None), f"policy.bindings[{index}]", rule)
    found.refuse()


def _check_condition(found: Violations, policy: dict[str, Any], binding: dict[str, Any], where: str) -> None:
    condition = binding.get("condition")
    if condition is None:
        return
    rule = "a policy with conditions must be set with version 3"
    found.unless(policy.get("version") == 3, "policy.version", f"{policy.get('version')!r}: {rule}")
    if not isinstance(condition, dict) or not condition.get("expression"):
        found.add(f"{where}.condition.expression", "a condition needs a CEL expression")
    elif not condition.get("title"):
        found.add(f"{where}.condition.title", "a condition needs a title")
