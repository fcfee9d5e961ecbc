"""Cloud KMS and Secret Manager by Google's own clients."""

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound

from tests.contract.google_clients import unique


@pytest.fixture
def kms(google_clients):
    return google_clients.client("google.cloud.kms_v1", "KeyManagementServiceClient")


@pytest.fixture
def key(google_clients, kms):
    """A symmetric key; rings and keys cannot be deleted."""
    ring = kms.create_key_ring(parent=google_clients.location, key_ring_id=unique("ring"), key_ring={})
    body = {"purpose": "ENCRYPT_DECRYPT", "labels": {"env": "dev"}}
    return kms.create_crypto_key(parent=ring.name, crypto_key_id="key", crypto_key=body)


@pytest.fixture
def secrets(google_clients):
    return google_clients.client("google.cloud.secretmanager_v1", "SecretManagerServiceClient")


@pytest.fixture
def secret(google_clients, secrets):
    body = {"replication": {"automatic": {}}, "labels": {"env": "dev"}}
    made = secrets.create_secret(parent=google_clients.parent, secret_id=unique("token"), secret=body)
    yield made.name
    secrets.delete_secret(name=made.name)


def test_what_a_key_encrypts_only_it_decrypts_and_only_with_the_same_data(kms, key):
    request = {"name": key.name, "plaintext": b"weights", "additional_authenticated_data": b"model-1"}
    sealed = kms.encrypt(request=request)
    assert b"weights" not in sealed.ciphertext
    opened = {"name": key.name, "ciphertext": sealed.ciphertext, "additional_authenticated_data": b"model-1"}
    assert kms.decrypt(request=opened).plaintext == b"weights"
    with pytest.raises(BadRequest, match="Decryption failed"):
        kms.decrypt(request={**opened, "additional_authenticated_data": b"model-2"})
    ring = key.name.rpartition("/cryptoKeys/")[0]
    other = kms.create_crypto_key(parent=ring, crypto_key_id="other", crypto_key={"purpose": 1})
    with pytest.raises(BadRequest, match="Decryption failed"):
        kms.decrypt(request={**opened, "name": other.name})


def test_a_new_primary_encrypts_and_the_old_one_still_decrypts(kms, key):
    assert key.primary.name.endswith("/cryptoKeyVersions/1")
    old = kms.encrypt(name=key.name, plaintext=b"x").ciphertext
    second = kms.create_crypto_key_version(parent=key.name, crypto_key_version={})
    kms.update_crypto_key_primary_version(name=key.name, crypto_key_version_id="2")
    assert kms.encrypt(name=key.name, plaintext=b"y").name == second.name
    answer = kms.decrypt(name=key.name, ciphertext=old)
    assert (answer.plaintext, answer.used_primary) == (b"x", False)
    versions = kms.list_crypto_key_versions(parent=key.name)
    assert [each.name.rsplit("/", 1)[-1] for each in versions] == ["1", "2"]


def test_a_version_that_is_to_be_destroyed_is_useless_until_it_is_restored_and_enabled(kms, key):
    sealed = kms.encrypt(name=key.name, plaintext=b"x").ciphertext
    destroyed = kms.destroy_crypto_key_version(name=key.primary.name)
    assert destroyed.state.name == "DESTROY_SCHEDULED"
    assert (destroyed.destroy_time - key.create_time).days in (29, 30)
    with pytest.raises(BadRequest, match="DESTROY_SCHEDULED"):
        kms.decrypt(name=key.name, ciphertext=sealed)
    assert kms.restore_crypto_key_version(name=key.primary.name).state.name == "DISABLED"
    enabled = {"name": key.primary.name, "state": "ENABLED"}
    kms.update_crypto_key_version(crypto_key_version=enabled, update_mask={"paths": ["state"]})
    assert kms.decrypt(name=key.name, ciphertext=sealed).plaintext == b"x"


def test_a_due_rotation_makes_a_new_primary(kms, key):
    rotation = {
        "name": key.name,
        "rotation_period": {"seconds": 86_400 * 30},
        "next_rotation_time": {"seconds": 1_700_000_000},
    }
    paths = {"paths": ["rotation_period", "next_rotation_time"]}
    kms.update_crypto_key(crypto_key=rotation, update_mask=paths)
    rotated = kms.get_crypto_key(name=key.name)
    assert rotated.primary.name.endswith("/cryptoKeyVersions/2")
    assert (rotated.next_rotation_time - rotated.create_time).days <= 30


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "10s"}, "rotationPeriod"),
        ({"purpose": "MAC", "versionTemplate": {"algorithm": "RSA_SIGN_PSS_2048_SHA256"}}, "versionTemplate.algorithm"),
        ({"purpose": "NOPE"}, "purpose"),
        ({"purpose": "ENCRYPT_DECRYPT", "colour": "red"}, "cryptoKeys"),
    ],
)
def test_a_bad_key_is_refused_by_its_field(cloud_server, google_clients, kms, body, field):
    ring = kms.create_key_ring(parent=google_clients.location, key_ring_id=unique("ring"), key_ring={})
    error = cloud_server.json("POST", f"/v1/{ring.name}/cryptoKeys?cryptoKeyId=k", body, status=400)["error"]
    assert field in [each["field"] for each in error["details"][0]["fieldViolations"]]


def test_a_ring_s_id_is_taken_for_good(google_clients, kms):
    name = unique("ring")
    kms.create_key_ring(parent=google_clients.location, key_ring_id=name, key_ring={})
    with pytest.raises(Conflict):
        kms.create_key_ring(parent=google_clients.location, key_ring_id=name, key_ring={})


def test_a_secret_s_versions_are_read_switched_and_destroyed(google_clients, secrets, secret):
    first = secrets.add_secret_version(parent=secret, payload={"data": b"s3cr3t"})
    secrets.add_secret_version(parent=secret, payload={"data": b"s3cr3t-2"})
    assert secrets.access_secret_version(name=f"{secret}/versions/latest").payload.data == b"s3cr3t-2"
    assert secrets.access_secret_version(name=first.name).payload.data == b"s3cr3t"
    secrets.disable_secret_version(name=first.name)
    with pytest.raises(BadRequest, match="DISABLED"):
        secrets.access_secret_version(name=first.name)
    secrets.enable_secret_version(name=first.name)
    assert secrets.destroy_secret_version(name=first.name).state.name == "DESTROYED"
    with pytest.raises(BadRequest, match="DESTROYED"):
        secrets.enable_secret_version(name=first.name)
    listed = [each.name.rsplit("/", 1)[-1] for each in secrets.list_secret_versions(parent=secret)]
    assert listed == ["2", "1"]
    with pytest.raises(NotFound):
        secrets.access_secret_version(name=f"{secret}/versions/9")


def test_a_secret_changes_by_mask_and_etag(secrets, secret):
    read = secrets.get_secret(name=secret)
    change = {"name": secret, "labels": {"env": "prod"}, "etag": read.etag}
    changed = secrets.update_secret(secret=change, update_mask={"paths": ["labels"]})
    assert dict(changed.labels) == {"env": "prod"}
    with pytest.raises(Conflict, match="changed in the meantime"):
        secrets.update_secret(secret=change, update_mask={"paths": ["labels"]})


def test_a_payload_whose_checksum_is_wrong_is_refused(secrets, secret):
    with pytest.raises(BadRequest, match=r"payload\.dataCrc32c: 1 is not"):
        secrets.add_secret_version(parent=secret, payload={"data": b"x", "data_crc32c": 1})
