"""The cloud's own commands on access, under `/_local/access`; no part of any Google API.

They need the operator's token. Owns: reading the access log, explaining a decision, tokens for test principals, and who
is in a group.
"""

from typing import Any

from local.cloud.call import Call
from local.cloud.errors import invalid_argument, not_found
from local.cloud.iam.access import Decision
from local.cloud.iam.known_accounts import use_of
from local.cloud.routing import Route, Service
from local.cloud.validation import Violations

_MOST = 10_000
_FLAGS = {"true": True, "false": False}


def service() -> Service:
    routes = [
        Route("GET", "/log", _log),
        Route("GET", "/used", _used),
        Route("POST", "/explain", _explain),
        Route("POST", "/tokens", _token),
        Route("PUT", "/groups", _group),
    ]
    return Service("local-access", routes, prefixes=("/_local/access",), bare=False)


def _log(call: Call) -> dict[str, Any]:
    """The newest entries; `principal`, `permission`, `resource` and `granted` choose among them."""
    _by_operator(call)
    wanted: dict[str, Any] = {
        key: call.query[key] for key in ("principal", "permission", "resource") if key in call.query
    }
    if "granted" in call.query:
        if call.query["granted"] not in _FLAGS:
            raise invalid_argument([("granted", f"{call.query['granted']!r} is neither true nor false")])
        wanted["granted"] = _FLAGS[call.query["granted"]]
    count = min(call.number("limit") or 100, _MOST)
    return {"entries": call.cloud.access.log.newest(count, **wanted)}


def _used(call: Call) -> dict[str, Any]:
    """How often each principal needed each permission, and by which role it had it."""
    _by_operator(call)
    return {"used": call.cloud.access.log.used()}


def _explain(call: Call) -> dict[str, Any]:
    _by_operator(call)
    body = call.object()
    principal, permission, resource = (str(body.get(key, "")) for key in ("principal", "permission", "resource"))
    resource = call.cloud.projects.with_id(resource)
    found = Violations()
    found.unless("@" in principal, "principal", f"{principal!r} is not an e-mail address")
    found.unless(permission.count(".") >= 2, "permission", f"{permission!r} is not service.resource.verb")
    found.unless(resource.startswith("projects/"), "resource", f"{resource!r} does not begin with projects/")
    found.refuse()
    decision = call.cloud.access.decide(principal, permission, resource)
    return {"granted": decision.granted, "explanation": explained(decision, principal, permission, resource)}


def explained(decision: Decision, principal: str, permission: str, resource: str) -> str:
    """Why, in sentences."""
    if decision.grant:
        condition = f" on the condition {decision.grant.condition}" if decision.grant.condition else ""
        place = f" by the policy of {decision.grant.carrier}" if decision.grant.carrier else ""
        return (
            f"{principal} has {permission} on {resource}: {decision.grant.role} is granted to "
            f"{decision.grant.member}{place}{condition}."
        )
    lines = [f"{principal} lacks {permission} on {resource}."]
    lines += [f"Close to it: {near}." for near in decision.near]
    if not decision.near:
        lines.append("No binding on it, or on what lies above it, has a role with this permission.")
    return "\n".join(lines)


def _token(call: Call) -> dict[str, Any]:
    """A token of any principal, to try out what it may do."""
    _by_operator(call)
    email = str(call.object().get("principal", ""))
    if "@" not in email:
        raise invalid_argument([("principal", f"{email!r} is not an e-mail address")])
    if use_of(call.cloud.store, email) is None:
        raise not_found(f"Service account {email} does not exist, or is disabled: nothing can be given its identity")
    token, seconds = call.cloud.identity.issue_token(email)
    return {"accessToken": token, "expiresIn": seconds}


def _group(call: Call) -> dict[str, Any]:
    _by_operator(call)
    body = call.object()
    group, members = str(body.get("group", "")), body.get("members")
    if "@" not in group or not isinstance(members, list):
        raise invalid_argument([("group", "a group's e-mail address and a list of members are needed")])
    return call.cloud.access.members.set_group(group, [str(each) for each in members])


def _by_operator(call: Call) -> None:
    call.cloud.identity.require_operator(call.caller)
