"""Quality by kind of user and by kind of item: groups of users that are evaluated.

Owns: where the groups are cut. Does not own: what is measured in them. Groups follow from the events that may be
learned from: activity is how many of those a user has, in quarters of the users; popularity is how many of those the
held-out item has, in thirds of all events, so that a few best-sellers weigh as much as the many items of the tail.

Shapes: U users, V items.
"""

from typing import NamedTuple

import numpy as np

from train.data import TEST, Sequences

ACTIVITY = "user_activity"
POPULARITY = "item_popularity"
NEW, TAIL, MIDDLE, HEAD = "new", "tail", "middle", "head"
_QUARTERS = (0.25, 0.5, 0.75)


class Slice(NamedTuple):
    """A group of evaluated users: their places among those."""

    name: str
    members: np.ndarray


def by_activity(sequences: Sequences, users: np.ndarray) -> list[Slice]:
    """The users from the least to the most active; fewer than four groups where many have the same number of events."""
    events_U = sequences.train_lengths_U[users]
    cuts = np.unique(np.quantile(events_U, _QUARTERS, method="lower"))
    group_U = np.searchsorted(cuts, events_U, side="left")
    found = []
    for group in range(len(cuts) + 1):
        members = np.flatnonzero(group_U == group)
        if len(members):
            low, high = events_U[members].min(), events_U[members].max()
            found.append(Slice(f"{low} events" if low == high else f"{low} to {high} events", members))
    return found


def popularity_groups(train_counts_V: np.ndarray) -> dict[str, np.ndarray]:
    """Which items are best-sellers, in the middle, in the tail, or without any event to learn from, as masks over V."""
    order_V = np.argsort(-train_counts_V, kind="stable")
    before_V = np.empty(len(train_counts_V))
    before_V[order_V] = np.cumsum(train_counts_V[order_V]) - train_counts_V[order_V]
    share_V = before_V / max(1, train_counts_V.sum())
    known_V = train_counts_V > 0
    return {
        HEAD: known_V & (share_V < 1 / 3),
        MIDDLE: known_V & (share_V >= 1 / 3) & (share_V < 2 / 3),
        TAIL: known_V & (share_V >= 2 / 3),
        NEW: ~known_V,
    }


def by_popularity(sequences: Sequences, users: np.ndarray) -> list[Slice]:
    """The users by the popularity of their test item; groups without any are left out."""
    target_U = sequences.items_N[sequences.offsets_U1[users + 1] - TEST]
    groups = popularity_groups(sequences.train_counts_V)
    found = [Slice(name, np.flatnonzero(is_in_V[target_U])) for name, is_in_V in groups.items()]
    return [group for group in found if len(group.members)]
