"""What the pools of a stack must satisfy: each on its own, beside one another, and with the schedules that use them.

Pure. Does not own: which machines exist (infra/machines.py), the rest of a schedule (infra/rules.py).
"""

from collections.abc import Iterator, Sequence

from contracts.problems import Problem
from infra import limits, machines
from infra.refusals import broken, named_after, problem
from infra.stack_config import PoolSettings, ScheduleSettings, config_key

ON_TRAINING_POOL = "pool"
ELSEWHERE = ("on-demand", "spot", "flex-start")
_TRAINING, _FURTHER, _STEPS = map(config_key, ("training_pool", "further_training_pools", "steps_pool"))
_SCHEDULES = config_key("schedules")


def training_pool(pool: PoolSettings, region: str) -> Iterator[Problem]:
    yield from _pool(_TRAINING, pool, region)


def further_training_pools(pools: Sequence[PoolSettings], region: str) -> Iterator[Problem]:
    for key, pool in _further(pools):
        yield from _pool(key, pool, region)


def steps_pool(pool: PoolSettings, region: str) -> Iterator[Problem]:
    yield from _pool(_STEPS, pool, region)


def _further(pools: Sequence[PoolSettings]) -> list[tuple[str, PoolSettings]]:
    return [(f"{_FURTHER}[{index}]", pool) for index, pool in enumerate(pools)]


def _pool(key: str, pool: PoolSettings, region: str) -> Iterator[Problem]:
    name_rule = limits.name_rule("persistent resource", pool.name)
    yield from broken(
        f"{key}.persistentResourceId-generation", pool.name, name_rule, "Shorten or correct the id or the generation"
    )
    yield from _retiring(key, pool)
    yield from _machine(key, pool, region)
    if pool.boot_disk_size_gb not in limits.DISK_GB:
        rule = f"a boot disk has {limits.DISK_GB[0]} to {limits.DISK_GB[-1]} GB"
        yield problem(f"{key}.bootDiskSizeGb", pool.boot_disk_size_gb, rule, "Set a size in that range")
    counts = (pool.replicas, pool.min_replicas, pool.max_replicas)
    yield from broken(
        f"{key}.replicas, minReplicas, maxReplicas",
        counts,
        limits.replicas_rule(*counts),
        "Set all three to the same number for a pool of fixed size",
    )


def _retiring(key: str, pool: PoolSettings) -> Iterator[Problem]:
    key = f"{key}.retiringGeneration"
    if not pool.retiring_generation:
        return
    if pool.retiring_generation == pool.generation:
        rule = "is the current generation, which jobs run on"
        yield problem(key, pool.retiring_generation, rule, 'Name the predecessor, or set it to ""')
    else:
        rule = named_after("persistent resource", pool.retiring_name)
        yield from broken(key, pool.retiring_generation, rule, 'Name the predecessor, or set it to ""')


def _machine(key: str, pool: PoolSettings, region: str) -> Iterator[Problem]:
    machine = pool.machine_type
    unknown = machines.machine_rule(machine)
    yield from broken(
        f"{key}.machineType", machine, unknown, "Choose one, or add what Google offers anew to infra/machines.py"
    )
    if unknown:
        return
    if region in limits.VERTEX_REGIONS:
        offered = machines.machine_region_rule(machine, region)
        yield from broken(f"{key}.machineType", machine, offered, "Choose another machine or another gcp:region")
    accelerator = machines.accelerator_rule(machine, pool.accelerator_type, pool.accelerator_count)
    asked = f"{pool.accelerator_count} x {pool.accelerator_type}"
    yield from broken(f"{key}.acceleratorCount x acceleratorType", asked, accelerator, 'Set both ("" and 0 for none)')
    disk = machines.disk_rule(machine, pool.boot_disk_type)
    yield from broken(f"{key}.bootDiskType", pool.boot_disk_type, disk, "Set one of these")


def beside_one_another(
    training: PoolSettings, further: Sequence[PoolSettings], steps: PoolSettings
) -> Iterator[Problem]:
    """No two resources have one name."""
    taken: dict[str, str] = {}
    for key, whose, pool in (
        (_TRAINING, "training pool's", training),
        *((key, f"{key}'s", pool) for key, pool in _further(further)),
        (_STEPS, "steps pool's", steps),
    ):
        for name in dict.fromkeys((pool.name, pool.retiring_name)):
            if name and name in taken:
                rule = f"is the {taken[name]} name too"
                yield problem(f"{key}.persistentResourceId", name, rule, "Give each pool a name of its own")
        taken |= {pool.retiring_name: f"retiring {whose}", pool.name: whose}


def ids(training: PoolSettings, further: Sequence[PoolSettings]) -> Iterator[Problem]:
    """What `runOn` and `--pool` call a training pool by; its generations share it."""
    known: set[str] = set()
    for key, pool in ((_TRAINING, training), *_further(further)):
        called = pool.persistent_resource_id
        if called in (ON_TRAINING_POOL, *ELSEWHERE):
            rule = "is a word that runOn has for something else"
            yield problem(f"{key}.persistentResourceId", called, rule, "Rename the pool")
        elif called in known:
            rule = "is another training pool's too: neither runOn nor --pool could tell them apart"
            yield problem(f"{key}.persistentResourceId", called, rule, "Rename one; `generation` is for successors")
        known.add(called)


def run_on(
    schedules: Sequence[ScheduleSettings], training: PoolSettings, further: Sequence[PoolSettings]
) -> Iterator[Problem]:
    known = (ON_TRAINING_POOL, *(pool.persistent_resource_id for pool in (training, *further)), *ELSEWHERE)
    for index, schedule in enumerate(schedules):
        if schedule.run_on not in known:
            fix = f"Choose one, or declare the pool in {_FURTHER}"
            rule = f"must be one of {', '.join(known)}"
            yield problem(f"{_SCHEDULES}[{index}].runOn", schedule.run_on, rule, fix)


def training_concurrency(
    schedules: Sequence[ScheduleSettings], training: PoolSettings, further: Sequence[PoolSettings]
) -> Iterator[Problem]:
    """A run's training job holds a replica of the pool that it is sent to; what runs elsewhere holds none."""
    yield from _concurrency(_TRAINING, training, schedules, (ON_TRAINING_POOL, training.persistent_resource_id))
    for key, pool in _further(further):
        yield from _concurrency(key, pool, schedules, (pool.persistent_resource_id,))


def steps_concurrency(schedules: Sequence[ScheduleSettings], steps: PoolSettings) -> Iterator[Problem]:
    """Each run holds one replica at a time: its steps follow one another."""
    yield from _concurrency(_STEPS, steps, schedules, None)


def _concurrency(
    pool_key: str, pool: PoolSettings, schedules: Sequence[ScheduleSettings], called: Sequence[str] | None
) -> Iterator[Problem]:
    """`called`: what runOn says of schedules that hold replicas of the pool; None where all do."""
    if pool.hibernated or pool.max_replicas < 1:
        return
    holding = [(index, each) for index, each in enumerate(schedules) if called is None or each.run_on in called]
    rule = f"{pool_key} has at most {pool.max_replicas} replica(s), one for each run"
    fix = "Lower it or raise the pool's maxReplicas (which replaces the pool)"
    for index, schedule in holding:
        if schedule.max_concurrent_runs > pool.max_replicas:
            key = f"{_SCHEDULES}[{index}].maxConcurrentRuns"
            yield problem(key, schedule.max_concurrent_runs, rule, fix)
    together = sum(schedule.max_concurrent_runs for _, schedule in holding if not schedule.paused)
    if together > pool.max_replicas and all(s.max_concurrent_runs <= pool.max_replicas for _, s in holding):
        yield problem(f"{_SCHEDULES}: maxConcurrentRuns together", together, rule, fix)
