"""The roles that Google's own accounts have in a project from its start.

A deviation: Google writes them into the project's policy, from which they can be taken; here they are implied.

Source: https://cloud.google.com/iam/docs/service-account-types#default and …/service-agents
"""

from functools import lru_cache
from typing import Any

from local.cloud.projects import Projects

_GRANTS = {
    "roles/editor": "{number}-compute@developer.gserviceaccount.com",
    "roles/aiplatform.customCodeServiceAgent": "service-{number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com",
    "roles/aiplatform.serviceAgent": "service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com",
}


def implied_bindings(resource: str, projects: Projects) -> list[dict[str, Any]]:
    """Of `projects/p`; empty for any other resource, and for a project that was never used."""
    segments = resource.split("/")
    if len(segments) != 2 or segments[0] != "projects" or not projects.known(segments[1]):
        return []
    return _of_number(projects.number_of(segments[1]))


@lru_cache
def _of_number(number: str) -> list[dict[str, Any]]:
    return [
        {"role": role, "members": [f"serviceAccount:{account.format(number=number)}"]}
        for role, account in _GRANTS.items()
    ]
