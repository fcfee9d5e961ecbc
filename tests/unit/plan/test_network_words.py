"""What is said of networks, of what leaves them, of audit logs and of retention that cannot be taken back."""

from typing import Any

from plan.changes import AUDIT, BUCKET, FIREWALL, NAT, POOL, Change
from plan.words import notes, tell

ATTACHMENT = "gcp:compute/networkAttachment:NetworkAttachment"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
DAY = 86_400


def change(kind: str, op: str, old: dict[str, Any], new: dict[str, Any], *paths: str) -> Change:
    return Change(op=op, type=kind, name="it", old=old, new=new, paths=paths)


def said(*changes: Change) -> str:
    return "\n".join(line for note in notes(changes) for line in note.lines())


def bucket(days: int = 0, *, locked: bool = False, age: int = 400) -> dict[str, Any]:
    policy = {"retentionPolicy": {"retentionPeriod": str(days * DAY), "isLocked": locked}} if days else {}
    rule = {"action": {"type": "Delete"}, "condition": {"age": age}}
    return {"name": "records", "lifecycleRules": [rule], **policy}


def test_a_pool_that_joins_or_leaves_a_network_is_replaced() -> None:
    pool = {"name": "warm", "resourcePools": []}
    joined = pool | {"pscInterfaceConfig": {"networkAttachment": "recsys-training"}}
    told = said(change(POOL, "replace", pool, joined, "pscInterfaceConfig"))

    assert "Pool warm is REPLACED (deleted, then created): network attachment none → recsys-training" in told
    assert "every job on it, running or queued, is cancelled" in told
    peered = pool | {"network": "projects/1/global/networks/n"}
    assert "network projects/1/global/networks/n → none" in said(change(POOL, "replace", peered, pool, "network"))


def test_a_network_that_goes_takes_the_pools_in_it_along() -> None:
    for op, verb in (("delete", "is DELETED"), ("replace", "is REPLACED: subnetworks")):
        told = said(change(ATTACHMENT, op, {"name": "att"}, {"name": "att"}, "subnetworks"))
        assert f"NetworkAttachment att {verb}" in told
        assert "the pools that have it are replaced with it" in told


def test_a_range_that_grows_is_no_replacement() -> None:
    old, new = {"name": "s", "ipCidrRange": "10.0.0.0/28"}, {"name": "s", "ipCidrRange": "10.0.0.0/24"}
    told = said(change(SUBNETWORK, "update", old, new, "ipCidrRange"))
    assert "Subnetwork s is changed in place: range 10.0.0.0/28 → 10.0.0.0/24" in told


def test_a_firewall_rule_says_what_may_leave() -> None:
    google = {"name": "r", "allows": [{"protocol": "tcp", "ports": ["443"]}], "destinationRanges": ["199.36.153.8/30"]}
    everywhere = google | {"destinationRanges": ["0.0.0.0/0"]}
    denial = {"name": "d", "denies": [{"protocol": "all"}], "destinationRanges": ["0.0.0.0/0"]}

    told = said(change(FIREWALL, "update", google, everywhere, "destinationRanges"))
    assert "Firewall rule r changes: allows tcp 443 to 199.36.153.8/30 → allows tcp 443 to 0.0.0.0/0" in told
    assert "what it denied may leave the network" in said(change(FIREWALL, "delete", denial, {}))
    assert "what it allowed is denied the network" in said(change(FIREWALL, "delete", google, {}))


def test_a_way_to_the_internet_is_told_although_it_is_merely_created() -> None:
    told = said(change(NAT, "create", {}, {"name": "nat"}))
    assert "machines in the network reach the whole Internet by HTTPS" in told
    assert "bills by the hour" in told


def test_a_lock_is_said_to_be_for_good_before_it_is() -> None:
    locking = said(change(BUCKET, "update", bucket(30), bucket(30, locked=True), "retentionPolicy"))
    assert "can be deleted or replaced before it is 30 days old" in locking
    assert "IT IS LOCKED FOR GOOD" in locking
    assert "leave `locked: false`" in locking
    assert "IT IS LOCKED FOR GOOD" in said(change(BUCKET, "create", {}, bucket(30, locked=True)))
    assert said(change(BUCKET, "create", {}, bucket(30))) == ""


def test_a_retention_that_changes_says_how_and_whether_it_can_be_taken_back() -> None:
    longer = said(change(BUCKET, "update", bucket(30), bucket(60), "retentionPolicy"))
    assert "before it is 60 days old (so far 30); who may change the bucket can shorten or remove that again" in longer
    gone = said(change(BUCKET, "update", bucket(30), bucket(0, age=100), "retentionPolicy"))
    assert "its objects can be deleted and replaced again at any age; objects are deleted after 100 days" in gone
    locked = said(change(BUCKET, "update", bucket(30, locked=True), bucket(60, locked=True), "retentionPolicy"))
    assert "what is lengthened can never be shortened" in locked


def test_a_bucket_whose_retention_is_locked_is_not_replaced_by_google() -> None:
    told = said(change(BUCKET, "replace", bucket(30, locked=True), bucket(30), "retentionPolicy"))
    assert "Its retention policy is locked: Google refuses that" in told


def test_audit_logs_say_what_is_logged_from_then_on() -> None:
    old = {"service": "storage.googleapis.com", "auditLogConfigs": [{"logType": "DATA_WRITE"}]}
    new = old | {"auditLogConfigs": [{"logType": "DATA_READ"}, {"logType": "DATA_WRITE"}]}
    more = said(change(AUDIT, "update", old, new, "auditLogConfigs"))
    assert "Audit configuration of storage.googleapis.com changes: DATA_WRITE → DATA_READ, DATA_WRITE" in more
    assert "bill by the GB" in more
    assert tell(change(AUDIT, "update", new, old, "auditLogConfigs")).money == ""
    assert "no longer logged" in said(change(AUDIT, "delete", old, {}))
