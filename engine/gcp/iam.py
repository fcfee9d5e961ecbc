"""IAM members: one member with one role in the policy of a project, a bucket, a service account or a repository.

The policy is shared, so that each change reads it, edits it and writes it back under its etag, again if another writer
was faster.
"""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any, ClassVar

from engine.errors import EngineError, OperationError
from engine.gcp.resource import Call, ResourceType, Settings, fill, pattern
from engine.gcp.sameness import normal_member
from engine.values import Properties

_POLICY_KEYS = {"etag", "auditConfigs", "others"}

CONDITION_FIELDS = """
    condition obj replace
      description str replace
      expression str required replace
      title str required replace
    etag str out
    member str required replace same=member check=member
    role str required replace
"""


class IamMember(ResourceType):
    """What all members share; `holder` is the id of the thing that has the policy."""

    holder: ClassVar[str]
    follows_provider = False

    @abstractmethod
    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        """The policy; None if the thing is gone."""

    @abstractmethod
    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        """Write the policy; the answer is the policy as it is now."""

    def holder_of(self, values: Properties) -> str:
        return fill(self.holder, values)

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        policy = self._edit(call, plan, add=True)
        return self._outputs(plan, policy)

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        policy = self.get_policy(call, self.holder_of(known), known)
        if policy is None or not any(_is(binding, known) for binding in policy.get("bindings") or []):
            return None
        return self._outputs(known, policy)[1]

    def locate(self, identity: str, settings: Settings) -> Properties:
        """An import names the holder, the role and the member, with spaces between them."""
        parts = identity.split()
        match = re.fullmatch(pattern(self.holder), parts[0]) if len(parts) == 3 else None
        if match is None:
            raise EngineError(f"{identity!r} names no member: write '{self.holder} ROLE MEMBER', with spaces")
        known = {field.name: None for field in self.fields} | match.groupdict() | {"role": parts[1], "member": parts[2]}
        return {key: value for key, value in known.items() if key in self.by_name}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        return plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        self._edit(call, prior, add=False)

    def _outputs(self, values: Properties, policy: dict[str, Any]) -> tuple[str, Properties]:
        condition = values.get("condition")
        parts = [self.holder_of(values), values["role"], values["member"]]
        if condition:
            parts += [condition["title"], condition.get("description") or "", condition["expression"]]
        identity = "/".join(parts)
        kept = {field.name: values.get(field.name) for field in self.fields}
        if condition:
            kept["condition"] = {**condition, "description": condition.get("description") or ""}
        return identity, kept | {"etag": policy.get("etag", ""), "id": identity}

    def _edit(self, call: Call, values: Properties, *, add: bool) -> dict[str, Any]:
        holder = self.holder_of(values)

        def change() -> dict[str, Any]:
            policy = self.get_policy(call, holder, values)
            if policy is None:
                if add:
                    raise OperationError(f"{holder} does not exist, so it can have no IAM member")
                return {}
            bindings = with_member(policy.get("bindings") or [], values, add=add)
            if bindings == (policy.get("bindings") or []):
                return policy
            kept = {key: value for key, value in policy.items() if key in _POLICY_KEYS}
            return self.set_policy(call, holder, {**kept, "bindings": bindings, "version": 3}, values)

        with call.api.alone(f"{type(self).holder} {holder}"):
            return call.api.retry_conflicts(change)


def _is(binding: dict[str, Any], values: Properties) -> bool:
    wanted = normal_member(values["member"])
    return _same_binding(binding, values) and wanted in map(normal_member, binding.get("members") or [])


def _same_binding(binding: dict[str, Any], values: Properties) -> bool:
    return binding.get("role") == values["role"] and _condition(binding.get("condition")) == _condition(
        values.get("condition")
    )


def _condition(condition: Any) -> tuple[str, ...]:
    return tuple((condition or {}).get(key) or "" for key in ("title", "description", "expression"))


def with_member(bindings: list[dict[str, Any]], values: Properties, *, add: bool) -> list[dict[str, Any]]:
    """The bindings with the member in, or out."""
    wanted = normal_member(values["member"])
    result: list[dict[str, Any]] = []
    found = False
    for binding in bindings:
        members = binding.get("members") or []
        if _same_binding(binding, values):
            found = True
            others = [member for member in members if normal_member(member) != wanted]
            present = len(others) < len(members)
            members = members if add and present else ([*others, values["member"]] if add else others)
        if members:
            result.append(binding if members == binding.get("members") else {**binding, "members": members})
    if add and not found:
        condition = values.get("condition")
        new: dict[str, Any] = {"role": values["role"], "members": [values["member"]]}
        if condition:
            new["condition"] = {key: value for key, value in condition.items() if value}
        result.append(new)
    return result


class BucketIAMMember(IamMember):
    type_name = "gcp:storage/bucketIAMMember:BucketIAMMember"
    services = {"STORAGE"}
    holder = "b/{bucket}"
    table = "    bucket str required replace same=bucket" + CONDITION_FIELDS

    def holder_of(self, values: Properties) -> str:
        return f"b/{str(values['bucket']).removeprefix('b/')}"

    def _outputs(self, values: Properties, policy: dict[str, Any]) -> tuple[str, Properties]:
        identity, outputs = super()._outputs(values, policy)
        return identity, outputs | {"bucket": self.holder_of(values)}

    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        return call.api.find("STORAGE", f"{holder}/iam", query={"optionsRequestedPolicyVersion": "3"})

    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        return call.api.call("STORAGE", "PUT", f"{holder}/iam", body=policy)


class ProjectIAMMember(IamMember):
    type_name = "gcp:projects/iAMMember:IAMMember"
    services = {"RESOURCE_MANAGER"}
    holder = "{project}"
    delete_first = True
    table = "    project str required replace same=project" + CONDITION_FIELDS

    def holder_of(self, values: Properties) -> str:
        return str(values["project"]).removeprefix("projects/")

    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        return get_project_policy(call, holder)

    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        return set_project_policy(call, holder, policy)


def get_project_policy(call: Call, project: str) -> dict[str, Any]:
    body = {"options": {"requestedPolicyVersion": 3}}
    return call.api.call("RESOURCE_MANAGER", "POST", f"projects/{project}:getIamPolicy", body=body)


def set_project_policy(call: Call, project: str, policy: dict[str, Any]) -> dict[str, Any]:
    body = {"policy": policy, "updateMask": "bindings,etag,auditConfigs"}
    return call.api.call("RESOURCE_MANAGER", "POST", f"projects/{project}:setIamPolicy", body=body)


class ServiceAccountIAMMember(IamMember):
    type_name = "gcp:serviceaccount/iAMMember:IAMMember"
    services = {"IAM_BETA"}
    holder = "{serviceAccountId}"
    table = "    serviceAccountId str required replace check=account-name" + CONDITION_FIELDS

    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        query = {"options.requestedPolicyVersion": "3"}
        return call.api.call("IAM_BETA", "POST", f"{holder}:getIamPolicy", query=query)

    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        return call.api.call("IAM_BETA", "POST", f"{holder}:setIamPolicy", body={"policy": policy})


class RestIamMember(IamMember):
    """A member in a policy behind `:getIamPolicy` and `:setIamPolicy`; `named` is the property that names the thing,
    in short or in full.
    """

    service: ClassVar[str]
    named: ClassVar[str]
    policy_query: ClassVar[dict[str, str]] = {}

    def holder_of(self, values: Properties) -> str:
        name = str(values[self.named])
        return name if name.startswith("projects/") else fill(self.holder, values)

    def _outputs(self, values: Properties, policy: dict[str, Any]) -> tuple[str, Properties]:
        identity, outputs = super()._outputs(values, policy)
        return identity, outputs | {self.named: self.holder_of(values)}

    def get_policy(self, call: Call, holder: str, values: Properties) -> dict[str, Any] | None:
        return call.api.find(self.service, f"{holder}:getIamPolicy", query=self.policy_query)

    def set_policy(self, call: Call, holder: str, policy: dict[str, Any], values: Properties) -> dict[str, Any]:
        return call.api.call(self.service, "POST", f"{holder}:setIamPolicy", body={"policy": policy})


class RepositoryIamMember(RestIamMember):
    type_name = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
    service = "ARTIFACT_REGISTRY"
    services = {"ARTIFACT_REGISTRY"}
    named = "repository"
    holder = "projects/{project}/locations/{location}/repositories/{repository}"
    table = (
        """
    location str kept replace
    project str kept replace
    repository str required replace same=last-segment
"""
        + CONDITION_FIELDS
    )
