"""IAM Service Account Credentials: short-lived tokens of service accounts, for whoever may impersonate them.

Owns: generateAccessToken. Does not own: signBlob, signJwt and generateIdToken (signing.py).
Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.cloud.call import Call
from local.cloud.clock import rfc3339
from local.cloud.errors import invalid_argument, not_found
from local.cloud.iam.enforcement import account_name
from local.cloud.iam.known_accounts import email_of, use_of
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_MOST_SECONDS = 3600


def credential_routes(cloud: "Cloud") -> list[Route]:
    def generate(call: Call) -> dict[str, Any]:
        email = email_of(cloud.store, call.params["name"].rsplit("/", 1)[-1])
        call.require("iam.serviceAccounts.getAccessToken", account_name(cloud, email))
        body = call.object()
        if not body.get("scope"):
            raise invalid_argument([("scope", "at least one OAuth 2.0 scope is required")])
        if not use_of(cloud.store, email):
            raise not_found(f"Not found; Gaia id not found for email {email}")
        seconds = _seconds(body.get("lifetime") or f"{_MOST_SECONDS}s")
        token, _ = cloud.identity.issue_token(email, seconds=seconds)
        return {"accessToken": token, "expireTime": rfc3339(cloud.clock.now() + timedelta(seconds=seconds))}

    name = "/v1/{name=projects/*/serviceAccounts/*}"
    return [Route("POST", f"{name}:generateAccessToken", generate)]


def _seconds(lifetime: str) -> int:
    number = lifetime.removesuffix("s")
    if not number.isdigit() or not 0 < int(number) <= _MOST_SECONDS:
        raise invalid_argument([("lifetime", f"{lifetime!r} is not a duration of at most {_MOST_SECONDS}s")])
    return int(number)
