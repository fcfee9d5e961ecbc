"""Who is calling.

Owns: the operator's token, the identities of jobs and the tokens that they get from the metadata server. Does not
own: what a principal may do.

A job's secret is the address of its metadata server, as on Google's machines where only the machine itself can reach
it. Tokens are signed, so that they outlive a restart of the cloud; they end with the job, with the account that they
speak for, or after an hour.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local.cloud.clock import Clock
from local.cloud.errors import ApiError
from local.cloud.store import Store

Mode = Literal["enforce", "audit", "off"]

OPERATOR_EMAIL = "operator@local.test"
ANYBODY = ""  # the e-mail of a caller that shows no token
TOKEN_SECONDS = 3600

_KIND = "identity.job"
_PASSING = "outbound "


@dataclass(frozen=True, slots=True)
class Principal:
    """`job` is the id under which a job's identity was issued, "" for the operator. `vouched`: a valid token was
    shown.
    """

    email: str
    job: str = ""
    vouched: bool = True


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """`secret` is the path segment of the job's metadata server; it is shown once."""

    job: str
    secret: str


class Identity:
    """`use_of` tells what a credential of an e-mail is bound to, None where that may not be used (any longer)."""

    def __init__(
        self, root: Path, store: Store, clock: Clock, mode: Mode, use_of: Callable[[str], str | None] = lambda _: ""
    ) -> None:
        self._use_of = use_of
        self.mode: Mode = mode
        self.operator_token_file = root / "operator-token"
        self._operator_token = _secret_file(self.operator_token_file)
        self._key = _secret_file(root / "token-key").encode()
        self._store = store
        self._clock = clock
        self.verifiers: list[Callable[[str], Principal | None]] = []  # who signed a token that is none of this cloud's
        self.signers: list[Callable[[str, bytes, bytes], bool]] = []  # whether a key of an account signed some bytes

    def issue_token(self, email: str, *, seconds: int = TOKEN_SECONDS) -> tuple[str, int]:
        """A token of `email` that belongs to no job, and the seconds that it is good for."""
        _refuse_operator(email)
        name = _hash(secrets.token_urlsafe(24))
        expiry = self._clock.millis() // 1000 + seconds
        body = {"job": "", "email": email, "use": self._use_of(email), "until": expiry}
        self._store.put(_KIND, name, body, parent="")
        return f"ya29.{name}.{expiry}.{self._sign(name, expiry)}", seconds - 1

    def issue(self, *, job: str, email: str, project: str, attributes: Mapping[str, str] | None = None) -> JobIdentity:
        """Let a job act as `email`. `attributes` is what its metadata server lists under instance/attributes/."""
        _refuse_operator(email)
        secret = secrets.token_urlsafe(24)
        body = {"job": job, "email": email, "use": self._use_of(email), "project": project}
        body["attributes"] = dict(attributes or {})
        self._store.put(_KIND, _hash(secret), body, parent=job)
        return JobIdentity(job=job, secret=secret)

    def revoke(self, job: str) -> None:
        """The job is over: its metadata server and its tokens end."""
        for name, _ in self._store.list(_KIND, job):
            self._store.delete(_KIND, name)

    def issue_in_passing(self, *, email: str, project: str) -> JobIdentity:
        """For one request that the cloud itself makes: revoke it when that has been answered."""
        return self.issue(job=f"{_PASSING}{secrets.token_hex(8)}", email=email, project=project)

    def sweep(self) -> None:
        """Forget tokens that are good no longer."""
        now = self._clock.millis() // 1000
        for name, body in self._store.list(_KIND, ""):
            if body.get("until", 0) < now:
                self._store.delete(_KIND, name)

    def forget_passing(self) -> None:
        """At start: what a cloud that was killed had issued for requests of its own."""
        for name, body in self._store.list(_KIND):
            if body["job"].startswith(_PASSING):
                self._store.delete(_KIND, name)

    def job_of(self, secret: str) -> dict[str, Any]:
        """{job, email, project, attributes} behind a metadata server's address. Raises NOT_FOUND for any other."""
        body = self._store.get(_KIND, _hash(secret))
        if body is None:
            raise ApiError(404, "There is no metadata server at this address: the job that it belonged to is over")
        return body

    def access_token(self, secret: str) -> tuple[str, int]:
        """A token for the job of that address and the seconds that it is good for."""
        self.job_of(secret)
        name = _hash(secret)
        expiry = self._clock.millis() // 1000 + TOKEN_SECONDS
        return f"ya29.{name}.{expiry}.{self._sign(name, expiry)}", TOKEN_SECONDS - 1

    def principal(self, headers: Mapping[str, str], query: Mapping[str, str], *, anonymous: bool = False) -> Principal:
        """Raises UNAUTHENTICATED for a token that is not good, where the mode is enforce; for one that is missing, too,
        unless the service serves `anonymous` callers.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else query.get("access_token", "")
        found = self._principal_of(token)
        if found is None and self.mode == "enforce":
            if anonymous and not token and "authorization" not in headers:
                return Principal(ANYBODY, vouched=False)
            raise _unauthenticated(self.operator_token_file)
        return found or Principal(OPERATOR_EMAIL, vouched=False)

    def require_operator(self, principal: Principal) -> None:
        """The cloud's own commands need the operator's token in every mode, since they can name what jobs execute."""
        if principal.email != OPERATOR_EMAIL:
            raise ApiError(403, f"{principal.email} is not the operator: the cloud's own commands are the operator's")
        if not principal.vouched:
            raise _unauthenticated(self.operator_token_file)

    def _principal_of(self, token: str) -> Principal | None:
        if hmac.compare_digest(token.encode(), self._operator_token.encode()):
            return Principal(OPERATOR_EMAIL)
        parts = token.rsplit(".", 2)
        if len(parts) != 3 or not parts[0].startswith("ya29.") or not parts[1].isdigit():
            return next((found for each in self.verifiers if (found := each(token))), None) if token else None
        name, expiry = parts[0].removeprefix("ya29."), int(parts[1])
        if not hmac.compare_digest(parts[2].encode(), self._sign(name, expiry).encode()):
            return None
        issued = self._store.derived(_KIND, name, _issued)
        if issued is None or expiry < self._clock.millis() // 1000:
            return None
        principal, use = issued
        if self.mode == "enforce" and ((held := self._use_of(principal.email)) is None or held != use):
            return None  # the account is deleted, disabled, or another one of the same name
        return principal

    def _sign(self, name: str, expiry: int) -> str:
        return hmac.digest(self._key, f"{name}.{expiry}".encode(), "sha256").hex()


def _issued(body: dict[str, Any] | None) -> tuple[Principal, str | None] | None:
    """Whom a token speaks for, and which use of the account's name."""
    return (Principal(body["email"], job=body["job"]), body.get("use")) if body else None


def _refuse_operator(email: str) -> None:
    """The operator may do everything, so nothing but its own token may speak for it."""
    if email.lower() == OPERATOR_EMAIL:
        raise ApiError(400, f"{OPERATOR_EMAIL} is the operator of this cloud: nothing can be given its identity")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _secret_file(path: Path) -> str:
    """The secret that the file holds; made with mode 0600 if there is none."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32), encoding="ascii")
        draft.rename(path)
    return path.read_text(encoding="ascii").strip()


def _unauthenticated(token_file: Path) -> ApiError:
    message = (
        "Request had invalid authentication credentials. Expected an OAuth 2 access token of this local cloud: "
        f"send 'Authorization: Bearer' with the content of {token_file}, or start it with --iam audit."
    )
    challenge = {"www-authenticate": 'Bearer realm="local cloud", error="invalid_token"'}
    return ApiError(401, message, headers=challenge)
