"""getIamPolicy, setIamPolicy and testIamPermissions, for any service.

Owns: their common form. A service says where they hang, whether it reads by GET or POST, and which resource a call
means.
"""

from collections.abc import Callable
from typing import Any

from local.cloud.call import Call
from local.cloud.errors import invalid_argument
from local.cloud.policies import answer
from local.cloud.routing import Route


def policy_routes(
    template: str,
    resource_of: Callable[[Call], str],
    *,
    permission: str,
    get_method: str = "GET",
    set_version: int = 3,
) -> list[Route]:
    """`template` names the resource, `/v1/{resource=projects/*/topics/*}`; `permission` is its collection,
    `pubsub.topics`.

    `resource_of` gives the name under which the policy is kept and raises 404 where there is no such resource.
    """

    def get(call: Call) -> dict[str, Any]:
        options = call.object().get("options") or {} if call.method == "POST" else {}
        version = call.number("options.requestedPolicyVersion") or options.get("requestedPolicyVersion") or 1
        return answer(call.cloud.policies.get(resource_of(call)), requested_version=int(version))

    def set_(call: Call) -> dict[str, Any]:
        body = call.object()
        if not isinstance(body.get("policy"), dict):
            raise invalid_argument([("policy", "a policy is required")])
        resource = resource_of(call)
        policy = call.cloud.policies.set(resource, body["policy"], mask=body.get("updateMask"))
        return answer(policy, requested_version=set_version)

    def test(call: Call) -> dict[str, Any]:
        resource = resource_of(call)
        asked = call.object().get("permissions") or call.query_lists.get("permissions", [])
        if any("*" in each for each in asked):
            raise invalid_argument([("permissions", "wildcards are not allowed")])
        allowed = [each for each in asked if call.may(each, resource)]
        return {"permissions": allowed} if allowed else {}

    return [
        Route(get_method, f"{template}:getIamPolicy", get, f"{permission}.getIamPolicy"),
        Route("POST", f"{template}:setIamPolicy", set_, f"{permission}.setIamPolicy"),
        Route("POST", f"{template}:testIamPermissions", test),
    ]
