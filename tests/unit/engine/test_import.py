"""What exists already is taken over as it is: by an option in the program, and by a command that writes the program."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import EngineError
from engine.importing import Wanted, import_resource
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import EVERYTHING

TOPIC = 'gcp.pubsub.Topic("{name}", name="events", message_retention_duration="{keep}", opts=Opts({opts}))'
TOPIC_ID = "projects/acme-recsys/topics/events"
MEMBER = "serviceAccount:ct-pipeline@acme-recsys.iam.gserviceaccount.com"
PARENT = "projects/acme-recsys/locations/europe-west1"


def _topic(name: str = "topic", keep: str = "600s", opts: str = f'import_="{TOPIC_ID}"') -> str:
    return TOPIC.format(name=name, keep=keep, opts=opts)


@pytest.fixture
def existing(workplace: Workplace) -> Workplace:
    """A topic that another stack made, of which this one knows nothing."""
    workplace.google.things[TOPIC_ID] = {
        "name": TOPIC_ID,
        "messageRetentionDuration": "600s",
        "labels": {"goog-pulumi-provisioned": "true"},
    }
    return workplace


def test_a_thing_that_is_as_the_program_says_is_taken_over(existing: Workplace) -> None:
    existing.program(_topic())
    assert existing.preview().changes["import"] == 1
    result = existing.up()
    assert result.errors == []
    assert ops(result) == {"topic": "import"}
    assert existing.google.writes() == []
    assert (existing.state("topic")["id"], existing.state("topic")["importID"]) == (TOPIC_ID, TOPIC_ID)
    assert not existing.preview().changed
    assert not existing.program(_topic(opts="")).preview().changed


def test_a_thing_that_differs_is_refused_before_anything_is_applied(existing: Workplace) -> None:
    result = existing.program(_topic(keep="900s") + '\ngcp.pubsub.Topic("other", name="other")').up()
    (error,) = result.errors
    assert "inputs to import do not match the existing resource" in error
    assert "messageRetentionDuration" in error
    assert existing.google.writes() == []
    assert existing.names() == set() if existing.state_path.exists() else True


def test_a_thing_that_is_not_there_is_refused(workplace: Workplace) -> None:
    (error,) = workplace.program(_topic()).up().errors
    assert f"'{TOPIC_ID}' does not exist" in error


def test_without_endpoints_an_import_is_planned_and_said_not_to_have_been_read(existing: Workplace) -> None:
    existing.environment = {key: value for key, value in existing.environment.items() if "ENDPOINT" not in key}
    (outcome,) = [item for item in existing.program(_topic()).preview().outcomes if item.name == "topic"]
    assert (outcome.op, outcome.note) == ("import", "not read: no endpoint is set")


def test_an_import_in_the_place_of_another_thing_deletes_that_one(existing: Workplace) -> None:
    existing.program('gcp.pubsub.Topic("topic", name="old")').up()
    result = existing.program(_topic()).up()
    assert result.errors == []
    assert list(existing.google.things) == [TOPIC_ID]
    assert existing.names() == {"topic"}


def _import(workplace: Workplace, type_: str, name: str, identity: str, **more: Any) -> str:
    return import_resource(workplace.options(), Wanted(type_, name, identity, **more))[1]


def test_the_command_takes_over_and_writes_the_declaration(existing: Workplace) -> None:
    code = _import(existing, "gcp:pubsub/topic:Topic", "my-topic", TOPIC_ID)
    assert code == (
        "my_topic = gcp.pubsub.Topic(\n"
        "    'my-topic',\n"
        "    message_retention_duration='600s',\n"
        "    name='events',\n"
        "    opts=pulumi.ResourceOptions(protect=True),\n"
        ")\n"
    )
    assert existing.state("my-topic")["protect"] is True
    assert not existing.program(code).preview().changed
    with pytest.raises(EngineError, match="is in the state already"):
        _import(existing, "gcp:pubsub/topic:Topic", "my-topic", TOPIC_ID)


def test_the_command_refuses_what_does_not_exist_and_what_it_does_not_know(workplace: Workplace) -> None:
    with pytest.raises(EngineError, match="'projects/acme-recsys/topics/none' does not exist"):
        _import(workplace, "gcp:pubsub/topic:Topic", "x", "projects/acme-recsys/topics/none")
    with pytest.raises(EngineError, match="no table for gcp:pubsub/schema:Schema"):
        _import(workplace, "gcp:pubsub/schema:Schema", "x", "projects/acme-recsys/schemas/none")
    with pytest.raises(EngineError, match="'one two' names no member"):
        _import(workplace, "gcp:pubsub/topicIAMMember:TopicIAMMember", "x", "one two")


IMPORTED = [
    ("gcp:storage/bucket:Bucket", "acme-artifacts"),
    ("gcp:bigquery/dataset:Dataset", "projects/acme-recsys/datasets/logs"),
    ("gcp:bigquery/table:Table", "projects/acme-recsys/datasets/logs/tables/feedback"),
    ("gcp:artifactregistry/repository:Repository", f"{PARENT}/repositories/training"),
    ("gcp:vertex/aiPersistentResource:AiPersistentResource", f"{PARENT}/persistentResources/warm-pool"),
    ("gcp:vertex/aiMetadataStore:AiMetadataStore", f"{PARENT}/metadataStores/default"),
    (
        "gcp:serviceaccount/account:Account",
        "projects/acme-recsys/serviceAccounts/ct-pipeline@acme-recsys.iam.gserviceaccount.com",
    ),
    ("gcp:projects/iAMCustomRole:IAMCustomRole", "projects/acme-recsys/roles/ctRole"),
    ("gcp:storage/bucketIAMMember:BucketIAMMember", f"b/acme-artifacts roles/storage.objectAdmin {MEMBER}"),
]


def test_what_is_imported_and_declared_as_told_is_no_change(workplace: Workplace) -> None:
    """One stack makes a resource of many types; they are all imported into another, empty one."""
    assert workplace.program(EVERYTHING).up().errors == []
    workplace.environment["PULUMI_BACKEND_URL"] = "file://other"
    written = [_import(workplace, type_, f"r{index}", identity) for index, (type_, identity) in enumerate(IMPORTED)]
    plan = workplace.program("\n".join(written)).preview()
    assert plan.errors == []
    assert {item.name: item.details for item in plan.outcomes if item.op != "same"} == {}
