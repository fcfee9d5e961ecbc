"""The network in a plan: what its change does to the pools in it, and to what may leave it."""

from collections.abc import Mapping
from typing import Any

from plan.changes import Change
from plan.notes import Note, arrow

_POOLS = "the pools that have it are replaced with it: every job on them is cancelled"


def tell(change: Change) -> Note:
    """Networks, subnetworks, attachments, reserved ranges and connections: what pools hang on."""
    name = change.old.get("name") or change.new.get("name") or change.old.get("network") or change.name
    if change.destructive:
        verb = "DELETED" if change.op == "delete" else "REPLACED"
        why = f": {', '.join(change.paths)}" if change.op == "replace" and change.paths else ""
        return Note(
            f"{change.kind} {name} is {verb}{why}",
            capacity=f"{_POOLS}; one that stays in it keeps Google from deleting it",
            instead="change it while no job runs on them",
        )
    grown = change.differs("ipCidrRange")
    why = f"range {arrow(*_both(change, 'ipCidrRange'))}" if grown else ", ".join(change.paths) or "its options"
    return Note(f"{change.kind} {name} is changed in place: {why}")


def tell_firewall(change: Change) -> Note:
    """What may leave the network from then on."""
    name = change.old.get("name") or change.new.get("name") or change.name
    if change.op == "delete":
        lost = "what it denied may leave" if change.old.get("denies") else "what it allowed is denied"
        return Note(f"Firewall rule {name} is DELETED: {lost} the network from then on")
    if change.op == "create":
        return Note(f"Firewall rule {name} is created: {_says(change.new)}")
    return Note(f"Firewall rule {name} changes: {arrow(_says(change.old), _says(change.new))}")


def tell_nat(change: Change) -> Note:
    name = change.old.get("name") or change.new.get("name") or change.name
    if change.op == "delete":
        return Note(f"NAT gateway {name} is DELETED", capacity="nothing in the network reaches the Internet any more")
    return Note(
        f"NAT gateway {name} is {'created' if change.op == 'create' else 'changed'}",
        money="a gateway bills by the hour and by the GB that passes it",
        data="machines in the network reach the whole Internet by HTTPS",
    )


def _both(change: Change, key: str) -> tuple[Any, Any]:
    return change.old.get(key), change.new.get(key)


def _says(rule: Mapping[str, Any]) -> str:
    allowed, denied = rule.get("allows") or [], rule.get("denies") or []
    ports = ", ".join(
        f"{each.get('protocol')} {','.join(each.get('ports') or [])}".strip() for each in [*allowed, *denied]
    )
    where = ", ".join(rule.get("destinationRanges") or rule.get("sourceRanges") or [])
    return f"{'allows' if allowed else 'denies'} {ports} to {where}"
