"""Which waiting jobs may start now. Pure.

A job starts when all its replicas fit, in the order of arrival for each pool that it wants: a small job does not
overtake a large one that waits for the same machines. The host's own limit holds over all pools, so that it is queued
and not overloaded.
"""

from collections.abc import Callable, Iterable, Mapping

from local.cloud.jobs.spec import Job, PoolSlot


def startable(
    waiting: Iterable[Job],
    *,
    used: Mapping[PoolSlot | None, int],
    limit: Callable[[PoolSlot], int],
    host_limit: int,
) -> list[Job]:
    """The jobs of `waiting`, oldest first, that fit beside what is `used`. A job larger than the host runs alone."""
    taken = dict(used)
    blocked: set[PoolSlot | None] = set()
    chosen = []
    for job in waiting:
        demand = job.demand()
        total, busy = sum(demand.values()), sum(taken.values())
        host_full = busy > 0 and busy + total > host_limit
        fits = all(slot is None or taken.get(slot, 0) + count <= limit(slot) for slot, count in demand.items())
        if host_full:
            break  # it is the oldest that wants the host: later ones wait behind it
        if blocked & demand.keys() or not fits:
            blocked |= demand.keys() - {None}
            continue
        chosen.append(job)
        for slot, count in demand.items():
            taken[slot] = taken.get(slot, 0) + count
    return chosen
