"""What a planned change does to capacity, money and data, and what to do instead.

Owns the sentences' shape and which rule speaks of which type. The sentences themselves: pool_words, schedule_words,
data_words, access_words, network_words. A change that no rule knows is still named, with the properties that differ.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from plan import access_words, data_words, network_words, pool_words, schedule_words
from plan.changes import (
    ACCOUNT,
    AUDIT,
    BUCKET,
    CRYPTO_KEY,
    CUSTOM_ROLE,
    DATASET,
    FIREWALL,
    IDENTITY_POOL,
    KEY_RING,
    NAT,
    NETWORKS,
    POOL,
    SCHEDULE,
    TABLE,
    Change,
)
from plan.notes import Note, plainly

_RULES: dict[str, Callable[[Change], Note]] = {
    POOL: pool_words.tell,
    SCHEDULE: schedule_words.tell,
    BUCKET: data_words.tell_bucket,
    DATASET: data_words.tell_dataset,
    TABLE: data_words.tell_table,
    ACCOUNT: access_words.tell_account,
    AUDIT: access_words.tell_audit,
    FIREWALL: network_words.tell_firewall,
    NAT: network_words.tell_nat,
    **dict.fromkeys(NETWORKS, network_words.tell),
    KEY_RING: access_words.tell_key_ring,
    CRYPTO_KEY: access_words.tell_key,
    CUSTOM_ROLE: access_words.tell_role,
    IDENTITY_POOL: access_words.tell_identity_pool,
}


@dataclass(frozen=True)
class Place:
    """Where a stack lies; "" where it is not known."""

    project: str
    region: str


def notes(changes: Iterable[Change], *, was: Place | None = None, will_be: Place | None = None) -> list[Note]:
    """The most destructive first. What is merely created beside others is left to the tree, unless it is for good or
    opens the network."""
    found = [note for note in (_moved(was, will_be),) if note]
    told = [tell(change) for change in sorted(changes, key=_weight) if change.op != "create" or _matters(change)]
    return found + told


def tell(change: Change) -> Note:
    note = _RULES.get(change.type, _tell_any)(change)
    if change.only_the_providers_labels:
        note = note.because(
            "gcp:defaultLabels, the provider's default labels, changed: no resource asked for it. Take them out of the "
            "configuration and label what may be labelled in the program"
        )
    if change.protected and change.destructive:
        note = note.because("It is protected: `up` refuses this plan as it stands")
    return note


def _tell_any(change: Change) -> Note:
    if change.is_grant:
        return access_words.tell_grant(change)
    return plainly(change)


def _matters(created: Change) -> bool:
    return created.type == NAT or (created.type == BUCKET and data_words.is_locked(created.new))


def _weight(change: Change) -> tuple[int, int, str, str]:
    kinds = [POOL, DATASET, TABLE, BUCKET, CRYPTO_KEY, ACCOUNT, SCHEDULE]
    return (
        0 if change.destructive else 1,
        kinds.index(change.type) if change.type in kinds else len(kinds),
        change.type,
        change.name,
    )


def _moved(was: Place | None, will_be: Place | None) -> Note | None:
    """A stack that is sent to another project or region: nothing moves, everything is made anew."""
    if was is None or will_be is None or not was.project:
        return None
    if was.project != will_be.project:
        return Note(
            f"The project changes: {was.project} → {will_be.project}",
            data=f"nothing is moved: what lies in {was.project} is deleted where this plan can, the rest stays there "
            "without an owner, and the stack starts empty",
            instead=f"keep gcp:project: {was.project} in this stack's file, and give {will_be.project} its own stack",
        )
    if was.region != will_be.region:
        return Note(
            f"The region changes: {was.region} → {will_be.region}",
            capacity=f"the pools' machines go back to the market in {was.region}; {will_be.region} has its own quota",
            data="bucket and datasets cannot move: they are deleted and created empty",
            instead="a second stack in the new region, data copied, then the first one taken down",
        )
    return None
