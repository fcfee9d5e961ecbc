"""What the service signs for an account, with a key that it keeps: bytes, JWTs and identity tokens.

Owns: the system-managed key of each account, made when it is first needed. Does not own: keys that users hold
(account_keys.py).
Sources: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts and, for the older
twins signBlob and signJwt of the IAM API itself, https://cloud.google.com/iam/docs/reference/rest
"""

import base64
import json
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from local.cloud.bytes_fields import from_base64
from local.cloud.call import Call
from local.cloud.control.accounts import Accounts
from local.cloud.errors import invalid_argument, not_found
from local.cloud.iam.enforcement import account_name
from local.cloud.iam.known_accounts import find
from local.cloud.routing import Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "iam.serviceAccount.systemKey"
_LIFETIME = timedelta(days=730)
_TOKEN_SECONDS = 3600
_MOST_EXPIRY_SECONDS = 12 * 3600


def signing_routes(cloud: "Cloud") -> list[Route]:
    """The same rows serve both APIs, whose paths are the same where only the host is replaced: which of the two a body
    is of, its field says.
    """
    accounts = Accounts(cloud)

    def account_of(call: Call, permission: str) -> dict[str, Any]:
        email = call.params["name"].rsplit("/", 1)[-1]
        held = find(cloud.store, email)
        call.require(permission, held["name"] if held else account_name(cloud, email))
        if held is None or held.get("disabled"):
            raise not_found(f"Not found; Gaia id not found for email {email}")
        return held

    def sign_blob(call: Call) -> dict[str, Any]:
        account, body = account_of(call, "iam.serviceAccounts.signBlob"), call.object()
        field, answer = ("bytesToSign", "signature") if "bytesToSign" in body else ("payload", "signedBlob")
        try:
            data = from_base64(str(body.get(field) or ""))
        except ValueError:
            raise invalid_argument([(field, "is not base64")]) from None
        key_id, signature = _sign(cloud, account, data)
        return {"keyId": key_id, answer: base64.b64encode(signature).decode()}

    def sign_jwt(call: Call) -> dict[str, Any]:
        account = account_of(call, "iam.serviceAccounts.signJwt")
        try:
            claims = json.loads(call.object().get("payload") or "")
        except ValueError:
            claims = None
        if not isinstance(claims, dict):
            raise invalid_argument([("payload", "the JSON object of a JWT's claims is required, as a string")])
        now = cloud.clock.now().timestamp()
        if "exp" in claims and not now <= float(claims["exp"]) <= now + _MOST_EXPIRY_SECONDS:
            raise invalid_argument([("payload", f"exp {claims['exp']!r} is not within the next 12 hours")])
        key_id, token = _jwt(cloud, account, claims)
        return {"keyId": key_id, "signedJwt": token}

    def generate_id_token(call: Call) -> dict[str, Any]:
        account, body = account_of(call, "iam.serviceAccounts.getOpenIdToken"), call.object()
        if not body.get("audience"):
            raise invalid_argument([("audience", "is required")])
        include = bool(body.get("includeEmail"))
        return {"token": id_token(cloud, account["email"], body["audience"], include_email=include)}

    def certificates(call: Call) -> dict[str, Any]:
        key = stored(cloud, accounts.named(f"projects/-/serviceAccounts/{call.params['email']}"))
        return {key["name"].rsplit("/", 1)[-1]: key["certificate"]}

    name = "/v1/{name=projects/*/serviceAccounts/*}"
    return [
        Route("POST", f"{name}:signBlob", sign_blob),
        Route("POST", f"{name}:signJwt", sign_jwt),
        Route("POST", f"{name}:generateIdToken", generate_id_token),
        Route("GET", "/robot/v1/metadata/x509/{email}", certificates, public=True),
        Route("GET", "/service_accounts/v1/metadata/x509/{email}", certificates, public=True),
    ]


def id_token(cloud: "Cloud", email: str, audience: str, *, include_email: bool) -> str:
    account = Accounts(cloud).named(f"projects/-/serviceAccounts/{email}")
    now = int(cloud.clock.now().timestamp())
    claims = {"aud": audience, "azp": account["uniqueId"], "sub": account["uniqueId"]}
    claims |= {"iss": "https://accounts.google.com", "iat": now, "exp": now + _TOKEN_SECONDS}
    named = {"email": email, "email_verified": True} if include_email else {}
    return _jwt(cloud, account, claims | named)[1]


def new_private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def certificate(key: rsa.RSAPrivateKey, subject: str, now: datetime) -> bytes:
    """A self-signed one, as the service gives out public keys."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + _LIFETIME)
    return builder.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)


def verifying_key(key: dict[str, Any]) -> rsa.RSAPublicKey:
    public = x509.load_pem_x509_certificate(key["certificate"].encode()).public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError(f"{key['name']} is no RSA key")  # noqa: TRY004 (the certificate's content, not a type of ours)
    return public


def public_data(key: dict[str, Any], kind: str) -> str:
    """The public half as base64: the certificate, or the bare key."""
    if kind == "TYPE_X509_PEM_FILE":
        return base64.b64encode(key["certificate"].encode()).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(verifying_key(key).public_bytes(serialization.Encoding.PEM, form)).decode()


def public_key(cloud: "Cloud", account: dict[str, Any]) -> dict[str, Any]:
    """The account's system-managed key as the API shows it."""
    return {name: value for name, value in stored(cloud, account).items() if name not in ("certificate", "private")}


def held(cloud: "Cloud", account: dict[str, Any]) -> dict[str, Any] | None:
    """The account's system-managed key, if anything has asked for one yet."""
    return cloud.store.get(_KIND, account["uniqueId"])


def stored(cloud: "Cloud", account: dict[str, Any]) -> dict[str, Any]:
    """The account's system-managed key with its private half, made where it has none."""
    with cloud.store.transaction():
        if present := held(cloud, account):
            return present
        now, private = cloud.clock.now(), new_private_key()
        key = {
            "name": f"{account['name']}/keys/{secrets.token_hex(20)}",
            "certificate": certificate(private, account["uniqueId"], now).decode(),
            "private": pem_of(private),
            "validAfterTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "validBeforeTime": (now + _LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyOrigin": "GOOGLE_PROVIDED",
            "keyType": "SYSTEM_MANAGED",
        }
        return cloud.store.put(_KIND, account["uniqueId"], key, parent=account["name"])


def _jwt(cloud: "Cloud", account: dict[str, Any], claims: dict[str, Any]) -> tuple[str, str]:
    key_id = stored(cloud, account)["name"].rsplit("/", 1)[-1]
    header = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
    signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return key_id, f"{signed}.{_base64url(_sign(cloud, account, signed.encode())[1])}"


def _sign(cloud: "Cloud", account: dict[str, Any], data: bytes) -> tuple[str, bytes]:
    key = stored(cloud, account)
    private = cast("rsa.RSAPrivateKey", serialization.load_pem_private_key(key["private"].encode(), None))
    return key["name"].rsplit("/", 1)[-1], private.sign(data, padding.PKCS1v15(), SHA256())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
