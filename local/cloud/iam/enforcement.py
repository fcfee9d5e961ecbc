"""From a call to what it needs: the permission of its route on the resource that it names.

Owns: which resource a routed call is about. Does not own: the decision (access.py), or what a handler needs beyond its
route (it calls `Call.require`).
"""

from typing import TYPE_CHECKING

from local.cloud.iam.access import denied
from local.cloud.iam.known_accounts import DOMAIN, email_of, find
from local.cloud.identity import Principal

if TYPE_CHECKING:
    from local.cloud.app import Cloud
    from local.cloud.call import Call

_EVERYTHING = "projects/-"


def check(call: "Call", service: str) -> None:
    """Raises PERMISSION_DENIED."""
    if call.route.permission:
        for resource in resources_of(call, service):
            call.require(call.route.permission, resource)


def resources_of(call: "Call", service: str) -> list[str]:
    """The names of the resources. A call that names none is about every project, which nobody but the operator has."""
    params = call.params
    if service.startswith("storage"):
        return [_stored(call) or _EVERYTHING]
    if service.startswith("bigquery") and "project" in params:
        parts = [f"projects/{params['project']}"]
        parts += [f"{key}s/{params[key]}" for key in ("dataset", "table") if key in params]
        return ["/".join(parts)]
    named = next((value for value in params.values() if value.startswith("projects/")), None)
    if named and "/serviceAccounts/" in named:
        return [_account_named(call.cloud, named)]
    if named is None and "project" in params:
        return [f"projects/{params['project']}"]
    return [named] if named else _in_body(call) or [_EVERYTHING]


def _account_named(cloud: "Cloud", name: str) -> str:
    """An account's name by its e-mail; of one under `projects/-`, by the project that it lies in."""
    parent, _, wanted = name.rpartition("/")
    email = email_of(cloud.store, wanted)
    return account_name(cloud, email) if parent == "projects/-/serviceAccounts" else f"{parent}/{email}"


def _in_body(call: "Call") -> list[str]:
    """The projects that a call on log entries names."""
    body = call.body if isinstance(call.body, dict) else {}
    entries = body.get("entries")
    logs = [entry.get("logName") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [*(body.get("resourceNames") or ()), body.get("logName"), *logs]
    projects = {name.split("/")[1] for name in names if isinstance(name, str) and name.startswith("projects/")}
    return [f"projects/{call.cloud.projects.id_of(project)}" for project in sorted(projects)]


def act_as(cloud: "Cloud", principal: Principal, email: str) -> None:
    """Raises PERMISSION_DENIED unless the principal may run something as this account. "": it names none."""
    if not email:
        return
    name = account_name(cloud, email)
    cloud.access.require(principal, "iam.serviceAccounts.actAs", name)
    if cloud.access.mode == "enforce" and _is_missing(cloud, email):
        raise denied(principal.email, "iam.serviceAccounts.actAs", name)


def _is_missing(cloud: "Cloud", email: str) -> bool:
    """Whether an account of a project of this cloud is not there."""
    project = email.partition("@")[2].removesuffix(DOMAIN)
    return email.endswith(DOMAIN) and cloud.projects.known(project) and find(cloud.store, email) is None


def account_name(cloud: "Cloud", email: str) -> str:
    """The resource name of a service account, whose e-mail tells its project; under `projects/-`, where nobody has a
    role, if it tells none.
    """
    name, _, domain = email.partition("@")
    project = "-"
    if domain.startswith("gcp-sa-") and domain.endswith(".iam.gserviceaccount.com"):
        project = cloud.projects.id_of(name.removeprefix("service-"))
    elif domain.endswith(".iam.gserviceaccount.com"):
        project = domain.removesuffix(".iam.gserviceaccount.com")
    elif email.endswith("-compute@developer.gserviceaccount.com"):
        project = cloud.projects.id_of(name.removesuffix("-compute"))
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
