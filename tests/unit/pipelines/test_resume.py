# pyright: reportOptionalMemberAccess=false
from kfp import dsl

from .compiled import compiled
from .conftest import Lab, states

component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def step(x: int) -> int: ...


@dsl.pipeline(name="resumed")
def resumed(n: int = 3):
    first = step(x=n).set_caching_options(False)
    with dsl.If(first.output > 3), dsl.ParallelFor([1, 2, 3]) as item:
        step(x=item).set_caching_options(False)
    with dsl.If(first.output > 100):
        step(x=0)


def test_a_run_goes_on_where_a_killed_cloud_left_it(lab: Lab) -> None:
    """Killed after each number of finished jobs, the run ends as if nothing had happened, and repeats no job."""
    lab.work = {"step": lambda call: call.inputs["x"] + 1}
    whole = states(lab.run(compiled(resumed)))
    for killed_after in range(5):
        again = Lab(lab.root / str(killed_after), work={**lab.work, "step-2": lambda call: 1}, manual=True)
        run = again.start(compiled(resumed))
        for finished in range(killed_after):
            run.advance()
            again.finish(f"projects/acme/locations/l/customJobs/{finished + 1}")
        run.advance()
        del run
        run = again.start(compiled(resumed), resume=True)
        for _ in range(10):
            run.advance()
            for name in [name for name, view in again.jobs.items() if view.state == "JOB_STATE_RUNNING"][:1]:
                again.finish(name)
        assert states(run) == whole
        assert len(again.calls) == 4


def test_a_run_that_had_ended_is_not_started_again(lab: Lab) -> None:
    lab.work = {"step": lambda call: 0}
    lab.run(compiled(resumed))
    jobs = len(lab.calls)
    run = lab.start(compiled(resumed), resume=True)
    run.advance()
    assert run.state == "SUCCEEDED"
    assert len(lab.calls) == jobs


def test_a_run_that_was_being_cancelled_ends_what_still_runs_and_starts_nothing(lab: Lab) -> None:
    lab.manual = True
    lab.start(compiled(resumed)).advance()
    run = lab.start(compiled(resumed), resume=True)
    run.cancelled = True
    run.advance()
    assert run.state == "CANCELLED"
    assert states(run) == {"step": "CANCELLED"}
    assert lab.jobs["projects/acme/locations/l/customJobs/1"].state == "JOB_STATE_CANCELLED"


def test_a_job_that_was_lost_with_the_cloud_fails_its_task(lab: Lab) -> None:
    lab.manual = True
    lab.start(compiled(resumed)).advance()
    lab.jobs.clear()
    run = lab.start(compiled(resumed), resume=True)
    run.advance()
    assert run.state == "FAILED"
    assert "customJobs/1 is gone" in lab.saved["step"]["error"]["message"]
