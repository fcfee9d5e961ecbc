from local.cloud.jobs.queue import startable
from local.cloud.jobs.spec import Job, PoolSlot, WorkerPool

POOL = PoolSlot("pr", "a")
OTHER = PoolSlot("pr", "b")


def job(name: str, *wants: tuple[PoolSlot | None, int]) -> Job:
    return Job(f"projects/p/locations/l/customJobs/{name}", tuple(WorkerPool(n, "i", [], [], {}, s) for s, n in wants))


def started(waiting: list[Job], used: dict[PoolSlot | None, int] | None = None, host: int = 100) -> list[str]:
    return [each.id for each in startable(waiting, used=used or {}, limit=lambda slot: 2, host_limit=host)]


def test_jobs_start_in_order_while_replicas_are_free() -> None:
    assert started([job("1", (POOL, 1)), job("2", (POOL, 1)), job("3", (POOL, 1))]) == ["1", "2"]


def test_a_small_job_does_not_overtake_a_large_one_on_the_same_pool() -> None:
    waiting = [job("large", (POOL, 2)), job("small", (POOL, 1)), job("elsewhere", (OTHER, 1)), job("demand", (None, 1))]
    assert started(waiting, {POOL: 1}) == ["elsewhere", "demand"]


def test_a_job_over_two_pools_waits_for_both_and_holds_its_place_in_both() -> None:
    waiting = [job("both", (POOL, 1), (OTHER, 1)), job("late", (OTHER, 1))]
    assert started(waiting, {POOL: 2}) == []


def test_the_host_s_limit_queues_what_it_cannot_hold() -> None:
    waiting = [job("1", (None, 2)), job("2", (POOL, 1)), job("3", (None, 1))]
    assert started(waiting, host=3) == ["1", "2"]


def test_a_job_larger_than_the_host_runs_alone() -> None:
    assert started([job("huge", (None, 9))], host=3) == ["huge"]
    assert started([job("huge", (None, 9))], {POOL: 1}, host=3) == []
