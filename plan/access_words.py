"""Accounts and grants in a plan: who can do what no longer."""

from collections.abc import Mapping
from typing import Any

from plan.changes import Change
from plan.notes import Note, arrow, plainly


def tell_account(change: Change) -> Note:
    old, new = change.old.get("accountId"), change.new.get("accountId")
    if change.op == "replace":
        return Note(
            f"Service account is REPLACED: {arrow(old, new)}",
            capacity=f"jobs that run as {old} fail at their next call; schedules and jobs that name it are refused",
            data=f"grants outside of this stack stay with {old} and are lost to {new}",
            instead=f"declare {new} beside {old}, move what runs as it, then drop {old}",
        )
    if change.op == "delete":
        return Note(
            f"Service account {old} is DELETED",
            capacity="jobs that run as it fail at their next call",
            instead="`gcloud iam service-accounts undelete` brings it back for 30 days; created anew under its name "
            "it is another account, which old grants do not know",
        )
    return Note(f"Service account {old or new} is changed in place: {', '.join(change.paths) or 'its options'}")


def tell_audit(change: Change) -> Note:
    service = change.old.get("service") or change.new.get("service")
    if change.op == "delete":
        return Note(
            f"Audit configuration of {service} is DELETED",
            data="accesses to its data are no longer logged; what is logged stays as long as it is kept",
        )
    kinds = [", ".join(_kinds(side)) for side in (change.old, change.new)]
    return Note(
        f"Audit configuration of {service} changes: {arrow(*kinds)}",
        money="data access logs bill by the GB" if len(_kinds(change.new)) > len(_kinds(change.old)) else "",
        data="it is all that the project's policy says of this service: what others declared there is replaced",
    )


def _kinds(inputs: Mapping[str, Any]) -> list[str]:
    return sorted(str(each.get("logType")) for each in inputs.get("auditLogConfigs") or [])


def tell_grant(change: Change) -> Note:
    if change.op == "delete":
        return Note(f"{_who(change.old)} loses {change.old.get('role')} ({change.name})")
    if change.op == "replace":
        return Note(
            f"Grant {change.name} is replaced: {_who(change.old)}, {change.old.get('role')} → "
            f"{_who(change.new)}, {change.new.get('role')}",
            capacity="for a moment both exist or neither does: calls in between may be refused",
        )
    return Note(f"{_who(change.new)} gets {change.new.get('role')} ({change.name})")


def tell_key_ring(change: Change) -> Note:
    if change.op != "delete":
        return plainly(change)
    return Note(
        f"Key ring {change.old.get('name')} leaves the stack",
        instead="Google keeps rings for ever: the next `up` of this name must import it (docs/runbook.md)",
    )


def tell_key(change: Change) -> Note:
    if change.op != "delete":
        return plainly(change)
    days = int(str(change.old.get("destroyScheduledDuration") or "2592000s").removesuffix("s")) // 86_400
    return Note(
        f"Key {change.old.get('name')} is DELETED: its versions are destroyed in {days} days",
        data=f"after {days} days nobody can read what it has encrypted, old versions and soft-deleted objects included",
        instead=f"`gcloud kms keys versions restore` takes it back within {days} days; the key's name stays for ever",
    )


def tell_role(change: Change) -> Note:
    if change.op != "delete":
        return plainly(change)
    return Note(
        f"Custom role {change.old.get('roleId')} is DELETED",
        capacity="whoever holds it can do nothing by it any more",
        instead="`gcloud iam roles undelete` brings it back for 7 days, as does the next `up`; its id is taken for 37",
    )


def tell_identity_pool(change: Change) -> Note:
    if change.op != "delete":
        return plainly(change)
    return Note(
        f"Workload identity pool {change.old.get('workloadIdentityPoolId')} is DELETED",
        capacity="workflows that deploy and plan by it are refused",
        instead="`gcloud iam workload-identity-pools undelete` brings it back for 30 days, which keep its id",
    )


def _who(inputs: object) -> str:
    return str(getattr(inputs, "get", lambda _: None)("member") or "somebody")
