import pytest

from local.cloud.jobs.restarts import Cause, Restarts, Step
from local.cloud.jobs.spec import Job, Strategy


def job(**more: object) -> Job:
    return Job("projects/p/locations/l/customJobs/1", (), **more)  # type: ignore[arg-type]


def steps(wanted: Job, cause: Cause, count: int, task: str = "workerpool1-0") -> list[Step]:
    restarts = Restarts()
    return [restarts.after(wanted, cause, task) for _ in range(count)]


@pytest.mark.parametrize("cause", [Cause.EXIT, Cause.OUT_OF_MEMORY])
def test_a_permanent_error_ends_the_job_at_once(cause: Cause) -> None:
    assert steps(job(), cause, 1) == [Step.END]


def test_a_lost_replica_starts_again_five_times_then_its_job_three_times() -> None:
    expected = ([Step.REPLICA] * 5 + [Step.JOB]) * 3 + [Step.REPLICA] * 5 + [Step.END]
    assert steps(job(), Cause.MACHINE_LOST, len(expected)) == expected


def test_each_replica_has_five_restarts_of_its_own() -> None:
    restarts = Restarts()
    found = [restarts.after(job(), Cause.MACHINE_LOST, f"workerpool1-{index % 2}") for index in range(10)]
    assert found == [Step.REPLICA] * 10


def test_restart_job_on_worker_restart_starts_the_whole_job_with_each_lost_replica() -> None:
    found = steps(job(restart_on_worker_restart=True), Cause.MACHINE_LOST, 24)
    assert found == [Step.JOB] * 23 + [Step.END]


@pytest.mark.parametrize(
    ("cause", "strategy", "most"),
    [
        (Cause.CRASH, Strategy.STANDARD, 3),
        (Cause.STOCK_OUT, Strategy.STANDARD, 3),
        (Cause.SERVICE, Strategy.STANDARD, 2),
        (Cause.PREEMPTED, Strategy.SPOT, 6),
        (Cause.STOCK_OUT, Strategy.SPOT, 6),
    ],
)
def test_a_job_starts_again_as_often_as_its_cause_allows(cause: Cause, strategy: Strategy, most: int) -> None:
    assert steps(job(strategy=strategy), cause, most + 1) == [Step.JOB] * most + [Step.END]


def test_pre_emptions_and_stock_outs_of_a_spot_job_count_together() -> None:
    restarts, spot = Restarts(), job(strategy=Strategy.SPOT)
    causes = [Cause.PREEMPTED, Cause.STOCK_OUT] * 3
    assert [restarts.after(spot, cause) for cause in causes] == [Step.JOB] * 6
    assert restarts.after(spot, Cause.PREEMPTED) is Step.END


@pytest.mark.parametrize("cause", [Cause.CRASH, Cause.MACHINE_LOST, Cause.PREEMPTED, Cause.SERVICE])
def test_disable_retries_restarts_nothing_that_has_started(cause: Cause) -> None:
    wanted = job(disable_retries=True, restart_on_worker_restart=True, strategy=Strategy.SPOT)
    assert steps(wanted, cause, 1) == [Step.END]
    assert steps(wanted, Cause.STOCK_OUT, 1) == [Step.JOB]
