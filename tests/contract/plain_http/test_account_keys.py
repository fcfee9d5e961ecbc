"""Keys of service accounts, and what is signed for one."""

import base64
import json

import google.auth.exceptions
import google.auth.transport.requests
import pytest
import requests
from google.auth import crypt, jwt
from google.oauth2 import service_account

from tests.contract.google_clients import unique

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture
def account(plain):
    made = plain.json("iam", "POST", f"/v1/{plain.parent}/serviceAccounts", {"accountId": unique("keyed")})
    yield made
    plain.call("iam", "DELETE", f"/v1/{made['name']}")


@pytest.fixture
def key(plain, account):
    """Its name, and the file that its holder keeps."""
    made = plain.json("iam", "POST", f"/v1/{account['name']}/keys", {"keyAlgorithm": "KEY_ALG_RSA_2048"})
    return made["name"], json.loads(base64.b64decode(made["privateKeyData"]))


def _transport(plain):
    session = requests.Session()
    session.trust_env = plain.cloud is None
    return google.auth.transport.requests.Request(session)


def _refreshed(plain, file):
    credentials = service_account.Credentials.from_service_account_info(file, scopes=[_SCOPE])
    credentials.refresh(_transport(plain))
    return credentials.token


def test_a_key_file_is_exchanged_for_a_token_of_the_account(plain, account, key):
    token = _refreshed(plain, key[1])
    if plain.cloud:
        assert account["email"] in _who(plain, token)
    else:
        answer = plain.call("storage", "GET", f"/storage/v1/b?project={plain.project}", headers=_bearer(token))
        assert answer.status_code in (200, 403)  # but not 401


def test_a_client_may_sign_its_own_token(local, account, key):
    signed = jwt.Credentials.from_service_account_info(key[1], audience="https://storage.googleapis.com/")
    signed.refresh(None)
    token = signed.token.decode() if isinstance(signed.token, bytes) else signed.token
    assert account["email"] in _who(local, token)


def test_a_disabled_or_deleted_key_opens_nothing(plain, key):
    name, file = key
    plain.json("iam", "POST", f"/v1/{name}:disable", {})
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        _refreshed(plain, file)
    plain.json("iam", "POST", f"/v1/{name}:enable", {})
    assert _refreshed(plain, file)
    plain.json("iam", "DELETE", f"/v1/{name}")
    plain.json("iam", "GET", f"/v1/{name}", status=404)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        _refreshed(plain, file)


def test_an_assertion_of_another_key_is_refused(plain, account, key):
    other = plain.json("iam", "POST", f"/v1/{account['name']}/keys", {})
    stolen = json.loads(base64.b64decode(other["privateKeyData"])) | {"private_key_id": key[1]["private_key_id"]}
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        _refreshed(plain, stolen)


def test_an_account_that_is_made_anew_does_not_inherit_keys(local, account, key):
    local.json("iam", "DELETE", f"/v1/{account['name']}")
    account_id = account["email"].partition("@")[0]
    local.json("iam", "POST", f"/v1/{local.parent}/serviceAccounts", {"accountId": account_id})
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        _refreshed(local, key[1])


def test_keys_are_listed_by_type(plain, account, key):
    keys = f"/v1/projects/-/serviceAccounts/{account['email']}/keys"
    mine = plain.json("iam", "GET", keys, params={"keyTypes": "USER_MANAGED"})["keys"]
    assert [each["name"] for each in mine] == [key[0]]
    assert "SYSTEM_MANAGED" in [each["keyType"] for each in plain.json("iam", "GET", keys)["keys"]]
    assert "privateKeyData" not in mine[0]


@pytest.mark.parametrize(("field", "answer"), [("payload", "signedBlob"), ("bytesToSign", "signature")])
def test_bytes_are_signed_with_a_key_that_anybody_can_look_up(local, account, field, answer):
    body = {field: base64.b64encode(b"these").decode()}
    signed = local.json("iamcredentials", "POST", f"/v1/{account['name']}:signBlob", body)
    certificates = local.json("iam", "GET", f"/robot/v1/metadata/x509/{account['email']}")
    assert crypt.verify_signature(b"these", base64.b64decode(signed[answer]), [certificates[signed["keyId"]]])


def test_an_identity_token_names_its_audience_and_the_account(local, account):
    body = {"audience": "https://service.example", "includeEmail": True}
    token = local.json("iamcredentials", "POST", f"/v1/{account['name']}:generateIdToken", body)["token"]
    certificates = local.json("iam", "GET", f"/robot/v1/metadata/x509/{account['email']}")
    claims = jwt.decode(token, certs=certificates, audience="https://service.example")
    assert claims["email"] == account["email"]


def _who(local, token):
    """What the cloud answers when somebody else than its operator gives a command: it names the caller."""
    return local.call("local", "PUT", "/_local/projects", {}, headers=_bearer(token)).json()["error"]["message"]


def _bearer(token):
    return {"authorization": f"Bearer {token}"}
