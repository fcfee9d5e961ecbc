"""The checkpoint's format: what Pulumi wrote is written back unchanged, secrets are as Pulumi encrypts them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from engine.crypto import PassphraseCrypter, SecretsManager, WrongPassphraseError
from engine.errors import EngineError
from engine.state import deployment_of, read_snapshot
from engine.values import Ciphertext, Secret, from_json
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import EVERYTHING, pair
from tests.unit.engine.recordings import load


@pytest.fixture(scope="module")
def recorded() -> Any:
    return deployment_of(load("state.json"), source="state.json")


def test_every_resource_that_pulumi_wrote_is_written_back_as_it_was(recorded: Any) -> None:
    crypter = PassphraseCrypter("x", recorded["secrets_providers"]["state"]["salt"])
    snapshot = read_snapshot(recorded, crypter.decrypt)
    for state, body in zip(snapshot.resources, recorded["resources"], strict=True):
        assert state.to_checkpoint(crypter.encrypt) == {
            key: value for key, value in body.items() if value or key == "custom"
        }


def test_secrets_that_pulumi_encrypted_are_opened_with_the_passphrase(recorded: Any) -> None:
    crypter = PassphraseCrypter("x", recorded["secrets_providers"]["state"]["salt"])
    snapshot = read_snapshot(recorded, crypter.decrypt)
    (version,) = [state for state in snapshot.resources if state.name == "token-v1"]
    assert version.inputs["secretData"] == Secret("s3cr3t")


def test_a_wrong_passphrase_is_refused(recorded: Any) -> None:
    with pytest.raises(WrongPassphraseError, match="incorrect passphrase"):
        PassphraseCrypter("y", recorded["secrets_providers"]["state"]["salt"])


def test_without_a_passphrase_secrets_stay_closed_and_are_written_back(recorded: Any, tmp_path: Path) -> None:
    warnings: list[str] = []
    secrets = SecretsManager({}, tmp_path, recorded["secrets_providers"], warnings.append)
    snapshot = read_snapshot(recorded, secrets.decrypt)
    (version,) = [state for state in snapshot.resources if state.name == "token-v1"]
    assert isinstance(version.inputs["secretData"].value, Ciphertext)
    assert len(warnings) == 1
    (body,) = [body for body in recorded["resources"] if body["urn"].endswith("::token-v1")]
    assert version.to_checkpoint(secrets.encrypt)["inputs"] == body["inputs"]
    with pytest.raises(EngineError, match="PULUMI_CONFIG_PASSPHRASE"):
        secrets.check_writable()


def test_exported_plain_secrets_are_secrets() -> None:
    body = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"open"'}
    assert from_json(body) == Secret("open")


def test_the_manifest_carries_pulumis_magic(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    manifest = workplace.deployment["manifest"]
    assert manifest["magic"] == hashlib.sha256(manifest["version"].encode()).hexdigest()


def test_resources_come_after_their_provider_their_parent_and_what_they_depend_on(workplace: Workplace) -> None:
    workplace.program(EVERYTHING).up()
    seen: set[str] = set()
    for state in workplace.states():
        needs = {state.get("parent"), *state.get("dependencies", [])} - {None}
        if "provider" in state:
            needs.add(state["provider"].rsplit("::", 1)[0])
        assert needs <= seen, state["urn"]
        seen.add(state["urn"])


def test_the_default_provider_is_recorded_as_pulumi_records_it(workplace: Workplace) -> None:
    import pulumi_gcp

    workplace.program(pair()).up()
    version = pulumi_gcp._utilities.get_version()
    (provider,) = [state for state in workplace.states() if state["type"] == "pulumi:providers:gcp"]
    name = f"default_{version.replace('.', '_')}"
    assert provider["urn"] == f"urn:pulumi:local::shop::pulumi:providers:gcp::{name}"
    assert "parent" not in provider
    config = {"project": "acme-recsys", "region": "europe-west1", "version": version}
    assert provider["inputs"] == {"__internal": {}, **config}
    assert provider["outputs"] == config
    assert workplace.state("bucket")["provider"] == f"{provider['urn']}::{provider['id']}"


def test_dependencies_are_recorded_by_property(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    bucket, state = workplace.state("bucket")["urn"], workplace.state("object")
    assert state["dependencies"] == [bucket]
    assert state["propertyDependencies"] == {"bucket": [bucket], "content": [], "name": []}
    assert state["parent"] == "urn:pulumi:local::shop::pulumi:pulumi:Stack::shop-local"


def test_a_childs_urn_has_its_parents_type_and_not_the_stacks(workplace: Workplace) -> None:
    workplace.program("""
class Outer(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("shop:index:Outer", "outer")
        inner = pulumi.ComponentResource("shop:index:Inner", "inner", opts=Opts(parent=self))
        gcp.storage.Bucket("bucket", name="acme", location="EU", opts=Opts(parent=inner))
Outer()
""").up()
    assert workplace.state("outer")["urn"] == "urn:pulumi:local::shop::shop:index:Outer::outer"
    assert workplace.state("bucket")["urn"] == (
        "urn:pulumi:local::shop::shop:index:Outer$shop:index:Inner$gcp:storage/bucket:Bucket::bucket"
    )


def test_what_the_schema_and_the_program_call_secret_is_encrypted(workplace: Workplace) -> None:
    workplace.program("""
gcp.storage.Bucket("bucket", name=pulumi.Output.secret("acme"), location="EU", labels={"team": "ml"})
""").up()
    state = workplace.state("bucket")
    for key in ("name", "effectiveLabels", "pulumiLabels"):
        assert "ciphertext" in state["outputs"][key]
    assert "ciphertext" in state["inputs"]["name"]
    assert state["outputs"]["labels"] == {"team": "ml"}
    assert workplace.preview().changed is False


def test_a_state_without_secrets_names_no_secrets_provider(workplace: Workplace) -> None:
    workplace.program('pulumi.export("answer", 42)').up()
    assert "secrets_providers" not in workplace.deployment


def test_without_a_passphrase_one_is_made_beside_the_state_for_the_owner_alone(workplace: Workplace) -> None:
    del workplace.environment["PULUMI_CONFIG_PASSPHRASE"]
    result = workplace.program(pair()).up()
    path = workplace.folder / "state" / ".pulumi" / "passphrase"
    assert path.stat().st_mode & 0o777 == 0o600
    assert any("PULUMI_CONFIG_PASSPHRASE_FILE" in item.message for item in result.diagnostics)
    assert workplace.preview().changed is False
    workplace.environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(path)
    assert workplace.up().ok


def test_a_state_of_another_passphrase_is_refused_before_anything_is_applied(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    writes = len(workplace.google.writes())
    workplace.environment["PULUMI_CONFIG_PASSPHRASE"] = "other"
    with pytest.raises(EngineError, match="incorrect passphrase"):
        workplace.program(pair(content="second")).up()
    assert len(workplace.google.writes()) == writes


def test_unchanged_secrets_keep_their_ciphertext(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    before = workplace.state("object")["inputs"]["content"]
    workplace.up()
    assert workplace.state("object")["inputs"]["content"] == before


def test_the_bridges_delta_is_dropped_by_an_update_and_kept_otherwise(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    document = json.loads(workplace.state_path.read_text())
    for state in document["checkpoint"]["latest"]["resources"]:
        if state["type"].startswith("gcp:"):
            state["outputs"] |= {"__meta": "{}", "__pulumi_raw_state_delta": {"obj": {}}}
    workplace.state_path.write_text(json.dumps(document))
    assert ops(workplace.program(pair(content="second")).up()) == {"bucket": "same", "object": "update"}
    assert "__pulumi_raw_state_delta" in workplace.state("bucket")["outputs"]
    assert "__pulumi_raw_state_delta" not in workplace.state("object")["outputs"]
    assert "__meta" not in workplace.state("object")["outputs"]
