"""From a call to what it needs: the permission of its route on the resource that it names.

Owns: which resource a routed call is about. Does not own: the decision (access.py), or what a handler needs beyond its
route (it calls `Call.require`).
"""

from typing import TYPE_CHECKING

from local.cloud.identity import Principal

if TYPE_CHECKING:
    from local.cloud.app import Cloud
    from local.cloud.call import Call


def check(call: "Call", service: str) -> None:
    """Raises PERMISSION_DENIED."""
    permission = call.route.permission
    if permission and (resource := resource_of(call, service)):
        call.require(permission, resource)


def resource_of(call: "Call", service: str) -> str | None:
    """The name of the resource, None for a query's hidden result, which only the query's author knows."""
    params = call.params
    if service.startswith("storage"):
        return _stored(call)
    if service.startswith("bigquery") and "project" in params:
        parts = [f"projects/{params['project']}"]
        if params.get("dataset", "").startswith("_"):
            return None
        parts += [f"{key}s/{params[key]}" for key in ("dataset", "table") if key in params]
        return "/".join(parts)
    named = next((value for value in params.values() if value.startswith("projects/")), None)
    if named and named.startswith("projects/-/serviceAccounts/"):
        return account_name(call.cloud, named.rsplit("/", 1)[-1], "-")
    if named is None and "project" in params:
        return f"projects/{params['project']}"
    return named


def act_as(cloud: "Cloud", principal: Principal, email: str, location: str) -> None:
    """Raises PERMISSION_DENIED unless the principal may run something as this account. "": it names none."""
    if email:
        resource = account_name(cloud, email, location.split("/")[1])
        cloud.access.require(principal, "iam.serviceAccounts.actAs", resource)


def account_name(cloud: "Cloud", email: str, project: str) -> str:
    """The resource name of a service account, whose e-mail tells its project; `project` where it does not."""
    domain = email.partition("@")[2]
    if domain.endswith(".iam.gserviceaccount.com") and not domain.startswith("gcp-sa-"):
        project = domain.removesuffix(".iam.gserviceaccount.com")
    elif email.endswith("-compute@developer.gserviceaccount.com"):
        project = cloud.projects.id_of(email.partition("-")[0])
    return f"projects/{project}/serviceAccounts/{email}"


def object_name(bucket: str, name: str = "") -> str:
    """As conditions name a bucket, and an object in it."""
    return f"projects/_/buckets/{bucket}/objects/{name}" if name else f"projects/_/buckets/{bucket}"


def object_of_uri(uri: str) -> str:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return object_name(bucket, name)


def _stored(call: "Call") -> str | None:
    params = call.params
    bucket = params.get("bucket") or params.get("destinationBucket")
    if bucket is None:
        project = call.query.get("project", "")
        return f"projects/{call.cloud.projects.id_of(project)}" if project else None
    return object_name(bucket, params.get("object") or params.get("destination") or params.get("destinationObject", ""))
