"""Who may do what, and where: the one list of the platform's grants.

Each grant stands beside the resource that it guards, so the components that own a bucket, a dataset or a repository are
handed theirs. On the project stands only what Google has no smaller scope for: Vertex AI's jobs, pools, schedules and
models, running queries, and whatever creates something. Does not own: what a role holds (infra/permissions.py).

Deliberately not granted: any write to the event log (serving and whoever ingests write under their own identity), any
primitive role, any change of accounts, roles or the project's policy: those are applied by a person (ADR 0007).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra import naming, permissions
from infra.permissions import CustomRole


@dataclass(frozen=True)
class Principal:
    """Whom a role is granted to: `member` as IAM policies name it, `account` what the grant must wait for, if it is
    declared here.
    """

    name: str
    member: str
    account: pulumi.Resource | None = None


@dataclass(frozen=True)
class Condition:
    """In the Common Expression Language, on the name of the resource that is asked for."""

    title: str
    expression: str


@dataclass(frozen=True)
class Grant:
    """`role` to `principal` on the resource that it is handed to. `place` is part of its logical name where a principal
    has one role twice.
    """

    role: CustomRole
    principal: Principal
    condition: Condition | None = None
    place: str = ""

    @property
    def name(self) -> str:
        return "-".join(part for part in (self.role.role_id, self.place, self.principal.name) if part)


@dataclass(frozen=True)
class Principals:
    """The platform's accounts, and the people and accounts that the configuration lets submit."""

    pipeline: Principal
    submitter: Principal
    keeper: Principal
    deployer: Principal
    previewer: Principal
    others: Sequence[Principal]

    @property
    def submitters(self) -> list[Principal]:
        return [self.submitter, *self.others]


def on_project(who: Principals, names: naming.Names) -> list[Grant]:
    everything = _ours(names, objects="")
    compiled_only = _ours(names, objects=naming.PIPELINES)
    return [
        Grant(permissions.PIPELINE, who.pipeline),
        *(Grant(permissions.SUBMITTER, principal) for principal in who.submitters),
        Grant(permissions.KEEPER, who.keeper),
        Grant(permissions.DEPLOYER, who.deployer),
        Grant(permissions.DATA_DEPLOYER, who.deployer, everything),
        Grant(permissions.PREVIEWER, who.previewer),
        Grant(permissions.DATA_PREVIEWER, who.previewer, compiled_only),
    ]


def on_pipeline_account(who: Principals) -> list[Grant]:
    """A pipeline that runs as the account starts jobs that run as it, and Vertex AI asks anew for each of them. The
    deployer starts the schedule."""
    return [Grant(permissions.ACT_AS, principal) for principal in (who.pipeline, who.deployer, *who.submitters)]


def on_bucket(who: Principals, names: naming.Names) -> list[Grant]:
    bucket = names.artifact_bucket
    written = under(bucket, naming.SNAPSHOTS, naming.CHECKPOINTS, naming.MODELS, naming.RUNS)
    history = under(bucket, naming.HISTORY)
    results = under(bucket, naming.PIPELINES, naming.CHECKPOINTS, naming.MODELS, naming.RUNS)
    return [
        Grant(permissions.OBJECT_WRITER, who.pipeline, written),
        Grant(permissions.OBJECT_READER, who.pipeline, history),
        Grant(permissions.BUCKET_READER, who.pipeline),
        *(Grant(permissions.OBJECT_READER, principal, results) for principal in who.submitters),
        *(Grant(permissions.BUCKET_READER, principal) for principal in who.submitters),
    ]


def on_datasets(who: Principals) -> list[Grant]:
    return [Grant(permissions.EVENT_READER, who.pipeline)]


def on_repository(who: Principals) -> list[Grant]:
    return [Grant(permissions.IMAGE_READER, who.pipeline), Grant(permissions.IMAGE_WRITER, who.deployer)]


def under(bucket: str, *prefixes: str) -> Condition:
    """Objects whose names begin with one of the prefixes."""
    tests = [f'resource.name.startsWith("{_object(bucket, prefix)}")' for prefix in prefixes]
    return Condition(title=f"objects under {', '.join(prefixes)}", expression=" || ".join(tests))


def _ours(names: naming.Names, *, objects: str) -> Condition:
    """The platform's bucket with the objects under a prefix, and its datasets. What creates one is asked of the
    project."""
    bucket = names.artifact_bucket
    tests = [
        'resource.type == "cloudresourcemanager.googleapis.com/Project"',
        f'resource.name == "projects/_/buckets/{bucket}"',
        f'resource.name == "projects/_/buckets/{names.records_bucket}"',
        f'resource.name.startsWith("{_object(bucket, objects)}")',
        *(
            f'resource.name == "projects/{names.project}/datasets/{dataset}" || '
            f'resource.name.startsWith("projects/{names.project}/datasets/{dataset}/")'
            for dataset in (naming.DATASET_RECSYS, naming.DATASET_DRIFT)
        ),
    ]
    return Condition(title="this platform's buckets and datasets", expression=" || ".join(tests))


def _object(bucket: str, prefix: str) -> str:
    return f"projects/_/buckets/{bucket}/objects/{prefix}"
