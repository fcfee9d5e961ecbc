"""What has to survive when a stack goes from one engine to the other, each way: secrets, protection, aliases, retained
things, a provider of the program's own, and operations that were interrupted.
"""

import json
from pathlib import Path

import pytest

from tests.contract.cloud_process import CloudProcess
from tests.e2e.independent.engines import Stack, real_pair_missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pulumi,
    pytest.mark.minutes,
    pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
]

PROGRAM = """
import json, pathlib
import pulumi, pulumi_gcp as gcp
from pulumi import Alias, ResourceOptions as Opts
later = pathlib.Path(__file__).with_name("later").exists()

class Events(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("acme:index:Events", name, None, opts)
        old = [Alias(name="events", parent=pulumi.ROOT_STACK_RESOURCE)] if later else None
        self.topic = gcp.pubsub.Topic(f"{name}-topic", name="events", opts=Opts(parent=self, aliases=old))
        self.register_outputs({"topic": self.topic.name})

if later:
    topic = Events("stream").topic
else:
    topic = gcp.pubsub.Topic("events", name="events")
west = gcp.Provider("west", project="acme-recsys", region="europe-west4", default_labels={"team": "ml"})
gcp.pubsub.Topic("labelled", name="labelled", opts=Opts(provider=west))
gcp.pubsub.Subscription("sub", topic=topic.name, name="events-sub", opts=Opts(deleted_with=topic))
token = gcp.secretmanager.Secret("token", secret_id="token", replication={"auto": {}}, opts=Opts(protect=True))
version = gcp.secretmanager.SecretVersion("v1", secret=token.id, secret_data=pulumi.Output.secret("s3cr3t"))
gcp.storage.Bucket("kept", name="acme-kept", location="EU", opts=Opts(retain_on_delete=True))
gcp.pubsub.Topic("frozen", name="frozen", labels={"at": "2" if later else "1"}, opts=Opts(ignore_changes=["labels"]))
pulumi.export("data", version.secret_data)
pulumi.export("shown", pulumi.Output.unsecret(version.secret_data).apply(len))
"""


@pytest.fixture
def stack(cloud: CloudProcess, tmp_path: Path) -> Stack:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: acme-recsys\n  gcp:region: europe-west1\n")
    made = Stack(folder, cloud)
    made.init()
    return made


@pytest.mark.parametrize(("first", "second"), [("pulumi", "embedded"), ("embedded", "pulumi")])
def test_nothing_is_lost_on_the_way_from_one_engine_to_the_other(
    cloud: CloudProcess, stack: Stack, first: str, second: str
) -> None:
    stack.run(first, "up")
    stack.run(second, "refresh", "--expect-no-changes")
    stack.run(second, "preview", "--expect-no-changes")
    assert "s3cr3t" not in json.dumps(stack.deployment)
    (stack.folder / "later").touch()
    stack.run(second, "up")
    stack.run(first, "preview", "--expect-no-changes", "--refresh")
    assert json.loads(stack.run("pulumi", "stack output", "--json", "--show-secrets"))["data"] == "s3cr3t"
    assert "protected" in stack.run(first, "destroy", fails=True)
    stack.run(second, "state unprotect", "--all", "--yes")
    stack.run(first, "destroy")
    assert not [each for each in stack.deployment.get("resources") or [] if each["type"].startswith("gcp:")]
    assert cloud.call("GET", "/storage/v1/b/acme-kept").status_code == 200
    assert cloud.call("GET", "/pubsub/v1/projects/acme-recsys/topics/events").status_code == 404


@pytest.mark.parametrize("kind", ["creating", "deleting"])
def test_an_operation_that_pulumi_left_open_is_settled_by_the_embedded_engine(
    cloud: CloudProcess, stack: Stack, kind: str
) -> None:
    stack.run("pulumi", "up")
    document = json.loads(stack.run("pulumi", "stack export"))
    (interrupted,) = [each for each in document["deployment"]["resources"] if each["urn"].endswith("::sub")]
    document["deployment"]["pending_operations"] = [{"type": kind, "resource": interrupted}]
    if kind == "creating":
        document["deployment"]["resources"].remove(interrupted)
    else:
        cloud.call("DELETE", "/pubsub/v1/projects/acme-recsys/subscriptions/events-sub")
    (stack.folder / "left.json").write_text(json.dumps(document))
    stack.run("embedded", "stack import", "--file", "left.json")
    assert f"interrupted while {kind}" in stack.run("embedded", "up")
    assert "pending_operations" not in stack.deployment
    stack.run("pulumi", "preview", "--expect-no-changes", "--refresh")
    assert cloud.call("GET", "/pubsub/v1/projects/acme-recsys/subscriptions/events-sub").status_code == 200
