"""Requests that the cloud itself makes, for Cloud Scheduler and Pub/Sub's pushes.

Owns: where they may go: to the loopback, and to Google's own hosts, for which this cloud answers. Any other host is
refused without a packet, since nothing here talks to the outside. The URL is taken apart by the parser that the request
itself uses: two that disagree (on a backslash, say) would let a request out.
"""

import json
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GOOGLE = ".googleapis.com"
_SECONDS = 30.0


class Outbound:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._session = requests.Session()
        self._session.trust_env = False

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        data: bytes = b"",
        json_body: Any = None,
        account: str = "",
        timeout_seconds: float = _SECONDS,
    ) -> tuple[int, str]:
        """The status of the answer, and why there is none (then it is 0). `account` calls Google's hosts."""
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            return 0, str(error)
        host = (parts.host or "").strip("[]")
        sent = dict(headers or {})
        if json_body is not None:
            data = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            if host.endswith(_GOOGLE):
                url = f"{self._cloud.url}{parts.path or ''}" + (f"?{parts.query}" if parts.query else "")
                return self._as_account(method, url, sent, data, account, timeout_seconds), ""
            if host not in _LOOPBACK:
                return 0, f"{host} is outside: this cloud sends requests to the loopback and to Google's hosts alone"
            return self._request(method, url, sent, data, timeout_seconds), ""
        except requests.RequestException as error:
            return 0, f"{type(error).__name__}: {error}"

    def _as_account(
        self, method: str, url: str, headers: dict[str, str], data: bytes, account: str, timeout_seconds: float
    ) -> int:
        """Call this very cloud with a token of the account, which ends with the request."""
        identity = self._cloud.identity.issue_in_passing(email=account, project=_project_of(account))
        try:
            token, _ = self._cloud.identity.access_token(identity.secret)
            signed = headers | {"Authorization": f"Bearer {token}"}
            return self._request(method, url, signed, data, timeout_seconds)
        finally:
            self._cloud.identity.revoke(identity.job)

    def _request(self, method: str, url: str, headers: dict[str, str], data: bytes, timeout_seconds: float) -> int:
        answer = self._session.request(
            method, url, headers=headers, data=data, timeout=timeout_seconds, allow_redirects=False
        )
        return answer.status_code


def _project_of(account: str) -> str:
    return account.partition("@")[2].partition(".")[0]
