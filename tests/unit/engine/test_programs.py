"""What programs do wrong, or do that the engine does not know, is said once and clearly."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path

import pytest

from engine.config import read_config, read_project
from engine.errors import EngineError
from engine.values import Secret
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import pair

BUCKET = 'gcp.storage.Bucket("bucket", name="acme", location="EU", opts=Opts({}))'


@pytest.mark.parametrize(
    ("program", "feature"),
    [
        (BUCKET.format("transforms=[lambda args: None]"), "transforms"),
        (BUCKET.format('replacement_trigger="1"'), "replacement_trigger"),
        (BUCKET.format("hooks=pulumi.ResourceHookBinding(before_create=[lambda args: None])"), "hooks"),
        ("pulumi.runtime.register_resource_transform(lambda args: None)", "transforms"),
        ("pulumi.runtime.invoke('gcp:compute/getZones:getZones', {})", "gcp:compute/getZones:getZones"),
        (
            'other = gcp.storage.Bucket("other", name="other", location="EU")\n'
            + BUCKET.format("replace_with=[other]"),
            "replace_with",
        ),
    ],
)
def test_a_feature_that_is_not_implemented_is_refused_by_its_name(
    workplace: Workplace, program: str, feature: str
) -> None:
    result = workplace.program(program).up()
    assert not result.ok
    assert feature in result.errors[0]
    assert "Traceback" not in result.errors[0]
    assert workplace.google.writes() == []


def test_two_resources_of_one_name_are_a_duplicate_urn(workplace: Workplace) -> None:
    result = workplace.program(
        'for name in ("a", "b"):\n    gcp.storage.Bucket("x", name=name, location="EU")'
    ).preview()
    assert "Duplicate resource URN 'urn:pulumi:local::shop::gcp:storage/bucket:Bucket::x'" in result.errors[0]


def test_an_exception_is_shown_from_the_programs_first_line(workplace: Workplace) -> None:
    result = workplace.program("def broken():\n    raise ValueError('wrong turn')\nbroken()").preview()
    (error,) = result.errors
    assert "ValueError: wrong turn" in error
    assert "__main__.py" in error
    assert "site-packages" not in error


def test_an_exception_outside_the_programs_own_lines_is_shown_without_a_traceback(workplace: Workplace) -> None:
    (workplace.folder / "__main__.py").write_text("def broken(:\n")
    (error,) = workplace.preview().errors
    assert "SyntaxError" in error
    assert "runpy" not in error
    assert "engine/" not in error


def test_a_refusal_leaves_no_warning_of_what_was_never_awaited(workplace: Workplace) -> None:
    program = 'pulumi.export("token", pulumi.StackReference("missing").get_output("token"))'
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not workplace.program(program).preview().ok
        gc.collect()
    assert [str(item.message) for item in caught if "never awaited" in str(item.message)] == []


def test_a_program_learns_its_token_and_its_zone(workplace: Workplace) -> None:
    workplace.environment |= {"GOOGLE_OAUTH_ACCESS_TOKEN": "t0ken", "GOOGLE_ZONE": "europe-west1-b"}
    result = workplace.program("""
client = gcp.organizations.get_client_config()
pulumi.export("zone", client.zone)
pulumi.export("token", client.access_token)
""").preview()
    assert result.outputs == {"zone": "europe-west1-b", "token": "t0ken"}


def test_without_a_token_a_program_that_asks_for_it_is_refused_and_an_offline_plan_does_without(
    workplace: Workplace,
) -> None:
    workplace.environment["GOOGLE_OAUTH_ACCESS_TOKEN"] = ""
    program = 'pulumi.export("project", gcp.organizations.get_client_config().project)'
    (error,) = workplace.program(program).up().errors
    assert "no credentials loaded: set GOOGLE_OAUTH_ACCESS_TOKEN" in error
    workplace.environment = {"PULUMI_BACKEND_URL": workplace.environment["PULUMI_BACKEND_URL"]}
    assert workplace.preview().errors == []


def test_what_is_read_by_an_id_that_only_applying_tells_is_unknown_in_the_plan(workplace: Workplace) -> None:
    program = """
topic = gcp.pubsub.Topic("topic", name="events")
pulumi.export("name", gcp.pubsub.Topic.get("same", topic.id).name)
"""
    result = workplace.program(program).up()
    assert result.errors == []
    assert result.outputs == {"name": "events"}


def test_a_programs_own_path_is_absolute_as_the_language_host_has_it(workplace: Workplace) -> None:
    result = workplace.program('pulumi.export("here", __file__)').preview()
    assert result.outputs == {"here": str(workplace.folder.resolve() / "__main__.py")}


def test_an_exception_in_an_apply_is_shown(workplace: Workplace) -> None:
    program = pair() + "\nbucket.name.apply(lambda name: {}[name])"
    result = workplace.program(program).preview()
    assert any("KeyError: 'acme-one'" in error for error in result.errors)


def test_missing_configuration_is_named(workplace: Workplace) -> None:
    result = workplace.program('pulumi.Config().require("region")').preview()
    assert any("shop:region" in error for error in result.errors)


def test_what_the_provider_would_refuse_is_told_for_all_resources_at_once(workplace: Workplace) -> None:
    result = workplace.program("""
gcp.bigquery.Dataset("one", dataset_id="bad-id")
gcp.serviceaccount.Account("two", account_id="ab")
""").up()
    assert len(result.errors) == 2
    assert any("must contain only letters" in error and "one.datasetId" in error for error in result.errors)
    assert workplace.google.writes() == []


def test_what_a_program_prints_and_logs_is_shown(workplace: Workplace) -> None:
    result = workplace.program('print("hello")\npulumi.warn("careful")').preview()
    messages = {(item.severity, item.message) for item in result.diagnostics}
    assert {("info", "hello"), ("warning", "careful")} <= messages


def test_a_logged_error_fails_the_run(workplace: Workplace) -> None:
    result = workplace.program('pulumi.log.error("no good")').up()
    assert result.errors == ["no good"]
    assert not result.ok


def test_a_program_sees_unknowns_in_a_plan_and_values_in_an_update(workplace: Workplace) -> None:
    program = pair() + '\nbucket.self_link.apply(lambda link: print("link", link))'
    plan = workplace.program(program).preview()
    assert not any("link" in item.message for item in plan.diagnostics)
    done = workplace.up()
    assert any(item.message.startswith("link https://") for item in done.diagnostics)


def test_a_project_number_is_asked_for_or_unknown(workplace: Workplace) -> None:
    workplace.program("""
project = gcp.organizations.get_project(project_id="acme-recsys")
gcp.projects.IAMMember(
    "member", project="acme-recsys", role="roles/viewer", member=f"serviceAccount:s-{project.number}@example.com"
)
pulumi.export("number", project.number)
""")
    assert workplace.up().outputs == {"number": "123456789012"}
    workplace.environment = {key: value for key, value in workplace.environment.items() if "ENDPOINT" not in key}
    plan = workplace.preview()
    assert plan.errors == []
    assert repr(plan.outputs["number"]) == "UNKNOWN"
    assert any("was not asked for" in item.message for item in plan.diagnostics)


def test_a_secret_output_stays_secret_through_apply(workplace: Workplace) -> None:
    workplace.program("""
password = pulumi.Output.secret("s3cr3t")
bucket = gcp.storage.Bucket("bucket", name="acme", location="EU", labels={"digest": password.apply(lambda p: p[:2])})
""").up()
    assert "ciphertext" in workplace.state("bucket")["inputs"]["labels"]["digest"]


def test_assets_are_compared_by_their_content(workplace: Workplace) -> None:
    readme = workplace.folder / "readme.txt"
    readme.write_text("first")
    workplace.program("""
bucket = gcp.storage.Bucket("bucket", name="acme", location="EU")
gcp.storage.BucketObject("file", bucket=bucket.name, name="a", source=pulumi.FileAsset("readme.txt"))
gcp.storage.BucketObject("text", bucket=bucket.name, name="b", source=pulumi.StringAsset("hello"))
""").up()
    assert workplace.google.contents == {"a": b"first", "b": b"hello"}
    assert workplace.google.things["b/acme/o/a"]["contentType"] == "text/plain; charset=utf-8"
    assert workplace.preview().changed is False
    readme.write_text("second")
    assert ops(workplace.preview()) == {"bucket": "same", "file": "replace", "text": "same"}


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        ('pulumi.FileAsset("missing.txt")', "missing.txt"),
        ('pulumi.RemoteAsset("https://example.com/a")', "https://example.com/a"),
        ('pulumi.FileArchive("folder")', "archive"),
    ],
)
def test_an_asset_that_cannot_be_read_is_refused_by_its_name(workplace: Workplace, asset: str, message: str) -> None:
    program = f'gcp.storage.BucketObject("file", bucket="acme", name="a", source={asset})'
    assert message in workplace.program(program).preview().errors[0]


def test_a_table_that_is_protected_against_deletion_is_refused_before_anything_is_deleted(workplace: Workplace) -> None:
    workplace.program("""
dataset = gcp.bigquery.Dataset("dataset", dataset_id="logs")
gcp.bigquery.Table("table", dataset_id=dataset.dataset_id, table_id="feedback")
""").up()
    writes = len(workplace.google.writes())
    result = workplace.destroy()
    assert "deletion_protection=false" in result.errors[0]
    assert len(workplace.google.writes()) == writes


# -- projects and configuration --------------------------------------------------------------------------------------


def _project(folder: Path, text: str = "name: shop\nruntime: python\n") -> Path:
    (folder / "Pulumi.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runtime: python\n", "has no name"),
        ("name: shop\nruntime: nodejs\n", "nodejs"),
        ("- a\n", "is no mapping"),
        ("name: [\n", "cannot be read"),
    ],
)
def test_a_project_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read_project(_project(tmp_path, text))


def test_a_folder_without_a_project_or_a_program_is_refused(workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"has no Pulumi\.yaml"):
        read_project(tmp_path / "nowhere")
    assert "__main__.py" in workplace.preview().errors[0]


def test_configuration_values_become_texts_with_defaults_and_secrets(tmp_path: Path) -> None:
    project = read_project(
        _project(
            tmp_path,
            "name: shop\nruntime: {name: python}\nconfig:\n  size: {type: integer, default: 3}\n  plain: yes\n",
        )
    )
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "encryptionsalt: salt\nconfig:\n  flag: true\n  gcp:project: acme\n  list: [1, a]\n  nested: {a: {secure: "
        "v1:x}}\n  key: {secure: v1:y}\n"
    )
    config = read_config(project, "dev", None, {"flag": "false"}, lambda salt, text: f"{salt}/{text}")
    assert config.values == {
        "shop:size": "3",
        "shop:plain": "yes",
        "shop:flag": "false",
        "gcp:project": "acme",
        "shop:list": '[1,"a"]',
        "shop:nested": Secret('{"a":"salt/v1:x"}'),
        "shop:key": Secret("salt/v1:y"),
    }
    assert config.secret_keys == ["shop:nested", "shop:key"]


def test_a_configuration_secret_that_cannot_be_read_lets_plan_and_refuses_to_apply(workplace: Workplace) -> None:
    path = workplace.folder / "Pulumi.local.yaml"
    path.write_text(path.read_text() + "  shop:key: {secure: v1:AAAA:BBBB}\nencryptionsalt: v1:AAAA:v1:AAAA:BBBB\n")
    del workplace.environment["PULUMI_CONFIG_PASSPHRASE"]
    workplace.program('pulumi.export("key", pulumi.Config().require_secret("key"))')
    assert any("shop:key" in item.message for item in workplace.preview().diagnostics)
    assert any("shop:key" in error for error in workplace.up().errors)


def test_configuration_of_pulumis_cloud_is_refused(workplace: Workplace) -> None:
    (workplace.folder / "Pulumi.local.yaml").write_text("environment: [prod]\n")
    with pytest.raises(EngineError, match="ESC"):
        workplace.program("").preview()
