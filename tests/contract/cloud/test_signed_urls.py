"""Objects by URLs that a service account has signed, and by the links of public ones: no token goes along."""

import base64
import datetime
import json
import re
import urllib.parse

import pytest
import requests
from google.api_core.exceptions import NotModified, PreconditionFailed
from google.auth import credentials as auth
from google.cloud import storage
from google.cloud.storage import _signing
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from tests.contract.google_clients import unique

_HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def project():
    return unique("acme")


@pytest.fixture(scope="module")
def email(cloud_server, project):
    email = cloud_server.account(project, "signer")
    cloud_server.grant(project, {"roles/storage.objectAdmin": [f"serviceAccount:{email}"]})
    return email


@pytest.fixture(scope="module")
def signer(cloud_server, project, email):
    """As a client has it that was given a key file."""
    made = cloud_server.json("POST", f"/v1/projects/{project}/serviceAccounts/{email}/keys", {})
    return service_account.Credentials.from_service_account_info(json.loads(base64.b64decode(made["privateKeyData"])))


@pytest.fixture(scope="module")
def bucket(cloud_server, project):
    credentials, endpoint = Credentials(cloud_server.token), {"api_endpoint": cloud_server.url}
    client = storage.Client(project=project, credentials=credentials, client_options=endpoint)
    return client.create_bucket(unique("signed"))


@pytest.fixture
def blob(bucket):
    blob = bucket.blob(f"a folder/ü~{unique('x')}:+&=.txt")
    blob.metadata = {"colour": "blue"}
    blob.upload_from_string(b"some bytes", content_type="text/plain")
    return blob


@pytest.fixture(scope="module")
def anyone():
    session = requests.Session()
    session.trust_env = False
    return session


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_signed_url_reads_an_object_without_a_token(anyone, signer, blob, version):
    url = blob.generate_signed_url(_HOUR, version=version, credentials=signer)
    answer = anyone.get(url)
    assert (answer.status_code, answer.content) == (200, b"some bytes"), answer.text
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-goog-meta-colour"] == "blue"
    assert answer.headers["etag"] == f'"{base64.b64decode(blob.md5_hash).hex()}"'
    assert anyone.get(url, headers={"range": "bytes=5-"}).content == b"bytes"


def test_a_signed_url_says_how_the_answer_is_shown(anyone, signer, blob):
    shown = {"response_type": "text/csv", "response_disposition": "attachment; filename=a.csv"}
    answer = anyone.get(blob.generate_signed_url(_HOUR, version="v4", credentials=signer, **shown))
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == "attachment; filename=a.csv"


def test_the_service_signs_for_who_may_let_it(anyone, cloud_server, blob, email):
    """As on Google's machines, where no key file is: by signBlob."""

    class Remote(auth.Signing, auth.AnonymousCredentials):
        @property
        def signer_email(self):
            return email

        @property
        def signer(self):
            return None

        def sign_bytes(self, message):
            path = f"/iamcredentials/v1/projects/-/serviceAccounts/{email}:signBlob"
            signed = cloud_server.json("POST", path, {"payload": base64.b64encode(message).decode()})
            return base64.b64decode(signed["signedBlob"])

    url = blob.generate_signed_url(_HOUR, version="v4", credentials=Remote())
    assert anyone.get(url).content == b"some bytes"


def test_a_signed_url_writes_and_deletes(anyone, signer, bucket):
    blob = bucket.blob("by/url")
    headers = {"x-goog-meta-by": "url", "content-type": "text/x-mine"}
    url = blob.generate_signed_url(_HOUR, version="v4", credentials=signer, method="PUT", headers=dict(headers))
    answer = anyone.put(url, data=b"written", headers=headers)
    assert (answer.status_code, answer.content) == (200, b""), answer.text
    blob.reload()
    assert (blob.content_type, blob.metadata) == ("text/x-mine", {"by": "url"})
    assert blob.download_as_bytes() == b"written"
    url = blob.generate_signed_url(_HOUR, version="v4", credentials=signer, method="DELETE")
    assert anyone.delete(url).status_code == 204
    assert not blob.exists()


def test_a_signed_url_creates_an_object_only_once(anyone, signer, bucket):
    headers = {"x-goog-if-generation-match": "0"}
    blob = bucket.blob("once")
    url = blob.generate_signed_url(_HOUR, version="v4", credentials=signer, method="PUT", headers=dict(headers))
    assert anyone.put(url, data=b"1", headers=headers).status_code == 200
    again = anyone.put(url, data=b"2", headers=headers)
    assert (again.status_code, _code(again)) == (412, "PreconditionFailed")
    assert blob.download_as_bytes() == b"1"


def test_a_signed_url_starts_an_upload_whose_address_is_enough(anyone, signer, bucket):
    blob = bucket.blob("resumed/by url")
    url = blob.generate_signed_url(_HOUR, version="v4", credentials=signer, method="RESUMABLE")
    started = anyone.post(url, headers={"x-goog-resumable": "start"})
    assert started.status_code == 201, started.text
    address, size = started.headers["location"], 256 * 1024 + 3
    first = anyone.put(address, data=b"a" * 262144, headers={"content-range": f"bytes 0-262143/{size}"})
    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-262143")
    assert (
        anyone.put(address, data=b"end", headers={"content-range": f"bytes 262144-{size - 1}/{size}"}).status_code
        == 200
    )
    assert blob.download_as_bytes().endswith(b"aend")


def test_the_address_of_an_upload_that_the_json_api_began_is_enough_too(anyone, bucket):
    blob = bucket.blob("browser")
    address = blob.create_resumable_upload_session()
    assert anyone.put(address, data=b"from a browser").status_code == 200
    assert blob.download_as_bytes() == b"from a browser"
    assert anyone.put(address.replace("upload_id=", "upload_id=x"), data=b"").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda url: url[:-4] + ("0000" if not url.endswith("0000") else "1111"), 403, "SignatureDoesNotMatch"),
        (lambda url: url.replace("some-name", "other-name"), 403, "SignatureDoesNotMatch"),
        (lambda url: url.replace("X-Goog-Expires=3600", "X-Goog-Expires=7200"), 403, "SignatureDoesNotMatch"),
        (lambda url: url.replace("X-Goog-Expires=3600", "X-Goog-Expires=999999"), 400, "MalformedSecurityHeader"),
        (lambda url: url + "&generation=1", 403, "SignatureDoesNotMatch"),
        (lambda url: re.sub("X-Goog-Signature=.*", "X-Goog-Signature=zz", url), 400, "MalformedSecurityHeader"),
    ],
)
def test_a_changed_url_opens_nothing(anyone, signer, bucket, change, status, code):
    bucket.blob("some-name").upload_from_string(b"1")
    bucket.blob("other-name").upload_from_string(b"2")
    answer = anyone.get(change(bucket.blob("some-name").generate_signed_url(_HOUR, version="v4", credentials=signer)))
    assert (answer.status_code, _code(answer)) == (status, code), answer.text


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_url_for_one_method_does_not_serve_another(anyone, signer, blob, version):
    url = blob.generate_signed_url(_HOUR, version=version, credentials=signer)
    assert _code(anyone.delete(url)) == "SignatureDoesNotMatch"
    assert _code(anyone.put(url, data=b"x")) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_url_ends_with_its_time(anyone, signer, blob, version):
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=5)
    if version == "v2":
        url = blob.generate_signed_url(past, version=version, credentials=signer)
    else:
        url = _signed_at(blob, signer, past)
    answer = anyone.get(url)
    assert (answer.status_code, _code(answer)) == (400, "ExpiredToken"), answer.text


def test_a_url_is_worth_what_its_signer_may_do(anyone, cloud_server, project, blob):
    email = cloud_server.account(project, "powerless")
    made = cloud_server.json("POST", f"/v1/projects/{project}/serviceAccounts/{email}/keys", {})
    file = json.loads(base64.b64decode(made["privateKeyData"]))
    other = service_account.Credentials.from_service_account_info(file)
    url = blob.generate_signed_url(_HOUR, version="v4", credentials=other)
    answer = anyone.get(url)
    assert (answer.status_code, _code(answer)) == (403, "AccessDenied")
    assert email in answer.text
    cloud_server.json("DELETE", f"/v1/{made['name']}")
    assert _code(anyone.get(url)) == "SignatureDoesNotMatch"


def test_a_public_object_has_a_link_and_any_other_needs_a_caller(anyone, cloud_server, bucket, blob, project):
    refused = anyone.get(f"{cloud_server.url}/{bucket.name}/{urllib.parse.quote(blob.name)}")
    assert (refused.status_code, _code(refused)) == (401, "AuthenticationRequired")
    public = bucket.client.create_bucket(unique("public"))
    policy = public.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    public.set_iam_policy(policy)
    public.blob("seen").upload_from_string(b"by all")
    assert anyone.get(f"{cloud_server.url}/{public.name}/seen").content == b"by all"
    assert anyone.head(f"{cloud_server.url}/{public.name}/seen").headers["content-length"] == "6"
    assert anyone.put(f"{cloud_server.url}/{public.name}/seen", data=b"x").status_code == 401
    assert _code(anyone.get(f"{cloud_server.url}/{public.name}/gone")) == "NoSuchKey"
    client = storage.Client(
        project=project, credentials=auth.AnonymousCredentials(), client_options={"api_endpoint": cloud_server.url}
    )
    assert [each.name for each in client.list_blobs(public.name)] == ["seen"]
    assert client.bucket(public.name).blob("seen").download_as_bytes() == b"by all"


def test_objects_go_by_their_paths_with_a_token(cloud_server, bucket):
    path = f"/{bucket.name}/with/token"
    put = cloud_server.call("PUT", path, data=b"x", headers={"content-type": "text/plain", "x-goog-hash": "md5=AAAA"})
    assert (put.status_code, _code(put)) == (400, "InvalidArgument")
    put = cloud_server.call("PUT", path, data=b"content", headers={"content-type": "text/plain"})
    assert put.status_code == 200
    got = cloud_server.call("GET", path, headers={"if-none-match": put.headers["etag"]})
    assert (got.status_code, got.content) == (304, b"")
    assert cloud_server.call("GET", path, headers={"if-match": '"other"'}).status_code == 412
    assert cloud_server.call("GET", f"{path}?acl").status_code == 400
    assert cloud_server.call("DELETE", path).status_code == 204
    assert cloud_server.call("HEAD", path).status_code == 404


@pytest.mark.parametrize("key", ["a\r\nset-cookie: b", "ü", "a: b", ""])
def test_a_metadata_key_that_is_no_header_makes_none(cloud_server, bucket, key):
    blob = bucket.blob("keyed")
    blob.metadata = {key: "1", "fine": "2\r\nx-other: 3"}
    blob.upload_from_string(b"1")
    answer = cloud_server.call("GET", f"/{bucket.name}/keyed")
    assert answer.status_code == 200
    custom = {name: value for name, value in answer.headers.items() if name.startswith("x-goog-meta-")}
    assert custom == {"x-goog-meta-fine": "2 x-other: 3"}
    assert not {"set-cookie", "x-other"} & set(answer.headers)


def test_a_read_is_conditional_on_the_etag(bucket, blob):
    blob.reload()
    assert blob.download_as_bytes(if_etag_match=blob.etag) == b"some bytes"
    with pytest.raises(PreconditionFailed):
        blob.download_as_bytes(if_etag_match="other")
    with pytest.raises(NotModified):
        blob.reload(if_etag_not_match=blob.etag)


def _signed_at(blob, signer, moment):
    """A URL of a second's life, signed in the past."""
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    resource = f"/{blob.bucket.name}/{urllib.parse.quote(blob.name, safe='/~')}"
    endpoint = blob.client.api_endpoint
    return _signing.generate_signed_url_v4(signer, resource, 1, api_access_endpoint=endpoint, _request_timestamp=stamp)


def _code(answer):
    assert answer.headers["content-type"].startswith("application/xml"), answer.text
    found = re.search("<Code>(.*)</Code>", answer.text)
    return found and found.group(1)
