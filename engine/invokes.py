"""Functions that a program calls in a provider (data sources), and things that it reads without managing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import EngineError, OperationError
from engine.gcp.api import Api, RefusedError
from engine.gcp.resource import Settings
from engine.goal import Goal
from engine.outcome import Diagnostic
from engine.plugins import Operation, plugin_for
from engine.values import PLACEHOLDER, Properties, Secret, has_secret


class Outside:
    """Answers a program's questions about what the stack does not manage; in a preview without endpoints the answers
    are unknown.
    """

    def __init__(
        self,
        api: Api,
        stack_outputs: Callable[[str], Properties],
        report: Callable[[Diagnostic], None],
        *,
        dry_run: bool,
    ) -> None:
        """`stack_outputs` gives those of another stack by its name."""
        self._api = api
        self._stack_outputs = stack_outputs
        self._report = report
        self._dry_run = dry_run
        self._functions: dict[str, Callable[[Properties, Settings], Properties]] = {
            "gcp:organizations/getProject:getProject": self._get_project,
            "gcp:organizations/getClientConfig:getClientConfig": self._get_client_config,
            "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": self._get_storage_account,
            "gcp:bigquery/getDefaultServiceAccount:getDefaultServiceAccount": self._get_bigquery_account,
        }

    def invoke(self, token: str, arguments: Properties, settings: Settings) -> Properties:
        function = self._functions.get(token)
        if function is None:
            known = ", ".join(sorted(self._functions))
            raise EngineError(
                f"the program calls {token}, which the embedded engine does not know: it knows {known}. Use the "
                "`pulumi` command"
            )
        return function(arguments, settings)

    def _offline(self, service: str, what: str) -> bool:
        if self._api.has(service) or not self._dry_run:
            return False
        self._report(
            Diagnostic("info", f"{what} was not asked for (no endpoint is set): its results are unknown in this plan")
        )
        return True

    def _get_project(self, arguments: Properties, settings: Settings) -> Properties:
        project = arguments.get("projectId") or settings.project
        if self._offline("RESOURCE_MANAGER", f"getProject({project!r})"):
            return self._project_outputs(str(project), {"projectNumber": PLACEHOLDER, "name": PLACEHOLDER}, PLACEHOLDER)
        found = self._api.call("RESOURCE_MANAGER", "GET", f"projects/{project}")
        return self._project_outputs(str(project), found, self._billing_account(str(project)))

    def _project_outputs(self, project: str, found: dict[str, Any], billing_account: str) -> Properties:
        labels = found.get("labels") or {}
        parent = found.get("parent") or {}
        return {
            "autoCreateNetwork": False,
            "billingAccount": billing_account,
            "deletionPolicy": "",
            "effectiveLabels": labels,
            "folderId": parent.get("id", "") if parent.get("type") == "folder" else "",
            "id": f"projects/{project}",
            "labels": labels,
            "name": found.get("name", ""),
            "number": str(found.get("projectNumber", "")),
            "orgId": parent.get("id", "") if parent.get("type") == "organization" else "",
            "projectId": found.get("projectId", project),
            "pulumiLabels": {},
            "tags": {},
        }

    def _billing_account(self, project: str) -> str:
        if not self._api.has("CLOUD_BILLING"):
            return ""
        try:
            found = self._api.call("CLOUD_BILLING", "GET", f"projects/{project}/billingInfo")
        except RefusedError:
            return ""
        return str(found.get("billingAccountName") or "").removeprefix("billingAccounts/")

    def _get_client_config(self, arguments: Properties, settings: Settings) -> Properties:  # noqa: ARG002
        token = self._api.token
        if not token and self._offline("RESOURCE_MANAGER", "getClientConfig()"):
            token = PLACEHOLDER
        if not token:
            raise EngineError(
                "getClientConfig(): no credentials loaded: set GOOGLE_OAUTH_ACCESS_TOKEN (python -m local.cloud env "
                "prints the local cloud's)"
            )
        return {
            "project": settings.project,
            "region": settings.region,
            "zone": settings.zone or "",
            "accessToken": Secret(token),
            "id": f"projects/{settings.project}",
        }

    def _get_storage_account(self, arguments: Properties, settings: Settings) -> Properties:
        project = arguments.get("project") or settings.project
        email = self._service_account("STORAGE", "getProjectServiceAccount", project, "email_address")
        told = {"emailAddress": email, "id": email, "member": _member(email), "project": project}
        return told | ({"userProject": arguments["userProject"]} if arguments.get("userProject") else {})

    def _get_bigquery_account(self, arguments: Properties, settings: Settings) -> Properties:
        project = arguments.get("project") or settings.project
        email = self._service_account("BIG_QUERY", "getDefaultServiceAccount", project, "email")
        return {"email": email, "id": email, "member": _member(email), "project": project}

    def _service_account(self, service: str, function: str, project: Any, member: str) -> Any:
        """The address of the service's own account in the project, which asking for it creates."""
        if self._offline(service, f"{function}({project!r})"):
            return PLACEHOLDER
        return str(self._api.call(service, "GET", f"projects/{project}/serviceAccount")[member])

    def read(self, goal: Goal, urn: str, identity: str, settings: Settings) -> Properties:
        """The outputs of a thing that is read by its id."""
        if goal.type == "pulumi:pulumi:StackReference":
            return self._stack_reference(identity)
        plugin = plugin_for(goal.type)
        missing = self._api.missing(plugin.services())
        if missing and self._dry_run:
            self._report(
                Diagnostic("info", f"{urn} was not read (no endpoint is set): its outputs are unknown in this plan")
            )
            return {}
        outputs = plugin.read(identity, goal.inputs, Operation(self._api, settings))
        if outputs is None:
            raise OperationError(f"{urn}: {identity!r} does not exist: correct the id given to .get()")
        return outputs

    def _stack_reference(self, name: str) -> Properties:
        outputs = self._stack_outputs(name)
        secret = sorted(key for key, value in outputs.items() if has_secret(value))
        return {"name": name, "outputs": outputs, "secretOutputNames": secret}


def _member(email: str) -> str:
    return email if email == PLACEHOLDER else f"serviceAccount:{email}"
