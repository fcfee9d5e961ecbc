"""Keys of service accounts: made, uploaded, listed, disabled, deleted, and tokens for whoever holds one.

Owns: the keys that users manage, the key file, and the exchange of an assertion that it signed. Does not own: the keys
that the service manages and signs with (signing.py).
Sources: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys and RFC 7523
"""

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from local.cloud.bytes_fields import from_base64
from local.cloud.call import Call, Response
from local.cloud.clock import parse_rfc3339
from local.cloud.control import signing
from local.cloud.control.accounts import KEYS, Accounts
from local.cloud.control.org_policies import NO_KEYS, refuse_where_enforced
from local.cloud.errors import failed_precondition, invalid_argument, not_found
from local.cloud.iam.known_accounts import find
from local.cloud.identity import Principal
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_MOST_KEYS = 10
_NEVER = "9999-12-31T23:59:59Z"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SKEW_SECONDS = 300
_BY_USER = "SERVICE_ACCOUNT_KEY_DISABLE_REASON_USER_INITIATED"
_GOOGLES_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)


def key_routes(cloud: "Cloud") -> list[Route]:
    """What a key needs is asked for by its account: the last segment of its name is none."""
    keys = AccountKeys(cloud)
    cloud.identity.verifiers.append(keys.principal_of)
    cloud.identity.signers.append(keys.has_signed)
    account, key = "/v1/{name=projects/*/serviceAccounts/*}/keys", "/v1/{name=projects/*/serviceAccounts/*/keys/*}"
    return [
        Route("POST", account, keys.create, "iam.serviceAccountKeys.create"),
        Route("POST", f"{account}:upload", keys.upload, "iam.serviceAccountKeys.create"),
        Route("GET", account, keys.list, "iam.serviceAccountKeys.list"),
        Route("GET", key, keys.get),
        Route("DELETE", key, keys.delete),
        Route("POST", f"{key}:disable", keys.disable),
        Route("POST", f"{key}:enable", keys.enable),
        Route("POST", "/token", keys.exchange, public=True, streams=True),
    ]


class AccountKeys:
    """The store keeps public halves alone; the private one is in the answer to create, and nowhere else."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._store = cloud.store
        self._accounts = Accounts(cloud)

    def create(self, call: Call) -> dict[str, Any]:
        body, account = call.object(), self._accounts.named(call.params["name"])
        kind = body.get("privateKeyType") or "TYPE_GOOGLE_CREDENTIALS_FILE"
        if kind in ("TYPE_PKCS12_FILE", 1):
            raise invalid_argument([("privateKeyType", "PKCS12 files are not made here: TYPE_GOOGLE_CREDENTIALS_FILE")])
        if kind not in ("TYPE_GOOGLE_CREDENTIALS_FILE", "TYPE_UNSPECIFIED", 0, 2):
            raise invalid_argument([("privateKeyType", f"{kind!r} is no type of a private key")])
        algorithm = body.get("keyAlgorithm") or "KEY_ALG_RSA_2048"
        if algorithm not in ("KEY_ALG_RSA_2048", "KEY_ALG_RSA_1024", "KEY_ALG_UNSPECIFIED", 0, 1, 2):
            raise invalid_argument([("keyAlgorithm", f"{algorithm!r} is no algorithm of a key")])
        refuse_where_enforced(self._cloud, NO_KEYS, account["projectId"], account["name"])
        private = signing.new_private_key()
        certificate = signing.certificate(private, account["uniqueId"], self._cloud.clock.now())
        key = self._keep(account, certificate, origin="GOOGLE_PROVIDED", until=_NEVER)
        file = _key_file(account, key["name"].rsplit("/", 1)[-1], signing.pem_of(private), call.url_base)
        data = base64.b64encode(json.dumps(file, indent=2).encode()).decode()
        return key | {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": data}

    def upload(self, call: Call) -> dict[str, Any]:
        account = self._accounts.named(call.params["name"])
        try:
            certificate = from_base64(call.object().get("publicKeyData") or "")
            found = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            raise invalid_argument([("publicKeyData", "is not an X.509 certificate in PEM, base64-encoded")]) from None
        if not isinstance(found.public_key(), rsa.RSAPublicKey):
            raise invalid_argument([("publicKeyData", "an RSA key is required")])
        until = found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._keep(account, certificate, origin="USER_PROVIDED", until=until)

    def list(self, call: Call) -> dict[str, Any]:
        account = self._accounts.named(call.params["name"])
        wanted = set(call.query_lists.get("keyTypes", [])) - {"KEY_TYPE_UNSPECIFIED"}
        system = signing.public_key(self._cloud, account)
        found = [system, *(_shown(key) for _, key in self._store.list(KEYS, account["name"]))]
        return {"keys": [key for key in found if not wanted or key["keyType"] in wanted]}

    def get(self, call: Call) -> dict[str, Any]:
        key = self._named(call, "get")
        if call.query.get("publicKeyType") in ("TYPE_X509_PEM_FILE", "TYPE_RAW_PUBLIC_KEY"):
            return _shown(key) | {"publicKeyData": signing.public_data(key, call.query["publicKeyType"])}
        return _shown(key)

    def delete(self, call: Call) -> dict[str, Any]:
        key = self._named(call, "delete")
        if key["keyType"] == "SYSTEM_MANAGED":
            raise failed_precondition(f"{key['name']} is managed by the service and cannot be deleted")
        self._store.delete(KEYS, key["name"])
        return {}

    def disable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "disable", {"disabled": True, "disableReason": _BY_USER})

    def enable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "enable", {})

    def exchange(self, call: Call) -> Response:
        """An access token for an assertion that a key of the account has signed."""
        form = dict(parse_qsl(b"".join(call.stream).decode("latin-1")))
        if form.get("grant_type") != _GRANT:
            return _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        audiences = (f"{call.url_base}/token", _GOOGLES_TOKEN_URL)
        claims = self._claims(form.get("assertion", ""))
        if claims is None or claims.get("aud") not in audiences:
            return _refused("invalid_grant", "Invalid JWT Signature.")
        if target := claims.get("target_audience"):
            return Response({"id_token": signing.id_token(self._cloud, claims["iss"], target, include_email=True)})
        token, seconds = self._cloud.identity.issue_token(claims["iss"])
        return Response({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    def principal_of(self, token: str) -> Principal | None:
        """Who has signed a token by itself, as clients with a key file do instead of fetching one."""
        claims = self._claims(token)
        return Principal(claims["iss"]) if claims and claims.get("sub") == claims["iss"] else None

    def has_signed(self, email: str, data: bytes, signature: bytes) -> bool:
        """Whether a good key of an account in force, its own or the service's, has signed the bytes."""
        account = find(self._store, email)
        if account is None or account.get("disabled"):
            return False
        system = signing.held(self._cloud, account)
        keys = [key for _, key in self._store.list(KEYS, account["name"])] + ([system] if system else [])
        return any(self._is_good(key) and _verifies(key, data, signature) for key in keys)

    def _is_good(self, key: dict[str, Any]) -> bool:
        until = parse_rfc3339(key["validBeforeTime"])
        return not key.get("disabled") and self._cloud.clock.now() < until

    def _claims(self, token: str) -> dict[str, Any] | None:
        """Of a JWT that a good key of an account in force has signed and that has not expired."""
        try:
            head, body, signature = token.split(".")
            header, claims = json.loads(from_base64(head)), json.loads(from_base64(body))
            account = find(self._store, str(claims["iss"]))
            key = self._store.get(KEYS, f"{account['name']}/keys/{header['kid']}") if account else None
            if account is None or key is None or account.get("disabled") or not self._is_good(key):
                return None
            if not _verifies(key, f"{head}.{body}".encode(), from_base64(signature)):
                return None
            seconds = self._cloud.clock.now().timestamp()
            good = float(claims["iat"]) - _SKEW_SECONDS <= seconds < float(claims["exp"]) + _SKEW_SECONDS
        except (ValueError, KeyError, TypeError):
            return None
        return claims if good and header.get("alg") == "RS256" else None

    def _keep(self, account: dict[str, Any], certificate: bytes, *, origin: str, until: str) -> dict[str, Any]:
        with self._store.transaction():
            if len(self._store.list(KEYS, account["name"])) >= _MOST_KEYS:
                raise failed_precondition(f"{account['email']} has {_MOST_KEYS} keys, the most: delete one first")
            key = {
                "name": f"{account['name']}/keys/{secrets.token_hex(20)}",
                "certificate": certificate.decode(),
                "validAfterTime": self._cloud.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "validBeforeTime": until,
                "keyAlgorithm": "KEY_ALG_RSA_2048",
                "keyOrigin": origin,
                "keyType": "USER_MANAGED",
            }
            self._store.put(KEYS, key["name"], key, parent=account["name"])
        return _shown(key)

    def _named(self, call: Call, verb: str) -> dict[str, Any]:
        """The key of a call that may do that with keys of its account."""
        named, _, key_id = call.params["name"].partition("/keys/")
        account = find(self._store, named.rsplit("/", 1)[-1])
        resource = account["name"] if account else named
        call.require(f"iam.serviceAccountKeys.{verb}", resource)
        account = self._accounts.named(named)
        system = signing.stored(self._cloud, account)
        key = system if system["name"].endswith(f"/{key_id}") else self._store.get(KEYS, f"{resource}/keys/{key_id}")
        if key is None:
            raise not_found(f"Service account key {key_id} does not exist.")
        return key

    def _switch(self, call: Call, verb: str, marks: dict[str, Any]) -> dict[str, Any]:
        key = self._named(call, verb)
        if key["keyType"] == "SYSTEM_MANAGED":
            raise failed_precondition(f"{key['name']} is managed by the service and cannot be {verb}d")
        kept = {name: value for name, value in key.items() if not name.startswith("disable")}
        self._store.put(KEYS, key["name"], kept | marks, parent=key["name"].partition("/keys/")[0])
        return {}


def _verifies(key: dict[str, Any], data: bytes, signature: bytes) -> bool:
    try:
        signing.verifying_key(key).verify(signature, data, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in ("certificate", "private")}


def _key_file(account: dict[str, Any], key_id: str, private: str, url: str) -> dict[str, Any]:
    """What client libraries read as GOOGLE_APPLICATION_CREDENTIALS."""
    return {
        "type": "service_account",
        "project_id": account["projectId"],
        "private_key_id": key_id,
        "private_key": private,
        "client_email": account["email"],
        "client_id": account["uniqueId"],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{url}/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"{url}/robot/v1/metadata/x509/{account['email'].replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }


def _refused(error: str, description: str) -> Response:
    """As RFC 6749 section 5.2 has it, not in the envelope of Google's APIs."""
    return Response({"error": error, "error_description": description}, 400)
