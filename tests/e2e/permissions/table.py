"""docs/permissions.md: what each account may do, what it did, and why the rest is granted.

`python -m tests.e2e.permissions.table` runs the lifecycle on a fresh local cloud and writes it. It fails where an
account used what it is not granted, was refused something, or holds an unused permission that nobody explains.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from infra import access, naming
from infra.access import Grant, Principal, Principals
from infra.permissions import CustomRole

TARGET = Path(__file__).resolve().parents[3] / "docs" / "permissions.md"
_PROJECT = "recsys-local"
_NAMES = naming.Names(project=_PROJECT, region="us-central1")

_OTHER_PATH = "the run took another path"
_LOCALLY_NOT = "Vertex AI calls it on Google Cloud; the local cloud's pipelines keep this themselves"
_CI = "images come from CI or a workstation; the local cloud registers them from the checkout"
_NETWORK = "the network was made as it is, with an interface and without NAT, and its operations were done at once"
UNUSED: dict[str, str] = {
    "aiplatform.artifacts": _LOCALLY_NOT,
    "aiplatform.executions": _LOCALLY_NOT,
    "aiplatform.metadataStores": _LOCALLY_NOT,
    "aiplatform.contexts": _LOCALLY_NOT,
    "aiplatform.customJobs.get": "Vertex AI's launcher polls as the run's account; the local cloud's does not need to",
    "aiplatform.customJobs.cancel": "no run was cancelled",
    "aiplatform.customJobs.list": "only one run was submitted",
    "aiplatform.models": "there was one version; `list` shows the others",
    "aiplatform.pipelineJobs.list": "only one run was submitted",
    "aiplatform.pipelineJobs.get": "no schedule had started a run",
    "aiplatform.pipelineJobs.cancel": "no run was cancelled",
    "aiplatform.persistentResources": "asked for before a submission to a pool in doubt; this one ran",
    "aiplatform.operations": "operations here were done when they were answered",
    "aiplatform.schedules": "`list` was enough here",
    "artifactregistry.repositories.update": "no cleanup policy or label was changed",
    "artifactregistry.repositories.uploadArtifacts": _CI,
    "artifactregistry.repositories.downloadArtifacts": _CI,
    "artifactregistry.tags": _CI,
    "compute": _NETWORK,
    "dns": _NETWORK,
    "servicenetworking": "pools had an interface in the network, and were not peered with it",
    "logging.sinks": "the sink was made and read once, and not changed",
    "bigquery.datasets.get": _OTHER_PATH,
    "bigquery.datasets.getIamPolicy": "access is part of the dataset; asked for by `bq` and the console",
    "bigquery.datasets.setIamPolicy": "access is part of the dataset, changed by its creator; others need this",
    "bigquery.tables.get": "the trainer's `--source bigquery` was not used",
    "bigquery.tables.export": "the query's own result was exported, not a table",
    "bigquery.tables.list": _OTHER_PATH,
    "cloudkms": "keys were not changed, nor read by a plan that does not refresh",
    "iam": "a plan without changes of identities reads none",
    "logging.logMetrics": "no metric was changed in the run",
    "monitoring": "nothing watched was changed in the run",
    "resourcemanager.projects": "a plan without changes of identities reads none",
    "serviceusage.services": "the APIs were enabled by the person who applied the identities",
    "storage.objects.list": "results are read by name; a failed step's refusals are listed",
    "storage.objects.update": "no object's metadata was changed",
}


class TableError(Exception):
    """What the run showed must not be."""


def principals() -> Principals:
    made = {account: _principal(account) for account in naming.ACCOUNTS}
    pipeline, submitter, keeper, deployer, previewer = made.values()
    return Principals(pipeline, submitter, keeper, deployer, previewer, others=[])


def _principal(account: str) -> Principal:
    return Principal(account.removeprefix("recsys-"), f"serviceAccount:{_NAMES.account_email(account)}")


def granted() -> dict[str, list[tuple[str, Grant]]]:
    """By account, each grant with the resource that it stands on."""
    who = principals()
    places: list[tuple[str, Iterable[Grant]]] = [
        ("the project", access.on_project(who, _NAMES)),
        ("the pipeline's account", access.on_pipeline_account(who)),
        ("the bucket", access.on_bucket(who, _NAMES)),
        ("each dataset", access.on_datasets(who)),
        ("the repository", access.on_repository(who)),
    ]
    found: dict[str, list[tuple[str, Grant]]] = defaultdict(list)
    for place, grants in places:
        for grant in grants:
            found[grant.principal.name].append((place, grant))
    return found


def used(rows: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """By account, what it asked for. Raises TableError for what was refused or is not granted."""
    asked: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        name = row["principal"].partition("@")[0].removeprefix("recsys-")
        if not row["principal"].endswith(f"@{_PROJECT}.iam.gserviceaccount.com"):
            continue
        if not row["granted"]:
            raise TableError(f"{row['principal']} was refused {row['permission']}")
        asked[name].add(row["permission"])
    for name, grants in granted().items():
        held = {permission for _, grant in grants for permission in grant.role.permissions}
        if beyond := asked[name] - held:
            raise TableError(f"{name} used what it is not granted here: {sorted(beyond)}")
    return asked


def render(asked: dict[str, set[str]]) -> str:
    lines = [_INTRODUCTION]
    for name, grants in granted().items():
        held = {permission for _, grant in grants for permission in grant.role.permissions}
        lines.append(f"## recsys-{name}\n")
        lines.append(f"Used {len(asked[name])} of {len(held)} permissions.\n")
        for place, grant in grants:
            lines += [*_heading(place, grant), *_rows(grant.role, asked[name]), ""]
    return "\n".join([*lines, _AGENTS])


def _heading(place: str, grant: Grant) -> Iterator[str]:
    yield f"### {grant.role.role_id} on {place}{f' ({grant.place})' if grant.place else ''}\n"
    if grant.condition:
        yield f"On the condition that it is about {grant.condition.title}.\n"
    yield "| permission | needed because | used |\n|---|---|---|"


def _rows(role: CustomRole, asked: set[str]) -> Iterator[str]:
    for permission, why in sorted(role.permissions.items()):
        yield f"| `{permission}` | {why} | {'yes' if permission in asked else f'no: {unused(permission)}'} |"


def unused(permission: str) -> str:
    """Why a permission is granted that the run did not use: by its name, or that of its resource or service."""
    service, kind, _ = permission.split(".")
    for key in (permission, f"{service}.{kind}", service):
        if key in UNUSED:
            return UNUSED[key]
    raise TableError(f"{permission} is granted, was not used, and nobody says why")


def main() -> None:
    from tests.e2e.permissions.lifecycle import Lifecycle
    from tests.e2e.stack import shop
    from tests.e2e.stack.checkout import Checkout

    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "recsys")
        try:
            rows = Lifecycle(checkout, shop.write(Path(folder) / "data", shop.events(40))).run()
        finally:
            checkout.end()
        TARGET.write_text(render(used(rows)))


_INTRODUCTION = """# Who can do what

Written by `make permissions` from the declared grants (`infra/access.py`, `infra/permissions.py`) and from the access
log of one life of the platform on a fresh local cloud with IAM enforced, each part under its own account: a person
applies the identities; the deployer applies the rest, changes it, changes it back and takes it down; the submitter
submits a training run, which runs as the pipeline; the previewer plans with a refresh; the keeper pauses and resumes
the schedule, reboots a pool, deletes it and brings it back. Nothing was refused, and nothing was used that is not
granted.

No account has a primitive role, and none may change accounts, roles or the project's policy: a person does ([ADR
0007](adr/0007-identities-are-applied-by-a-person.md)). The submitter's rights go to everyone in `submitters`, too.
"""
_AGENTS = """## Google's own accounts

`roles/aiplatform.serviceAgent` on the project for Vertex AI's service agent, which starts jobs and pulls images; it
acts as the pipeline's account and never as its own in a job. The agent for custom code has no part in it, since every
job names its account. Where there is a network with interfaces, `recsysNetworkAgent` lets the first join it by the
attachment; where audit logs are kept, `recsysRecordsWriter` on their bucket lets Cloud Logging's sink add to them.
"""

if __name__ == "__main__":
    main()
