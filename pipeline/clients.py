"""The only factory of Google clients on the pipeline's side: where they send, and as whom.

Owns: endpoints and credentials, for a submission (from the stack's outputs) and for a step (from its job's
environment). Does not own: what is sent. The clients speak REST, which takes a plain-http endpoint, and are imported
where they are first needed.

Application Default Credentials never travel over plain http: an address on the loopback gets the token that belongs to
it, or none.
"""

import os
import socket
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contracts.problems import Problem, Refused
from contracts.stack_outputs import Endpoints, StackOutputs

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
    from google.cloud.aiplatform_v1.services.persistent_resource_service import PersistentResourceServiceClient
    from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
    from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
    from google.cloud.bigquery import Client as BigQueryClient
    from google.cloud.storage import Client as StorageClient

    from pipeline.vertex_rest import VertexRest

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class Clients:
    """One client per service, made on first use."""

    def __init__(self, *, project: str, region: str, endpoints: Endpoints, in_job: bool = False) -> None:
        self.project = project
        self.region = region
        self.endpoints = endpoints
        self._in_job = in_job

    @cached_property
    def storage(self) -> "StorageClient":
        from google.cloud.storage import Client

        return Client(project=self.project, **self._options(self.endpoints.storage))

    @cached_property
    def bigquery(self) -> "BigQueryClient":
        from google.cloud.bigquery import Client

        return Client(project=self.project, **self._options(self.endpoints.bigquery))

    @cached_property
    def pipelines(self) -> "PipelineServiceClient":
        from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient

        return PipelineServiceClient(**self._vertex_options())

    @cached_property
    def jobs(self) -> "JobServiceClient":
        from google.cloud.aiplatform_v1.services.job_service import JobServiceClient

        return JobServiceClient(**self._vertex_options())

    @cached_property
    def pools(self) -> "PersistentResourceServiceClient":
        from google.cloud.aiplatform_v1.services.persistent_resource_service import PersistentResourceServiceClient

        return PersistentResourceServiceClient(**self._vertex_options())

    @cached_property
    def schedules(self) -> "ScheduleServiceClient":
        from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient

        return ScheduleServiceClient(**self._vertex_options())

    @cached_property
    def vertex(self) -> "VertexRest":
        import google.auth

        from pipeline.vertex_rest import VertexRest

        options = self._vertex_options()
        credentials = options.get("credentials") or google.auth.default(scopes=list(_SCOPES))[0]
        return VertexRest(options["client_options"]["api_endpoint"], credentials)

    @property
    def location(self) -> str:
        """The parent of every Vertex AI resource here."""
        return f"projects/{self.project}/locations/{self.region}"

    def _vertex_options(self) -> dict[str, Any]:
        origin = self.endpoints.vertex or f"https://{self.region}-aiplatform.googleapis.com"
        return self._options(origin) | {"transport": "rest"}

    def _options(self, origin: str) -> dict[str, Any]:
        credentials = credentials_for(origin, self.endpoints.access_token_file, in_job=self._in_job)
        options: dict[str, Any] = {"client_options": {"api_endpoint": origin}} if origin else {}
        return options if credentials is None else options | {"credentials": credentials}


def for_submission(outputs: StackOutputs) -> Clients:
    """The clients of whoever submits to a stack or reads from it. Raises `Refused` where its cloud does not answer."""
    require_reachable(outputs.endpoints)
    return Clients(project=outputs.project, region=outputs.region, endpoints=outputs.endpoints)


def for_step(*, project: str, region: str = "", environment: Mapping[str, str] | None = None) -> Clients:
    """The clients of a pipeline step, from the variables that its cloud set for it."""
    environment = os.environ if environment is None else environment
    endpoints = Endpoints(
        vertex=environment.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", "").rstrip("/"),
        storage=environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/"),
        bigquery=environment.get("BIGQUERY_EMULATOR_HOST", "").rstrip("/"),
    )
    return Clients(project=project, region=region, endpoints=endpoints, in_job="GCE_METADATA_HOST" in environment)


def credentials_for(origin: str, access_token_file: str, *, in_job: bool = False) -> "Credentials | None":
    """As whom to call `origin`; None stands for Application Default Credentials.

    `in_job` says that the process has a metadata server of its own, whose tokens are meant for its endpoints.
    """
    plain = urlsplit(origin).scheme == "http"
    if plain and urlsplit(origin).hostname not in _LOOPBACK:
        rule = "credentials travel over plain http only to the loopback"
        fix = "Use https://, or leave the endpoint empty for Google's own"
        raise Refused("Endpoint", [Problem(key="endpoint", value=origin, rule=rule, fix=fix)])
    if origin and access_token_file:
        from google.oauth2.credentials import Credentials

        return Credentials(token=_token(access_token_file))
    if plain and in_job:
        from google.auth.compute_engine import Credentials as MetadataCredentials

        return MetadataCredentials(scopes=_SCOPES)
    if plain:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    return None


def require_reachable(endpoints: Endpoints) -> None:
    """Raise `Refused` if an endpoint on the loopback does not answer: clients would retry it for minutes."""
    problems = []
    for origin in sorted({endpoints.vertex, endpoints.storage, endpoints.bigquery}):
        address = urlsplit(origin)
        if address.hostname not in _LOOPBACK:
            continue
        try:
            socket.create_connection((address.hostname, address.port or 80), timeout=5).close()
        except OSError as error:
            fix = "Start the local cloud: make up"
            problems.append(
                Problem(
                    key="endpoint", value=origin, rule=f"nothing answers there ({error.strerror or error})", fix=fix
                )
            )
    if problems:
        raise Refused("Stack", problems)


def _token(access_token_file: str) -> str:
    try:
        return Path(access_token_file).read_text().strip()
    except OSError as error:
        rule = f"the stack's access token must be readable ({error.strerror})"
        problem = Problem(
            key="access_token_file", value=access_token_file, rule=rule, fix="Bring the stack up again: make up"
        )
        raise Refused("Credentials", [problem]) from None
