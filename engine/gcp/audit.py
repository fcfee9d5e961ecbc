"""Which accesses to a service's data are written to a project's audit logs: a part of the project's policy."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.gcp.iam import get_project_policy, set_project_policy
from engine.gcp.resource import Call, ResourceType, fill
from engine.values import Properties


class IAMAuditConfig(ResourceType):
    """All that the policy says of one service: what others wrote there is replaced."""

    type_name = "gcp:projects/iAMAuditConfig:IAMAuditConfig"
    services = {"RESOURCE_MANAGER"}
    identity = "{project}/audit_config/{service}"
    follows_provider = False
    table = """
    auditLogConfigs objset required tf=audit_log_config
      exemptedMembers strset
      logType str required check=in:ADMIN_READ,DATA_READ,DATA_WRITE
    etag str out
    project str required replace same=project
    service str required replace
    """

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        return fill(self.identity, plan), self.update(call, fill(self.identity, plan), {}, plan)

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        policy = get_project_policy(call, _project(known))
        found = [each for each in policy.get("auditConfigs") or [] if each.get("service") == known["service"]]
        if not found:
            return None
        logs = [
            {"exemptedMembers": log.get("exemptedMembers") or [], "logType": log["logType"]}
            for log in found[0].get("auditLogConfigs") or []
        ]
        kept = {field.name: known.get(field.name) for field in self.fields}
        return kept | {"auditLogConfigs": logs, "etag": policy.get("etag", ""), "id": identity}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        self._set(call, plan, [_log(each) for each in plan["auditLogConfigs"]])
        return self.read(call, identity, plan) or plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        self._set(call, prior, [])

    def _set(self, call: Call, values: Properties, logs: list[dict[str, Any]]) -> None:
        project, service = _project(values), values["service"]

        def change() -> None:
            policy = get_project_policy(call, project)
            others = [each for each in policy.get("auditConfigs") or [] if each.get("service") != service]
            mine = [{"service": service, "auditLogConfigs": logs}] if logs else []
            set_project_policy(call, project, {**policy, "auditConfigs": [*others, *mine]})

        with call.api.alone(f"{{project}} {project}"):
            call.api.retry_conflicts(change)


def _project(values: Properties) -> str:
    return str(values["project"]).removeprefix("projects/")


def _log(config: Properties) -> dict[str, Any]:
    members = config.get("exemptedMembers")
    return {"logType": config["logType"], **({"exemptedMembers": members} if members else {})}
