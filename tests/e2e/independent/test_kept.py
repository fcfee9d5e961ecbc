"""What Google keeps of a deleted stack meets the next one of its name: key ring, keys, custom role, workload identity
pool. Up, down and up again, by either engine, and it is said what stayed.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.display import Text
from engine.refresh import refresh
from engine.run import destroy, preview, up
from tests.contract.cloud_process import CloudProcess
from tests.e2e.independent.engines import Stack, real_pair_missing

PROGRAM = """
import pulumi_gcp as gcp

ring = gcp.kms.KeyRing("ring", name="acme", location="europe-west1")
gcp.kms.CryptoKey(
    "key", name="storage", key_ring=ring.id, rotation_period="7776000s", destroy_scheduled_duration="2592000s",
    labels={"team": "ml"})
gcp.projects.IAMCustomRole("role", role_id="acmeReader", title="Reads", permissions=["storage.objects.get"])
pool = gcp.iam.WorkloadIdentityPool("pool", workload_identity_pool_id="github", display_name="GitHub")
gcp.iam.WorkloadIdentityPoolProvider(
    "provider", workload_identity_pool_id=pool.workload_identity_pool_id,
    workload_identity_pool_provider_id="github", attribute_mapping={"google.subject": "assertion.sub"},
    attribute_condition="assertion.repository == 'acme/shop'", oidc={"issuer_uri": "https://token.example"})
"""
RING = "projects/acme-recsys/locations/europe-west1/keyRings/acme"
KEY = f"{RING}/cryptoKeys/storage"
POOL = "projects/acme-recsys/locations/global/workloadIdentityPools/github"


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path) -> Stack:
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: mini\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: acme-recsys\n  gcp:region: europe-west1\n")
    (folder / "__main__.py").write_text(PROGRAM)
    return Stack(folder, cloud)


def key(cloud: CloudProcess) -> dict[str, Any]:
    return cloud.json("GET", f"/kms/v1/{KEY}")


def encrypts(cloud: CloudProcess) -> bool:
    return cloud.call("POST", f"/kms/v1/{KEY}:encrypt", {"plaintext": "aGVsbG8="}).status_code == 200


def states(cloud: CloudProcess) -> dict[str, object]:
    return {
        "ring": cloud.call("GET", f"/kms/v1/{RING}").status_code,
        "key": encrypts(cloud),
        "role": cloud.json("GET", "/iam/v1/projects/acme-recsys/roles/acmeReader").get("deleted", False),
        "pool": cloud.json("GET", f"/iam/v1/{POOL}")["state"],
        "provider": cloud.json("GET", f"/iam/v1/{POOL}/providers/github").get("state", "ACTIVE"),
    }


UP = {"ring": 200, "key": True, "role": False, "pool": "ACTIVE", "provider": "ACTIVE"}


def test_up_down_and_up_again_takes_back_what_google_kept_and_says_what_that_is(
    cloud: CloudProcess, stack: Stack
) -> None:
    assert up(stack.options).errors == []
    assert states(cloud) == UP
    told = io.StringIO()
    assert destroy(stack.options, Text(told)).errors == []
    assert states(cloud) == {"ring": 200, "key": False, "role": True, "pool": "DELETED", "provider": "DELETED"}
    said = told.getvalue().partition("What was deleted and Google keeps:\n")[2]
    for words in (
        "a key ring stays for ever; up takes it back: ring",
        "which can be restored until their destruction is due; up makes a new one: key",
        "a custom role can be undeleted for 7 days; up does: role",
        "a workload identity pool can be undeleted for 30 days; up does: pool",
    ):
        assert words in said

    again = up(stack.options)

    assert (again.errors, again.changes["create"]) == ([], 6)
    assert states(cloud) == UP
    kept = key(cloud)
    assert kept["rotationPeriod"] == "7776000s"
    assert kept["labels"]["team"] == "ml"
    assert not preview(stack.options).changed
    assert not refresh(stack.options).changed


def test_a_key_with_a_version_and_a_pool_that_is_there_belong_to_somebody(cloud: CloudProcess, stack: Stack) -> None:
    cloud.json("POST", f"/kms/v1/{RING.rpartition('/')[0]}?keyRingId=acme", {})
    cloud.json("POST", f"/kms/v1/{RING}/cryptoKeys?cryptoKeyId=storage", {"purpose": "ENCRYPT_DECRYPT"})
    cloud.json("POST", f"/iam/v1/{POOL.rpartition('/')[0]}?workloadIdentityPoolId=github", {"displayName": "theirs"})
    theirs = key(cloud)

    told = "".join(up(replace(stack.options, continue_on_error=True)).errors)

    for what in (KEY, POOL):
        assert f"'{what}' exists already and is not in this stack's state" in told
    assert key(cloud) == theirs
    assert cloud.json("GET", f"/iam/v1/{POOL}")["displayName"] == "theirs"


@pytest.mark.slow
@pytest.mark.pulumi
@pytest.mark.minutes
@pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH")
def test_the_real_command_comes_up_again_by_the_runbooks_imports(cloud: CloudProcess, stack: Stack) -> None:
    stack.init()
    stack.run("pulumi", "up")
    stack.run("pulumi", "destroy")
    assert f"{RING}' already exists" in stack.run("pulumi", "up", "--continue-on-error", fails=True)
    cloud.json("POST", f"/iam/v1/{POOL}:undelete", {})
    cloud.json("POST", f"/iam/v1/{POOL}/providers/github:undelete", {})
    version = cloud.json("POST", f"/kms/v1/{KEY}/cryptoKeyVersions", {})["name"].rpartition("/")[2]
    cloud.json("POST", f"/kms/v1/{KEY}:updatePrimaryVersion", {"cryptoKeyVersionId": version})
    flags = ("--protect=false", "--generate-code=false", "--yes", "--skip-preview")
    for token, name, identity in (
        ("gcp:kms/keyRing:KeyRing", "ring", RING),
        ("gcp:kms/cryptoKey:CryptoKey", "key", KEY),
        ("gcp:iam/workloadIdentityPool:WorkloadIdentityPool", "pool", POOL),
        ("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider", "provider", f"{POOL}/providers/github"),
    ):
        stack.run("pulumi", "import", *flags, token, name, identity)
    stack.run("pulumi", "up")
    assert states(cloud) == UP
    stack.run("pulumi", "preview", "--expect-no-changes")
    stack.run("embedded", "preview", "--expect-no-changes")
