"""Calls as gcloud and bq make them: plain HTTP, the host replaced, any token; or Google itself where CONTRACT_PROJECT
names a project.
"""

import uuid
from collections.abc import Iterator

import google.auth
import google.auth.transport.requests
import httplib2
import pytest
import requests
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build

from tests.contract.cloud_process import CloudProcess
from tests.contract.google_clients import REAL_PROJECT

REGION = "europe-west1"
_GCLOUD = {"alt": "json"}


class PlainHttp:
    """`cloud` is None against Google."""

    def __init__(self, cloud: CloudProcess | None, project: str) -> None:
        self.cloud = cloud
        self.project = project
        self.parent = f"projects/{project}"
        self.location = f"{self.parent}/locations/{REGION}"
        self._credentials = Credentials(token="any-token") if cloud else google.auth.default()[0]
        self._session = requests.Session()
        self._session.trust_env = cloud is None

    def url(self, service: str) -> str:
        if self.cloud:
            return self.cloud.url
        host = f"{REGION}-aiplatform" if service == "aiplatform" else service
        return f"https://{host}.googleapis.com"

    def call(self, service, method, path, body=None, *, params=None, headers=None, data=None):
        if not self._credentials.token:
            self._credentials.refresh(google.auth.transport.requests.Request())
        told = {"authorization": f"Bearer {self._credentials.token}", "x-goog-user-project": self.project}
        told |= headers or {}
        url, query = f"{self.url(service)}{path}", _GCLOUD | (params or {})
        return self._session.request(method, url, json=body, params=query, headers=told, data=data, timeout=60)

    def json(self, service, method, path, body=None, *, status=200, **options):
        answer = self.call(service, method, path, body, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:800]}"
        return answer.json() if answer.content else None

    def client(self, api: str, version: str):
        """A client that google-api-python-client makes from the server's own discovery document."""
        http = httplib2.Http(proxy_info=None) if self.cloud else httplib2.Http()
        http.redirect_codes -= {308}  # which says that a resumable upload goes on
        options = {"cache_discovery": False, "static_discovery": False}
        if self.cloud:
            options["discoveryServiceUrl"] = f"{self.cloud.url}/discovery/v1/apis/{{api}}/{{apiVersion}}/rest"
        return build(api, version, http=AuthorizedHttp(self._credentials, http=http), **options)


@pytest.fixture(scope="session")
def audited(tmp_path_factory) -> Iterator[CloudProcess | None]:
    """A cloud that takes any token, as it does where it is started alone."""
    if REAL_PROJECT:
        yield None
        return
    cloud = CloudProcess(tmp_path_factory.mktemp("audited"), iam="audit").start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def plain(audited) -> PlainHttp:
    """In a project of the module's own."""
    return PlainHttp(audited, REAL_PROJECT or f"plain-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def local(plain) -> PlainHttp:
    """For what only a local cloud can be asked."""
    if plain.cloud is None:
        pytest.skip("asks for what Google's own cloud has no command for")
    return plain
