"""Reading Google's APIs as whoever is logged in, at the endpoints that the provider's own variables name.

Owns: where an API answers and what a refusal is called. Does not own: what is asked.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from requests import RequestException, Session

_BASES = {
    "billing": ("CLOUD_BILLING", "https://cloudbilling.googleapis.com/v1/"),
    "compute": ("COMPUTE", "https://compute.googleapis.com/compute/beta/"),
    "iam": ("IAM_BETA", "https://iam.googleapis.com/v1/"),
    "projects": ("RESOURCE_MANAGER", "https://cloudresourcemanager.googleapis.com/v1/"),
    "services": ("SERVICE_USAGE", "https://serviceusage.googleapis.com/v1beta1/"),
    "storage": ("STORAGE", "https://storage.googleapis.com/storage/v1/"),
}
_TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 (a variable's name)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 20


class NoAnswerError(Exception):
    """`status` is HTTP's, 0 where nothing answered at all."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Google(Protocol):
    """What the checks ask. Both raise NoAnswerError."""

    def get(self, api: str, path: str) -> dict[str, Any]: ...

    def post(self, api: str, path: str, body: dict[str, Any]) -> dict[str, Any]: ...


class Rest:
    """Google itself, or what stands in for it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises GoogleAuthError where nobody is logged in."""
        self._bases = {
            api: environment.get(f"GOOGLE_{key}_CUSTOM_ENDPOINT") or default for api, (key, default) in _BASES.items()
        }
        token = environment.get(_TOKEN)
        if token:
            self._session = Session()
            self._session.headers["Authorization"] = f"Bearer {token}"
        else:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            self._session = AuthorizedSession(credentials)

    def get(self, api: str, path: str) -> dict[str, Any]:
        return self._call("GET", api, path, None)

    def post(self, api: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", api, path, body)

    def _call(self, method: str, api: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self._bases[api] + path, json=body, timeout=_SECONDS)
        except (RequestException, GoogleAuthError) as error:
            raise NoAnswerError(0, f"{self._bases[api]} does not answer: {error}") from error
        if answer.status_code >= 400:
            raise NoAnswerError(answer.status_code, _message(answer.text))
        return answer.json()


def _message(text: str) -> str:
    return " ".join(text.split())[:300]
