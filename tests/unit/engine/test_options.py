"""Resource options do what they do in Pulumi."""

from __future__ import annotations

import json

import pytest

from engine.crypto import PassphraseCrypter
from engine.state import read_snapshot
from engine.values import reveal
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import pair

POOL = """
gcp.vertex.AiPersistentResource(
    "pool", name="warm-pool", location="europe-west1", labels={labels},
    resource_pools=[{{"machine_spec": {{"machine_type": "{machine}"}}, "replica_count": "{replicas}"}}],
    opts=Opts({opts}),
)
"""


def pool(opts: str = "", *, machine: str = "n1-standard-4", replicas: str = "1", labels: str = "{}") -> str:
    return POOL.format(opts=opts, machine=machine, replicas=replicas, labels=labels)


def _writes_of(workplace: Workplace, program: str) -> list[str]:
    before = len(workplace.google.writes())
    assert workplace.program(program).up().errors == []
    return [line.split(" ")[0] for line in workplace.google.writes()[before:]]


def test_a_pool_label_change_deletes_the_pool_before_it_creates_it_again(workplace: Workplace) -> None:
    workplace.program(pool()).up()
    assert _writes_of(workplace, pool(labels='{"team": "ml"}')) == ["DELETE", "POST"]
    assert workplace.preview().changed is False


def test_a_replica_count_change_is_a_put(workplace: Workplace) -> None:
    workplace.program(pool()).up()
    assert _writes_of(workplace, pool(replicas="2")) == ["PUT"]


@pytest.mark.parametrize(
    "path", ["resourcePools", "resourcePools[0].replicaCount", "resourcePools[*].replicaCount", "resourcePools[0][*]"]
)
def test_ignored_changes_are_no_changes(workplace: Workplace, path: str) -> None:
    workplace.program(pool()).up()
    result = workplace.program(pool(f'ignore_changes=["{path}"]', replicas="2")).preview()
    assert ops(result) == {"pool": "same"}


def test_a_property_beside_an_ignored_path_still_changes(workplace: Workplace) -> None:
    workplace.program(pool()).up()
    program = pool('ignore_changes=["resourcePools[0].replicaCount"]', replicas="2", machine="n1-standard-8")
    assert ops(workplace.program(program).preview()) == {"pool": "replace"}


def test_replace_on_changes_makes_an_update_a_replacement_of_which_the_program_chooses_the_order(
    workplace: Workplace,
) -> None:
    workplace.program(pool()).up()
    opts = 'replace_on_changes=["resourcePools"], delete_before_replace=True'
    assert _writes_of(workplace, pool(opts, replicas="2")) == ["DELETE", "POST"]


def test_delete_before_replace_false_creates_first_and_meets_what_exists(workplace: Workplace) -> None:
    workplace.program(pool()).up()
    result = workplace.program(pool("delete_before_replace=False", machine="n1-standard-8")).up()
    assert "already exists" in result.errors[0]
    assert workplace.state("pool")["inputs"]["resourcePools"][0]["machineSpec"]["machineType"] == "n1-standard-4"


def test_a_protected_resource_is_neither_replaced_nor_deleted(workplace: Workplace) -> None:
    workplace.program(pool("protect=True")).up()
    assert workplace.state("pool")["protect"] is True
    writes = len(workplace.google.writes())
    for program in (pool("protect=True", machine="n1-standard-8"), ""):
        for result in (workplace.program(program).preview(), workplace.up()):
            assert "protect" in result.errors[0]
            assert "pool" in result.errors[0]
    assert "protect" in workplace.destroy().errors[0]
    assert len(workplace.google.writes()) == writes


APPLYING_OTHERWISE = """
location = "US" if pulumi.runtime.is_dry_run() else "EU"
bucket = gcp.storage.Bucket("bucket", name="acme", location=location, force_destroy=True, opts=Opts({bucket}))
gcp.storage.BucketObject("object", bucket=bucket.name, name="a", content="x", opts=Opts({object}))
"""


@pytest.mark.parametrize(
    ("bucket", "object_"),
    [("protect=True", ""), ("", "protect=True"), ("protect=True", "protect=True")],
)
def test_a_replacement_that_only_applying_shows_spares_what_is_protected(
    workplace: Workplace, bucket: str, object_: str
) -> None:
    program = APPLYING_OTHERWISE.format(bucket=bucket, object=object_)
    workplace.program(program.replace('"EU"', '"US"')).up()
    writes = len(workplace.google.writes())
    result = workplace.program(program).up()
    assert "marked for protection" in result.errors[0]
    assert len(workplace.google.writes()) == writes
    assert workplace.names() == {"bucket", "object"}
    assert not any(state.get("pendingReplacement") for state in workplace.states())


@pytest.mark.parametrize(
    "program",
    [
        'gcp.storage.Bucket("bucket", name="acme", location=location, deletion_policy="PREVENT")',
        'gcp.storage.Bucket("bucket", name="acme", location=location, deletion_policy="PREVENT",'
        " opts=Opts(delete_before_replace=False))",
        'if location == "US":\n'
        '    gcp.storage.Bucket("bucket", name="acme", location=location, deletion_policy="PREVENT")',
    ],
    ids=["deleted first", "deleted last", "left out"],
)
def test_a_deletion_that_only_applying_shows_is_refused_where_the_policy_prevents_it(
    workplace: Workplace, program: str
) -> None:
    workplace.program('location = "US"\n' + program).up()
    writes = len(workplace.google.writes())
    result = workplace.program('location = "US" if pulumi.runtime.is_dry_run() else "EU"\n' + program).up()
    assert "deletionPolicy is PREVENT" in result.errors[0]
    assert len(workplace.google.writes()) == writes
    assert workplace.names() == {"bucket"}


def test_unprotecting_and_replacing_go_together(workplace: Workplace) -> None:
    workplace.program(pool("protect=True")).up()
    assert _writes_of(workplace, pool(machine="n1-standard-8")) == ["DELETE", "POST"]


def test_retained_things_stay_and_leave_the_state(workplace: Workplace) -> None:
    workplace.program(pool("retain_on_delete=True")).up()
    assert workplace.destroy().errors == []
    assert workplace.states() == []
    assert any(name.endswith("/warm-pool") for name in workplace.google.things)


def test_what_is_deleted_with_another_is_not_deleted_by_itself(workplace: Workplace) -> None:
    workplace.program("""
bucket = gcp.storage.Bucket("bucket", name="acme", location="EU", force_destroy=True)
gcp.storage.BucketObject("object", bucket=bucket.name, name="a", content="x", opts=Opts(deleted_with=bucket))
""").up()
    workplace.destroy()
    deletions = [line for line in workplace.google.writes() if line.startswith("DELETE")]
    assert deletions == ["DELETE /storage/v1/b/acme/o/a", "DELETE /storage/v1/b/acme"]
    assert ("DELETE", "/storage/v1/b/acme/o/a", None) in workplace.google.log
    assert workplace.states() == []


def test_a_replaced_bucket_takes_its_object_along_first(workplace: Workplace) -> None:
    workplace.program(pair(name="one")).up()
    before = len(workplace.google.writes())
    result = workplace.program(pair(name="two")).up()
    assert ops(result) == {"bucket": "replace", "object": "replace"}
    assert workplace.google.writes()[before:] == [
        "DELETE /storage/v1/b/acme-one/o/spec.json",
        "DELETE /storage/v1/b/acme-one",
        "POST /storage/v1/b",
        "POST /upload/storage/v1/b/acme-two/o",
    ]
    assert workplace.preview().changed is False


def test_what_only_depends_on_a_replaced_resource_is_left_alone(workplace: Workplace) -> None:
    program = """
pool = gcp.vertex.AiPersistentResource(
    "pool", name="warm-pool", location="europe-west1",
    resource_pools=[{"machine_spec": {"machine_type": "%s"}, "replica_count": "1"}],
)
gcp.storage.Bucket("bucket", name="acme", location="EU", opts=Opts(depends_on=[pool]))
"""
    workplace.program(program % "n1-standard-4").up()
    result = workplace.program(program % "n1-standard-8").up()
    assert ops(result) == {"pool": "replace", "bucket": "same"}


def test_an_iam_member_is_created_before_the_old_one_is_deleted(workplace: Workplace) -> None:
    program = """
bucket = gcp.storage.Bucket("bucket", name="acme", location="EU")
gcp.storage.BucketIAMMember("member", bucket=bucket.name, role="roles/%s", member="user:a@example.com")
"""
    workplace.program(program % "storage.objectViewer").up()
    before = len(workplace.google.log)
    result = workplace.program(program % "storage.objectAdmin").up()
    assert ops(result) == {"bucket": "same", "member": "replace"}
    policies = [body for method, path, body in workplace.google.log[before:] if method == "PUT"]
    roles = [{binding["role"] for binding in policy["bindings"]} for policy in policies]
    assert roles == [{"roles/storage.objectViewer", "roles/storage.objectAdmin"}, {"roles/storage.objectAdmin"}]
    assert [state["inputs"]["role"] for state in workplace.states() if state["urn"].endswith("::member")] == [
        "roles/storage.objectAdmin"
    ]


@pytest.mark.parametrize(
    "alias",
    [
        'pulumi.Alias(name="bucket")',
        '"urn:pulumi:local::shop::gcp:storage/bucket:Bucket::bucket"',
        'pulumi.Alias(name="bucket", parent=pulumi.ROOT_STACK_RESOURCE)',
    ],
)
def test_a_renamed_resource_is_found_by_its_alias(workplace: Workplace, alias: str) -> None:
    workplace.program('gcp.storage.Bucket("bucket", name="acme", location="EU")').up()
    renamed = f'gcp.storage.Bucket("store", name="acme", location="EU", opts=Opts(aliases=[{alias}]))'
    result = workplace.program(renamed).up()
    assert ops(result) == {"store": "same"}
    assert workplace.names() == {"store"}
    assert workplace.preview().changed is False


def test_a_resource_moved_under_a_component_is_found_by_its_alias_with_its_dependents(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    result = workplace.program("""
class Store(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("shop:index:Store", name)
        self.bucket = gcp.storage.Bucket(
            "bucket", name="acme-one", location="EU",
            opts=Opts(parent=self, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]),
        )
        self.register_outputs({"url": self.bucket.url})
store = Store("store")
gcp.storage.BucketObject("object", bucket=store.bucket.name, name="spec.json", content="first")
""").up()
    assert result.errors == []
    assert ops(result) == {"store": "create", "bucket": "same", "object": "same"}
    assert workplace.state("bucket")["urn"] == (
        "urn:pulumi:local::shop::shop:index:Store$gcp:storage/bucket:Bucket::bucket"
    )
    assert workplace.preview().changed is False


def test_a_renamed_component_brings_its_children_along(workplace: Workplace) -> None:
    program = """
class Store(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("shop:index:Store", name, None, opts)
        gcp.storage.Bucket(f"{name}-bucket", name="acme", location="EU", opts=Opts(parent=self))
        self.register_outputs({})
"""
    workplace.program(program + 'Store("old")').up()
    result = workplace.program(program + 'Store("new", Opts(aliases=[pulumi.Alias(name="old")]))').up()
    assert result.errors == []
    assert ops(result) == {"new": "same", "new-bucket": "same"}


def test_an_explicit_provider_is_a_resource_and_gives_its_project(workplace: Workplace) -> None:
    workplace.program("""
other = gcp.Provider("other", project="other-project", region="us-east1", default_labels={"from": "provider"})
gcp.storage.Bucket("bucket", name="acme", location="EU", opts=Opts(provider=other))
""").up()
    provider = workplace.state("other")
    assert provider["type"] == "pulumi:providers:gcp"
    assert workplace.state("bucket")["provider"] == f"{provider['urn']}::{provider['id']}"
    assert workplace.state("bucket")["outputs"]["project"] == "other-project"
    assert workplace.google.things["b/acme"]["labels"] == {"from": "provider", "goog-pulumi-provisioned": "true"}
    assert workplace.preview().changed is False


def test_an_explicit_provider_has_the_version_that_pulumi_gives_it(workplace: Workplace) -> None:
    workplace.program('gcp.Provider("other", project="acme-other")').up()
    inputs = workplace.state("other")["inputs"]
    assert inputs == {"__internal": {}, "project": "acme-other", "version": inputs["version"]}


def test_a_thing_outside_the_stack_is_read_and_never_deleted(workplace: Workplace) -> None:
    workplace.program('gcp.storage.Bucket("bucket", name="acme", location="EU")').up()
    (workplace.folder / "Pulumi.other.yaml").write_text((workplace.folder / "Pulumi.local.yaml").read_text())
    workplace.program('pulumi.export("url", gcp.storage.Bucket.get("theirs", "acme").url)')
    result = workplace.up(stack="other")
    assert result.errors == []
    assert result.outputs == {"url": "gs://acme"}
    assert workplace.destroy(stack="other").errors == []
    assert "b/acme" in workplace.google.things


def test_stack_outputs_can_be_read_by_another_stack(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    (workplace.folder / "Pulumi.other.yaml").write_text((workplace.folder / "Pulumi.local.yaml").read_text())
    workplace.program("""
reference = pulumi.StackReference("organization/shop/local")
pulumi.export("theirs", reference.get_output("url"))
""")
    result = workplace.up(stack="other")
    assert result.errors == []
    assert result.outputs == {"theirs": "gs://acme-one"}


def test_another_stacks_secret_outputs_are_sealed_anew_in_the_state_that_reads_them(workplace: Workplace) -> None:
    workplace.program("""
pulumi.export("flat", pulumi.Output.secret("s3cr3t"))
pulumi.export("deep", {"list": [pulumi.Output.secret("d33p")]})
""").up()
    (workplace.folder / "Pulumi.other.yaml").write_text((workplace.folder / "Pulumi.local.yaml").read_text())
    workplace.program("""
reference = pulumi.StackReference("organization/shop/local")
pulumi.export("theirs", pulumi.Output.all(reference.get_output("flat"), reference.get_output("deep")))
""")
    assert workplace.up(stack="other").errors == []
    path = workplace.state_path.with_name("other.json")
    assert "s3cr3t" not in path.read_text()
    again = workplace.up(stack="other")
    assert again.errors == []
    assert again.changed is False
    theirs = read_snapshot(
        json.loads(path.read_text())["checkpoint"]["latest"],
        PassphraseCrypter(
            "test", json.loads(path.read_text())["checkpoint"]["latest"]["secrets_providers"]["state"]["salt"]
        ).decrypt,
    ).outputs()["theirs"]
    assert reveal(theirs) == ["s3cr3t", {"list": ["d33p"]}]


def test_another_stacks_secret_outputs_that_cannot_be_read_are_refused_by_up(workplace: Workplace) -> None:
    workplace.program('pulumi.export("token", pulumi.Output.secret("s3cr3t"))').up()
    (workplace.folder / "Pulumi.other.yaml").write_text((workplace.folder / "Pulumi.local.yaml").read_text())
    del workplace.environment["PULUMI_CONFIG_PASSPHRASE"]
    workplace.program('pulumi.export("token", pulumi.StackReference("local").get_output("token"))')
    assert workplace.preview(stack="other").errors == []
    assert "the secret outputs token cannot be read" in workplace.up(stack="other").errors[0]


def test_custom_timeouts_are_kept_in_the_state(workplace: Workplace) -> None:
    workplace.program(pool('custom_timeouts=pulumi.CustomTimeouts(create="1h30m", delete="90s")')).up()
    assert workplace.state("pool")["customTimeouts"] == {"create": 5400.0, "delete": 90.0}
