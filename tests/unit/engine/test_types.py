"""What types decide beyond their tables: which values are the same thing, and which changes can be made in place."""

from __future__ import annotations

from typing import Any

import pytest

from engine.gcp.table import resource_type
from engine.paths import render
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.recordings import SETTINGS, outputs_of, planned_inputs

SUBNET = "gcp:compute/subnetwork:Subnetwork"
FIREWALL = "gcp:compute/firewall:Firewall"
ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
JOB = "gcp:cloudscheduler/job:Job"
KEY = "gcp:kms/cryptoKey:CryptoKey"
DASHBOARD = "gcp:monitoring/dashboard:Dashboard"
SINK = "gcp:logging/projectSink:ProjectSink"
PEERING = "gcp:servicenetworking/connection:Connection"
SECRET = "gcp:secretmanager/secret:Secret"
BUDGET = "gcp:billing/budget:Budget"
NAMES = {
    SUBNET: "subnet",
    FIREWALL: "fw",
    ADDRESS: "psa-range",
    JOB: "http-check",
    KEY: "key",
    DASHBOARD: "dash",
    SINK: "sink",
    PEERING: "psa",
    SECRET: "token",
    BUDGET: "budget",
}
NETWORK = "https://www.googleapis.com/compute/v1/projects/acme-recsys/global/networks/ct-net"


def _changes(token: str, prior: dict[str, Any], inputs: dict[str, Any]) -> dict[str, str]:
    """The changes of a recorded resource, some of whose outputs and inputs are others."""
    table, name = resource_type(token), NAMES[token]
    assert table is not None
    before = outputs_of(token, name) | prior
    wanted = {key: value for key, value in (planned_inputs(token, name) | inputs).items() if value is not None}
    found = table.compare(before, table.plan(SETTINGS, before, wanted))
    return {render(change.path): change.kind + ("!" if change.replace else "") for change in found}


@pytest.mark.parametrize(
    ("token", "prior", "inputs", "expected"),
    [
        (SUBNET, {}, {"ipCidrRange": "10.10.0.0/19"}, {"ipCidrRange": "update"}),
        (SUBNET, {}, {"ipCidrRange": "10.10.0.0/21"}, {"ipCidrRange": "update!"}),
        (SUBNET, {}, {"ipCidrRange": "10.20.0.0/19"}, {"ipCidrRange": "update!"}),
        (SUBNET, {}, {"network": NETWORK}, {}),
        (FIREWALL, {"sourceRanges": ["0.0.0.0/0"]}, {"sourceRanges": None}, {}),
        (FIREWALL, {}, {"sourceRanges": None}, {"sourceRanges": "delete"}),
        (FIREWALL, {}, {"direction": "EGRESS"}, {"direction": "update!"}),
        (JOB, {"attemptDeadline": ""}, {"attemptDeadline": "180s"}, {}),
        (JOB, {}, {"attemptDeadline": "180s"}, {"attemptDeadline": "update"}),
        (ADDRESS, {}, {"ipVersion": "IPV4"}, {}),
        (KEY, {}, {"keyRing": "acme-recsys/europe-west1/ct-ring"}, {}),
        (KEY, {}, {"keyRing": "acme-recsys/europe-west4/ct-ring"}, {"keyRing": "update!"}),
        (DASHBOARD, {}, {"dashboardJson": '{"displayName": "x"}'}, {"dashboardJson": "update"}),
        (SINK, {}, {"filter": '  resource.type="aiplatform.googleapis.com/PipelineJob"\n'}, {}),
        (
            SINK,
            {"uniqueWriterIdentity": False},
            {},
            {"uniqueWriterIdentity": "update", "writerIdentity": "update"},
        ),
        (PEERING, {"reservedPeeringRanges": ["b", "ct-psa"]}, {"reservedPeeringRanges": ["ct-psa", "b"]}, {}),
        (
            SECRET,
            {"effectiveAnnotations": {"by": "hand"}},
            {"annotations": {"a": "1"}},
            {"annotations": "add", "effectiveAnnotations.a": "add"},
        ),
        (BUDGET, {}, {"ownershipScope": "ALL_USERS"}, {"ownershipScope": "update"}),
    ],
)
def test_a_change_is_what_the_provider_takes_it_for(
    token: str, prior: dict[str, Any], inputs: dict[str, Any], expected: dict[str, str]
) -> None:
    assert _changes(token, prior, inputs) == expected


def test_what_is_abandoned_leaves_the_state_and_stays_where_it_is(workplace: Workplace) -> None:
    workplace.program('gcp.pubsub.Topic("topic", name="events", deletion_policy="ABANDON")')
    assert workplace.up().errors == []
    assert ops(workplace.destroy()) == {"topic": "delete"}
    assert workplace.names() == set()
    assert list(workplace.google.things) == ["projects/acme-recsys/topics/events"]


def test_a_sink_that_is_there_already_is_taken_over(workplace: Workplace) -> None:
    name = "projects/acme-recsys/sinks/runs"
    workplace.google.things[name] = {"name": "runs", "destination": "storage.googleapis.com/old", "filter": "a"}
    program = 'gcp.logging.ProjectSink("sink", name="runs", destination="storage.googleapis.com/new", filter="a")'
    assert workplace.program(program).up().errors == []
    assert workplace.google.things[name]["destination"] == "storage.googleapis.com/new"
    assert not workplace.preview().changed


def test_a_topics_short_name_is_one_of_the_subscriptions_project(workplace: Workplace) -> None:
    workplace.program("""
topic = gcp.pubsub.Topic("topic", name="events")
gcp.pubsub.Subscription("sub", name="events-sub", topic=topic.name)
""")
    assert workplace.up().errors == []
    assert workplace.google.things["projects/acme-recsys/subscriptions/events-sub"]["topic"] == (
        "projects/acme-recsys/topics/events"
    )
    assert not workplace.preview().changed


def test_a_members_id_has_a_place_for_a_description_that_its_condition_lacks(workplace: Workplace) -> None:
    workplace.program("""
gcp.projects.IAMMember("viewer", project="acme-recsys", role="roles/viewer", member="user:a@example.com",
    condition={"title": "soon", "expression": "true"})
""")
    assert workplace.up().errors == []
    assert workplace.state("viewer")["id"] == "acme-recsys/roles/viewer/user:a@example.com/soon//true"


def test_a_secret_that_is_protected_is_not_deleted(workplace: Workplace) -> None:
    program = (
        'gcp.secretmanager.Secret("secret", secret_id="s", replication={{"auto": {{}}}}, deletion_protection={protect})'
    )
    workplace.program(program.format(protect=True)).up()
    refused = workplace.destroy()
    assert any("deletion_protection=false" in error for error in refused.errors)
    workplace.program(program.format(protect=False)).up()
    assert workplace.destroy().errors == []
