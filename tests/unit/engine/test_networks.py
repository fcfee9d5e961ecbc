"""Network attachments, DNS, audit configurations and locked retention: what is sent, and what a change is taken for."""

from __future__ import annotations

from engine.gcp.table import resource_type
from tests.unit.engine.conftest import Workplace, ops

ATTACHMENT = """
gcp.compute.NetworkAttachment("att", name="att", region="us-central1", description={description!r},
    connection_preference={preference!r}, subnetworks=["projects/acme-recsys/regions/us-central1/subnetworks/s"])
"""
ZONE = """
zone = gcp.dns.ManagedZone("zone", name="apis", dns_name="googleapis.com.", description={description!r},
    visibility="private", private_visibility_config={{"networks": [
        {{"network_url": "projects/acme-recsys/global/networks/net"}}]}})
gcp.dns.RecordSet("a", managed_zone=zone.name, name="private.googleapis.com.", type="A", ttl={ttl},
    rrdatas={addresses!r})
"""
AUDIT = """
gcp.projects.IAMAuditConfig("audit", project="acme-recsys", service="storage.googleapis.com",
    audit_log_configs=[{{"log_type": kind}} for kind in {kinds!r}])
"""
PROJECT = "projects/acme-recsys"


def test_an_attachment_is_patched_with_its_fingerprint_and_replaced_for_another_preference(
    workplace: Workplace,
) -> None:
    workplace.program(ATTACHMENT.format(description="x", preference="ACCEPT_MANUAL"))
    assert workplace.up().errors == []
    assert not workplace.preview().changed

    workplace.program(ATTACHMENT.format(description="y", preference="ACCEPT_MANUAL"))
    assert ops(workplace.up()) == {"att": "update"}
    [patch] = [body for method, path, body in workplace.google.log if method == "PATCH" and "Attachments" in path]
    assert (patch["description"], patch["fingerprint"]) == ("y", "f1")
    workplace.program(ATTACHMENT.format(description="y", preference="ACCEPT_AUTOMATIC"))
    assert ops(workplace.preview()) == {"att": "replace"}


def test_a_zone_names_networks_by_url_and_a_record_set_is_a_change_of_it(workplace: Workplace) -> None:
    program = ZONE.format(description="Google", ttl=300, addresses=["199.36.153.8", "199.36.153.9"])
    assert workplace.program(program).up().errors == []
    zone = workplace.google.things[f"{PROJECT}/managedZones/apis"]
    url = "https://www.googleapis.com/compute/v1/projects/acme-recsys/global/networks/net"
    assert zone["privateVisibilityConfig"]["networks"] == [{"networkUrl": url}]
    assert zone["records"]["private.googleapis.com.", "A"]["ttl"] == 300
    shuffled = ZONE.format(description="Google", ttl=300, addresses=["199.36.153.9", "199.36.153.8"])
    assert not workplace.program(shuffled).preview().changed

    changed = ZONE.format(description="more", ttl=60, addresses=["199.36.153.8"])
    assert ops(workplace.program(changed).up()) == {"zone": "update", "a": "update"}
    assert zone["records"]["private.googleapis.com.", "A"]["rrdatas"] == ["199.36.153.8"]
    [put] = [body for method, _, body in workplace.google.log if method == "PUT"]
    assert (put["description"], put["id"]) == ("more", "42")
    assert workplace.destroy().errors == []
    assert f"{PROJECT}/managedZones/apis" not in workplace.google.things


def test_an_audit_configuration_is_a_part_of_the_policy_beside_its_members(workplace: Workplace) -> None:
    member = 'gcp.projects.IAMMember("m", project="acme-recsys", role="roles/viewer", member="user:a@example.com")'
    workplace.program(AUDIT.format(kinds=["DATA_READ", "DATA_WRITE"]) + member)
    assert workplace.up().errors == []
    assert not workplace.preview().changed
    (policy,) = workplace.google.policies.values()
    assert [each["role"] for each in policy["bindings"]] == ["roles/viewer"]
    assert {each["logType"] for each in policy["auditConfigs"][0]["auditLogConfigs"]} == {"DATA_READ", "DATA_WRITE"}
    assert workplace.state("audit")["id"] == "acme-recsys/audit_config/storage.googleapis.com"

    assert ops(workplace.program(AUDIT.format(kinds=["DATA_READ"]) + member).up())["audit"] == "update"
    assert workplace.program(member).up().errors == []
    (policy,) = workplace.google.policies.values()
    assert ("auditConfigs" in policy, len(policy["bindings"])) == (False, 1)


def test_only_another_bucket_is_without_a_retention_that_is_locked() -> None:
    bucket = resource_type("gcp:storage/bucket:Bucket")
    assert bucket is not None
    prior = {"retentionPolicy": {"isLocked": True, "retentionPeriod": "86400"}}
    opened = {"retentionPolicy": {"isLocked": False, "retentionPeriod": "86400"}}
    longer = {"retentionPolicy": {"isLocked": True, "retentionPeriod": "172800"}}

    assert [change.replace for change in bucket.compare(prior, opened)] == [True]
    assert [change.replace for change in bucket.compare(prior, {"retentionPolicy": None})] == [True]
    assert [change.replace for change in bucket.compare(prior, longer)] == [False]
