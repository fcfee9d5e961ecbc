"""Enabled services, service accounts and custom roles of a project."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from typing import Any

from engine.errors import AlreadyExistsError
from engine.gcp.api import RefusedError
from engine.gcp.comparing import changes
from engine.gcp.resource import Call, ResourceType, fill
from engine.values import UNKNOWN, Properties, Unknown


class Service(ResourceType):
    """An API that is switched on; one that is on already is taken over."""

    type_name = "gcp:projects/service:Service"
    services = {"SERVICE_USAGE"}
    identity = "{project}/{service}"
    default_seconds = {"read": 600}
    table = """
    checkIfServiceHasUsageOnDestroy bool
    deletionPolicy str kept
    disableDependentServices bool
    disableOnDestroy bool
    project str kept replace same=last-segment
    service str required replace check=service
    """

    def _path(self, values: Properties) -> str:
        return fill("projects/{project}/services/{service}", values)

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        operation = call.api.call("SERVICE_USAGE", "POST", f"{self._path(plan)}:enable", body={})
        call.api.wait("SERVICE_USAGE", operation, f"enable {plan['service']}", call.seconds)
        identity = fill(self.identity, plan)
        return identity, plan | {"id": identity}

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        query = {"filter": "state:ENABLED", "fields": "services/name,nextPageToken", "pageSize": "200"}
        while True:
            page = call.api.call("SERVICE_USAGE", "GET", fill("projects/{project}/services", known), query=query)
            names = {str(service["name"]).rsplit("/", 1)[-1] for service in page.get("services", [])}
            if known["service"] in names:
                return {field.name: known.get(field.name) for field in self.fields} | {"id": identity}
            if not page.get("nextPageToken"):
                return None
            query["pageToken"] = page["nextPageToken"]

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        return plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        if not prior.get("disableOnDestroy"):
            return
        body = {
            "disableDependentServices": bool(prior.get("disableDependentServices")),
            "checkIfServiceHasUsage": "CHECK" if prior.get("checkIfServiceHasUsageOnDestroy") else "SKIP",
        }
        operation = call.api.call("SERVICE_USAGE", "POST", f"{self._path(prior)}:disable", body=body)
        call.api.wait("SERVICE_USAGE", operation, f"disable {prior['service']}", call.seconds)


class ServiceIdentity(ResourceType):
    """The account that a Google service acts as in a project: generated once, never read again and never deleted."""

    type_name = "gcp:projects/serviceIdentity:ServiceIdentity"
    services = {"SERVICE_USAGE"}
    identity = "projects/{project}/services/{service}"
    table = """
    email str out
    member str out
    project str kept replace
    service str required replace
    """

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan)
        operation = call.api.call("SERVICE_USAGE", "POST", f"{identity}:generateServiceIdentity", body={})
        what = f"generate the identity of {plan['service']}"
        email = call.api.wait("SERVICE_USAGE", operation, what, call.seconds).get("email", "")
        member = f"serviceAccount:{email}" if email else ""
        return identity, plan | {"email": email, "member": member, "id": identity}

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        return {field.name: known.get(field.name) for field in self.fields} | {"id": identity}

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        return plan

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        """Google keeps identities."""


class Account(ResourceType):
    """A service account; its e-mail is known before it exists."""

    type_name = "gcp:serviceaccount/account:Account"
    services = {"IAM_BETA"}
    identity = "projects/{project}/serviceAccounts/{email}"
    default_seconds = {"create": 300}
    table = """
    accountId str required replace auto check=account-id max=30
    createIgnoreAlreadyExists bool
    deletionPolicy str kept
    description str check=short-text
    disabled bool default=false
    displayName str
    email str out
    member str out
    name str out
    project str kept replace
    uniqueId str out
    """

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        account, project = plan["accountId"], plan["project"]
        if isinstance(account, Unknown) or isinstance(project, Unknown):
            plan["email"] = plan["member"] = UNKNOWN
        else:
            plan["email"] = _email(account, project)
            plan["member"] = f"serviceAccount:{plan['email']}"

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        account = {key: plan[key] for key in ("description", "displayName") if plan.get(key)}
        body = {"accountId": plan["accountId"], "serviceAccount": account}
        path = fill("projects/{project}/serviceAccounts", plan)
        identity = fill(self.identity, plan)
        try:
            answer = call.api.call("IAM_BETA", "POST", path, body=body)
        except RefusedError as error:
            if error.status != 409:
                raise
            if not plan.get("createIgnoreAlreadyExists"):
                raise AlreadyExistsError(f"Error creating service account: {error}", identity) from error
            answer = call.api.call("IAM_BETA", "GET", identity)
        if plan.get("disabled"):
            call.api.call("IAM_BETA", "POST", f"{identity}:disable", body={})
            answer["disabled"] = True
        return identity, self._outputs(answer, plan)

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find("IAM_BETA", identity)
        return None if answer is None else self._outputs(answer, known)

    def _outputs(self, answer: dict[str, Any], known: Properties) -> Properties:
        kept = {field.name: known.get(field.name) for field in self.fields}
        email = answer["email"]
        return kept | {
            "accountId": email.split("@")[0],
            "description": answer.get("description", ""),
            "disabled": bool(answer.get("disabled")),
            "displayName": answer.get("displayName", ""),
            "email": email,
            "member": f"serviceAccount:{email}",
            "name": answer["name"],
            "project": answer.get("projectId") or kept["project"],
            "uniqueId": answer.get("uniqueId", ""),
            "id": answer["name"],
        }

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        account = call.api.call("IAM_BETA", "GET", identity)
        changed = {change.key for change in changes(self.fields, prior, plan)}
        if "disabled" in changed:
            verb = "disable" if plan.get("disabled") else "enable"
            call.api.call("IAM_BETA", "POST", f"{identity}:{verb}", body={})
        mask = [tf for name, tf in (("description", "description"), ("displayName", "display_name")) if name in changed]
        if mask:
            members = {key: plan.get(key) or "" for key in ("displayName", "description")}
            body = {"serviceAccount": members | {"etag": account.get("etag")}, "updateMask": ",".join(mask)}
            call.api.call("IAM_BETA", "PATCH", identity, body=body)
        return self._outputs(call.api.call("IAM_BETA", "GET", identity), plan)

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        _delete(call, identity)


class CustomRole(ResourceType):
    """A role of the project's own. A deleted one stays behind, hidden, and is brought back by a creation of the same
    id.
    """

    type_name = "gcp:projects/iAMCustomRole:IAMCustomRole"
    kept = "a custom role can be undeleted for 7 days; up does"
    services = {"IAM_BETA"}
    identity = "projects/{project}/roles/{roleId}"
    table = """
    deleted bool out
    deletionPolicy str kept
    description str
    name str out
    permissions strset required min=1
    project str kept replace
    roleId str required replace auto check=role-id
    stage str default="GA" check=role-stage
    title str required
    """

    def _role(self, plan: Properties) -> dict[str, Any]:
        role = {
            "title": plan.get("title"),
            "description": plan.get("description"),
            "stage": plan.get("stage"),
            "includedPermissions": plan.get("permissions"),
        }
        return {key: value for key, value in role.items() if value}

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan)
        found = call.api.find("IAM_BETA", identity)
        if found is None:
            body = {"roleId": plan["roleId"], "role": self._role(plan)}
            call.api.call("IAM_BETA", "POST", fill("projects/{project}/roles", plan), body=body)
        elif found.get("deleted"):
            call.api.call("IAM_BETA", "POST", f"{identity}:undelete", body={})
            call.api.call("IAM_BETA", "PATCH", identity, body=self._role(plan))
        else:
            raise AlreadyExistsError(f"Custom project role {identity} already exists and must be imported", identity)
        return identity, self._outputs(call.api.call("IAM_BETA", "GET", identity), plan)

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find("IAM_BETA", identity)
        return None if answer is None or answer.get("deleted") else self._outputs(answer, known)

    def _outputs(self, answer: dict[str, Any], known: Properties) -> Properties:
        kept = {field.name: known.get(field.name) for field in self.fields}
        return kept | {
            "deleted": bool(answer.get("deleted")),
            "description": answer.get("description", ""),
            "name": answer["name"],
            "permissions": sorted(answer.get("includedPermissions", [])),
            "roleId": str(answer["name"]).rsplit("/", 1)[-1],
            "stage": answer.get("stage") or "GA",
            "title": answer.get("title", ""),
            "id": answer["name"],
        }

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        return self._outputs(call.api.call("IAM_BETA", "PATCH", identity, body=self._role(plan)), plan)

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        _delete(call, identity)


def _email(account: str, project: str) -> str:
    """The address of an account; a project of a domain is written the other way round."""
    if ":" in project:
        domain, _, name = project.partition(":")
        project = f"{name}.{domain}"
    return f"{account}@{project}.iam.gserviceaccount.com"


def _delete(call: Call, identity: str) -> None:
    try:
        call.api.call("IAM_BETA", "DELETE", identity)
    except RefusedError as error:
        if error.status != 404:
            raise
