"""A run without processes: each job is a Python function that the test gives by task name."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.cloud.pipelines.records import TaskRecord, TaskState
from local.cloud.pipelines.run import Run
from local.cloud.pipelines.spec import PipelineSpec, bound_parameters, problems_of
from local.cloud.pipelines.surroundings import JobRefusedError, JobView, RunContext, Surroundings
from local.cloud.pipelines.values import Artifact, Values

Work = Callable[["Call"], Any]


@dataclass
class Call:
    """What a job was given: the job's body and, where it is a KFP component, its executor input."""

    name: str
    body: dict[str, Any]
    lab: "Lab"

    @property
    def argv(self) -> list[str]:
        pools = self.body.get("job_spec", {}).get("worker_pool_specs")
        container = pools[0]["container_spec"] if pools else self.body["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
        return [*container.get("command", []), *container.get("args", [])]

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.argv[self.argv.index("--executor_input") + 1])

    @property
    def inputs(self) -> dict[str, Any]:
        return self.told["inputs"]["parameterValues"]

    def leave(self, **outputs: Any) -> None:
        """Write output parameters as KFP's executor does."""
        path = self.lab.local(self.told["outputs"]["outputFile"])
        path.write_text(json.dumps({"parameterValues": outputs, "artifacts": {}}))

    def input_paths(self, name: str) -> list[Path]:
        artifacts = self.told["inputs"]["artifacts"][name]["artifacts"]
        return [self.lab.path_of(artifact["uri"]) for artifact in artifacts]

    def output_path(self, name: str) -> Path:
        return self.lab.path_of(self.told["outputs"]["artifacts"][name]["artifacts"][0]["uri"])


@dataclass
class Lab:
    """Runs specs. `work` by task name; a job ends when `finish` is called, at once by default."""

    root: Path
    work: dict[str, Work] = field(default_factory=dict)
    manual: bool = False
    jobs: dict[str, JobView] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)
    ahead: timedelta = timedelta()

    def path_of(self, uri: str) -> Path:
        return self.root / uri.removeprefix("gs://")

    def local(self, mounted: str) -> Path:
        return self.root / mounted.removeprefix("/gcs/")

    def submit(self, body: dict[str, Any], *, task: TaskRecord) -> str:
        name = f"projects/acme/locations/l/customJobs/{len(self.calls) + 1}"
        call = Call(task.path, body, self)
        self.calls.append(call)
        self.jobs[name] = JobView("JOB_STATE_RUNNING")
        if not self.manual:
            self.finish(name)
        return name

    def finish(self, name: str) -> None:
        call = self.calls[int(name.rsplit("/", 1)[-1]) - 1]
        work = self.work.get(call.name) or self.work.get(call.name.rsplit("/", 1)[-1]) or (lambda _: None)
        try:
            left = work(call)
            if left is not None:
                call.leave(**(left if isinstance(left, dict) else {"Output": left}))
            self.jobs[name] = JobView("JOB_STATE_SUCCEEDED")
        except JobRefusedError:
            raise
        except Exception as error:
            self.jobs[name] = JobView("JOB_STATE_FAILED", {"code": 3, "message": str(error)})

    def view(self, name: str) -> JobView | None:
        return self.jobs.get(name)

    def cancel(self, name: str) -> None:
        self.jobs[name] = JobView("JOB_STATE_CANCELLED", {"code": 1, "message": "CANCELED"})

    def artifact(self, artifact: Artifact) -> Artifact:
        return artifact

    def find_artifact(self, uri: str, schema_title: str) -> Artifact | None:
        return None

    def begin(self, record: TaskRecord) -> str:
        return f"executions/{record.id}"

    def end(self, record: TaskRecord) -> None: ...

    def start(self, spec: dict[str, Any], *, fail_fast: bool = False, resume: bool = False, **parameters: Any) -> Run:
        assert problems_of(spec) == []
        values, problems = bound_parameters(spec["root"], parameters)
        assert problems == []
        context = RunContext(
            "projects/acme/locations/l/pipelineJobs/run-1", "123", "gs://bucket/root", values, fail_fast=fail_fast
        )
        around = Surroundings(
            jobs=self,
            lineage=self,
            path_of=self.path_of,
            save=lambda record: self.saved.update({record.path: json.loads(json.dumps(record.to_json()))}),
            cached=lambda mark: Values.of_json(self.cache[mark]) if mark in self.cache else None,
            keep=lambda mark, values: self.cache.update({mark: values.to_json()}),
            now=lambda: datetime.now(UTC) + self.ahead,
        )
        records = [TaskRecord.of_json(body) for body in self.saved.values()] if resume else []
        return Run(PipelineSpec(spec), context, around, records)

    def run(self, spec: dict[str, Any], **options: Any) -> Run:
        """Start and go on until it ends; waits for retries are skipped."""
        run = self.start(spec, **options)
        for _ in range(1000):
            run.advance()
            if run.state.final:
                return run
            wake = run.wake_at()
            assert wake is not None, f"stuck: {states(run)}"
            self.ahead += timedelta(seconds=max(0.0, wake - run.time()) + 0.001)
        raise AssertionError("it does not end")

    def ran(self) -> list[str]:
        return [call.name for call in self.calls]


def states(run: Run) -> dict[str, str]:
    """The state of each task of a run, by path."""
    return {record.path: record.state.value for record in run.records if record.path}


def state_of(run: Run, path: str) -> TaskState:
    return next(record.state for record in run.records if record.path == path)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
