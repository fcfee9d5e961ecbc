"""Cloud Billing: the account that a project is billed to. Nothing is ever billed here.

Source: https://cloud.google.com/billing/docs/reference/rest/v1/projects
"""

from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "billing.info"
_ACCOUNT = "billingAccounts/000000-000000-000000"


def billing_routes(cloud: "Cloud") -> list[Route]:
    def shown(project: str) -> dict[str, Any]:
        held = cloud.store.get(_KIND, project) or {"billingAccountName": _ACCOUNT}
        account = held["billingAccountName"]
        name = {"name": f"projects/{project}/billingInfo", "projectId": project}
        return name | ({"billingAccountName": account, "billingEnabled": True} if account else {})

    def get(call: Call) -> dict[str, Any]:
        return shown(cloud.projects.get(call.params["project"])["projectId"])

    def update(call: Call) -> dict[str, Any]:
        account = call.object().get("billingAccountName", "")
        found = Violations()
        rule = "is not billingAccounts/XXXXXX-XXXXXX-XXXXXX, or empty"
        found.matches(r"(billingAccounts/[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6})?", account, "billingAccountName", rule)
        found.refuse()
        project = cloud.projects.get(call.params["project"])["projectId"]
        cloud.store.put(_KIND, project, {"billingAccountName": account})
        return shown(project)

    permission = "resourcemanager.projects"
    return [
        Route("GET", "/v1/projects/{project}/billingInfo", get, f"{permission}.get"),
        Route("PUT", "/v1/projects/{project}/billingInfo", update, f"{permission}.createBillingAssignment"),
    ]
