# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false, reportArgumentType=false
from datetime import timedelta
from typing import Any

import pytest
from kfp import dsl

from local.cloud.pipelines.records import TaskState
from local.cloud.pipelines.surroundings import JobRefusedError

from .compiled import compiled
from .conftest import Call, Lab, state_of, states

component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def good(x: str = "") -> str: ...


@component
def bad(x: str = "") -> str: ...


@component
def needs(x: str) -> str: ...


@component
def last(status: dsl.PipelineTaskFinalStatus): ...


def broken(call: Call) -> None:
    raise RuntimeError("no such table")


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.work = {"bad": broken, "good": lambda call: "done"}
    return lab


def test_a_failure_stops_what_needs_it_and_nothing_else(lab: Lab) -> None:
    @dsl.pipeline(name="failing")
    def failing():
        first = bad()
        good(x=first.output)
        after = good().after(first)
        good().after(after)
        good()

    run = lab.run(compiled(failing))
    assert states(run) == {
        "bad": "FAILED",
        "good": "NOT_TRIGGERED",
        "good-2": "NOT_TRIGGERED",
        "good-3": "NOT_TRIGGERED",
        "good-4": "SUCCEEDED",
    }
    assert run.state == "FAILED"
    assert run.error["message"] == "The DAG failed because some tasks failed. The failed tasks are: [bad]."
    assert "no such table" in lab.saved["bad"]["error"]["message"]


@pytest.mark.parametrize(("fail_fast", "started"), [(True, 2), (False, 3)])
def test_failing_fast_starts_nothing_more_and_failing_slow_goes_on(lab: Lab, *, fail_fast: bool, started: int) -> None:
    @dsl.pipeline(name="policy")
    def policy():
        bad()
        first = good()
        good(x=first.output)

    lab.manual = True
    run = lab.start(compiled(policy), fail_fast=fail_fast)
    run.advance()
    lab.finish("projects/acme/locations/l/customJobs/1")
    run.advance()
    lab.finish("projects/acme/locations/l/customJobs/2")
    run.advance()
    assert len(lab.calls) == started
    if not fail_fast:
        lab.finish("projects/acme/locations/l/customJobs/3")
        run.advance()
    assert run.state == "FAILED"
    assert state_of(run, "good") == "SUCCEEDED"


def test_an_exit_handler_runs_after_success_and_failure_and_is_told_which(lab: Lab) -> None:
    @dsl.pipeline(name="guarded")
    def guarded(fail: str):
        with dsl.ExitHandler(last()):
            good()
            with dsl.If(fail == "yes"):
                bad()

    statuses: list[Any] = []
    lab.work["last"] = lambda call: statuses.append(call.inputs["status"])
    assert lab.run(compiled(guarded), fail="no").state == "SUCCEEDED"
    assert lab.run(compiled(guarded), fail="yes", fail_fast=True).state == "FAILED"
    assert [status["state"] for status in statuses] == ["SUCCEEDED", "FAILED"]
    assert statuses[1]["pipelineTaskName"] == "exit-handler-1"
    assert statuses[1]["pipelineJobResourceName"].endswith("/pipelineJobs/run-1")
    assert "condition-2" in statuses[1]["error"]["message"]


def test_a_task_that_ignores_upstream_failure_runs_with_its_defaults(lab: Lab) -> None:
    @dsl.pipeline(name="ignoring")
    def ignoring():
        first = bad()
        good(x=first.output).ignore_upstream_failure()

    run = lab.run(compiled(ignoring))
    assert states(run) == {"bad": "FAILED", "good": "SUCCEEDED"}
    assert run.state == "FAILED"


def test_a_task_is_tried_again_after_a_growing_wait(lab: Lab) -> None:
    @dsl.pipeline(name="retrying")
    def retrying():
        bad().set_retry(3, backoff_duration="10s", backoff_factor=3.0, backoff_max_duration="40s")

    run = lab.start(compiled(retrying))
    waits = []
    for _ in range(4):
        run.advance()
        waits.append(round((run.wake_at() or run.time()) - run.time()))
        lab.ahead += timedelta(seconds=waits[-1] + 1)
    assert waits == [10, 30, 40, 0]
    assert run.state == "FAILED"
    assert len(lab.calls) == 4
    assert len(lab.saved["bad"]["failed_jobs"]) == 3


def test_a_retry_that_succeeds_lets_the_run_succeed(lab: Lab) -> None:
    @dsl.pipeline(name="recovering")
    def recovering():
        first = bad().set_retry(2)
        good(x=first.output)

    lab.work["bad"] = lambda call: "fine" if len(lab.calls) == 2 else broken(call)
    run = lab.run(compiled(recovering), fail_fast=True)
    assert run.state == "SUCCEEDED"
    assert [entry["state"] for entry in lab.saved["bad"]["history"]] == ["PENDING", "PENDING", "SUCCEEDED"]


@dsl.pipeline(name="flaky")
def flaky() -> str:
    first = good()
    return bad(x=first.output).output


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_nested_pipeline_is_tried_again_as_a_whole(lab: Lab, *, fail_fast: bool) -> None:
    @dsl.pipeline(name="nesting")
    def nesting():
        good(x=flaky().set_retry(2, backoff_duration="10s").output)

    tries: list[Call] = []

    def breaks_once(call: Call) -> str:
        tries.append(call)
        return "fine" if len(tries) == 2 else broken(call)

    lab.work["bad"] = breaks_once
    assert lab.run(compiled(nesting), fail_fast=fail_fast).state == "SUCCEEDED"
    assert [call.name for call in lab.calls] == ["flaky/good", "flaky/bad", "flaky/bad", "good"]
    assert lab.saved["flaky/good"]["state"] == "SKIPPED"  # what succeeded before is in the cache
    history = [entry["state"] for entry in lab.saved["flaky"]["history"]]
    assert history == ["PENDING", "RUNNING", "PENDING", "RUNNING", "SUCCEEDED"]
    assert (lab.saved["flaky#1/bad"]["state"], lab.saved["flaky/bad"]["state"]) == ("FAILED", "SUCCEEDED")


def test_a_nested_pipeline_without_an_attempt_left_fails(lab: Lab) -> None:
    @dsl.pipeline(name="nesting")
    def nesting():
        flaky().set_retry(1)

    lab.work["bad"] = broken
    assert lab.run(compiled(nesting)).state == "FAILED"
    assert [call.name for call in lab.calls] == ["flaky/good", "flaky/bad", "flaky/bad"]


def test_a_job_that_is_refused_fails_its_task_with_the_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    @dsl.pipeline(name="refused")
    def refused():
        good()

    def refuse(body: dict[str, Any], *, task: object) -> str:
        raise JobRefusedError("machineSpec.machineType does not match", 3)

    monkeypatch.setattr(lab, "submit", refuse)
    run = lab.run(compiled(refused))
    assert run.state == "FAILED"
    assert lab.saved["good"]["error"] == {"code": 3, "message": "machineSpec.machineType does not match"}


def test_cancel_ends_what_runs_and_starts_nothing_more(lab: Lab) -> None:
    @dsl.pipeline(name="cancelled")
    def cancelled():
        with dsl.ExitHandler(last()):
            first = good()
            good(x=first.output)

    lab.manual = True
    run = lab.start(compiled(cancelled))
    run.advance()
    run.cancel()
    run.advance()
    assert run.state is TaskState.CANCELLED
    assert states(run) == {"exit-handler-1": "CANCELLED", "exit-handler-1/good": "CANCELLED"}
    assert len(lab.calls) == 1


def test_an_output_of_the_wrong_type_fails_the_task_that_left_it(lab: Lab) -> None:
    @component
    def count() -> int: ...

    @dsl.pipeline(name="typed")
    def typed():
        count()

    lab.work["count"] = lambda call: "three"
    run = lab.run(compiled(typed))
    assert "output parameter 'Output': 'three' is not of type NUMBER_INTEGER" in lab.saved["count"]["error"]["message"]
    assert run.state == "FAILED"


def test_a_missing_output_fails_the_task_that_needs_it(lab: Lab) -> None:
    @dsl.pipeline(name="missing")
    def missing():
        needs(x=bad().output)

    lab.work["bad"] = lambda call: None
    lab.run(compiled(missing))
    assert "task 'bad' left no output 'Output'" in lab.saved["needs"]["error"]["message"]


def test_a_condition_that_cannot_be_decided_fails_its_task(lab: Lab) -> None:
    spec = compiled(_conditional)
    group = spec["root"]["dag"]["tasks"]["condition-1"]
    group["triggerPolicy"]["condition"] = "inputs.parameter_values['pipelinechannel--flag'] > 3"
    run = lab.run(spec, flag="yes")
    assert run.state == "FAILED"
    assert "has no meaning" in lab.saved["condition-1"]["error"]["message"]


@dsl.pipeline(name="conditional")
def _conditional(flag: str):
    with dsl.If(flag == "yes"):
        good()


def test_only_tasks_with_caching_take_their_outputs_from_an_earlier_run(lab: Lab) -> None:
    @dsl.pipeline(name="caching")
    def caching(x: str):
        good(x=x)
        good(x="always").set_caching_options(False)

    spec = compiled(caching)
    lab.run(spec, x="a")
    lab.saved.clear()
    run = lab.run(spec, x="a")
    assert states(run) == {"good": "SKIPPED", "good-2": "SUCCEEDED"}
    assert lab.saved["good"]["outputs"]["parameters"] == {"Output": "done"}
    lab.saved.clear()
    assert states(lab.run(spec, x="b"))["good"] == "SUCCEEDED"


def test_a_failed_task_is_not_cached(lab: Lab) -> None:
    @dsl.pipeline(name="caching-failure")
    def caching_failure():
        bad()

    spec = compiled(caching_failure)
    lab.run(spec)
    lab.run(spec)
    assert len(lab.calls) == 2


def test_a_cached_artifact_that_is_gone_is_made_again(lab: Lab) -> None:
    @component
    def make(out: dsl.Output[dsl.Model]): ...

    @dsl.pipeline(name="gone")
    def gone():
        make()

    lab.work["make"] = lambda call: call.output_path("out").write_text("x") and None
    spec = compiled(gone)
    lab.run(spec)
    assert states(lab.run(spec)) == {"make": "SKIPPED"}
    for path in lab.root.glob("bucket/root/**/out"):
        path.unlink()
    assert states(lab.run(spec)) == {"make": "SUCCEEDED"}
