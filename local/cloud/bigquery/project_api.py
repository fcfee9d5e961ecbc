"""What BigQuery says about projects, and the lists of what its datasets here never hold.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/projects
"""

from typing import Any

from local.cloud.bigquery.references import DatasetRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.call import Call
from local.cloud.paging import page_of
from local.cloud.routing import Route


def project_routes(bq: BigQuery) -> list[Route]:
    """Whoever calls sees the projects that it may look into."""
    projects = bq.cloud.projects

    def listed(call: Call) -> dict[str, Any]:
        mine = [(name, body) for name, body in projects.all() if call.may("bigquery.datasets.get", f"projects/{name}")]
        page = page_of(call, "projects", mine, default=50, render=_project)
        return {"kind": "bigquery#projectList", "totalItems": len(mine)} | page

    def service_account(call: Call) -> dict[str, Any]:
        number = projects.get(call.params["project"])["projectNumber"]
        email = f"bq-{number}@bigquery-encryption.iam.gserviceaccount.com"
        return {"kind": "bigquery#getServiceAccountResponse", "email": email}

    def none(call: Call) -> dict[str, Any]:
        bq.datasets.get(DatasetRef(call.params["project"], call.params["dataset"]))
        return {}

    dataset = "/projects/{project}/datasets/{dataset}"
    return [
        Route("GET", "/projects", listed),
        Route("GET", "/projects/{project}/serviceAccount", service_account, "resourcemanager.projects.get"),
        Route("GET", f"{dataset}/models", none, "bigquery.models.list"),
    ]


def _project(project: dict[str, Any]) -> dict[str, Any]:
    name = project["projectId"]
    return {
        "kind": "bigquery#project",
        "id": name,
        "numericId": project["projectNumber"],
        "projectReference": {"projectId": name},
        "friendlyName": name,
    }
