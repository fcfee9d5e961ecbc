"""The pipeline: extract, validate, train, evaluate, gate, register and, where the gate says so, promote.

Owns: the graph, its parameters and their defaults. Does not own: what a step does (pipeline/steps, the trainer), the
jobs that steps become (custom_jobs.py), or where the compiled pipeline is kept (infra).

A step reads and writes under addresses that follow from the run's id, so no step may be answered from a cache: caching
is off.
"""

# pyright: reportInvalidTypeForm=false

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from google.protobuf import json_format

from contracts.stack_outputs import PlatformFacts
from pipeline import custom_jobs as jobs
from pipeline.gate import PROMOTE
from pipeline.kubeflow import OutputPath, build_serverless_customjob_container_spec, dsl


class _Machine(NamedTuple):
    """The parameters, or the values, of the machine that training and evaluation ask for."""

    machine_type: Any
    accelerator_type: Any
    accelerator_count: Any
    boot_disk_type: Any
    boot_disk_size_gb: Any


def compile_pipeline(facts: PlatformFacts, *, on_demand: Collection[str] = ()) -> dict[str, Any]:
    """The compiled PipelineSpec: the same for the same facts. Steps named in `on_demand` never use a pool."""
    unknown = sorted(set(on_demand) - set(jobs.STEPS))
    if unknown:
        raise ValueError(f"on_demand = {unknown}: the steps are {', '.join(jobs.STEPS)}")
    spec = json_format.MessageToDict(_pipeline(facts, frozenset(on_demand)).pipeline_spec)
    return _plain(spec)


def _pipeline(facts: PlatformFacts, on_demand: frozenset[str]) -> Any:
    make = _StepComponents(facts, on_demand)
    machine = jobs.machine_defaults(facts.training_pool)

    @dsl.pipeline(name=jobs.PIPELINE, description="Continuous training of a recommender on a warm pool")
    def recsys_training(
        machine_type: str = machine["machine_type"],
        accelerator_type: str = machine["accelerator_type"],
        accelerator_count: int = machine["accelerator_count"],
        boot_disk_type: str = machine["boot_disk_type"],
        boot_disk_size_gb: int = machine["boot_disk_size_gb"],
        worker_pool: dict = {},  # noqa: B006 -- KFP reads the default, nobody changes it
        persistent_resource_id: str = facts.training_pool.persistent_resource_id,
        steps_persistent_resource_id: str = facts.steps_pool.persistent_resource_id,
        service_account: str = facts.service_account,
        strategy: str = "STANDARD",
        restart_job_on_worker_restart: bool = False,  # noqa: FBT001, FBT002 -- a pipeline parameter
        max_minutes: float = facts.max_minutes,
        train_timeout: str = f"{jobs.train_timeout_seconds(facts.max_minutes)}s",
        train_args: str = "",
    ):
        on_steps_pool = {"persistent_resource_id": steps_persistent_resource_id, "service_account": service_account}
        on_training_pool = {
            "persistent_resource_id": persistent_resource_id,
            "service_account": service_account,
        } | _Machine(machine_type, accelerator_type, accelerator_count, boot_disk_type, boot_disk_size_gb)._asdict()
        extract = _task(make.extract(), **on_steps_pool)
        validate = _task(make.validate(), **on_steps_pool).after(extract)
        train = _task(
            make.train(),
            **on_training_pool,
            worker_pool=worker_pool,
            strategy=strategy,
            restart_job_on_worker_restart=restart_job_on_worker_restart,
            timeout=train_timeout,
            max_minutes=max_minutes,
            train_args=train_args,
        ).after(validate)
        champion_uri = extract.outputs["champion_uri"]
        evaluate = _task(make.evaluate(), **on_training_pool, champion_uri=champion_uri).after(train)
        gate = _task(make.gate(), **on_steps_pool).after(evaluate)
        register = _task(make.register(), **on_steps_pool).after(gate)
        with dsl.If(gate.outputs["decision"] == PROMOTE, name="if-promoted"):
            _task(
                make.promote(),
                **on_steps_pool,
                model_version=register.outputs["model_version"],
                compared_with=extract.outputs["champion_version"],
            )

    return recsys_training


class _StepComponents:
    """A container component for each step. KFP reads names and types from the signatures, so each step has its own."""

    def __init__(self, facts: PlatformFacts, on_demand: frozenset[str]) -> None:
        self.facts = facts
        self.on_demand = on_demand
        self.snapshot = jobs.snapshot_uri(facts)
        self.model = jobs.model_uri(facts)
        self.registry = {"project": facts.project, "region": facts.region, "model_name": facts.model_name}

    def extract(self) -> Callable[..., Any]:
        @dsl.container_component
        def extract(
            persistent_resource_id: str,
            service_account: str,
            gcp_resources: OutputPath(str),
            champion_uri: OutputPath(str),
            champion_version: OutputPath(str),
        ):
            arguments = self.registry | {
                "staging_uri": self.facts.staging_prefix,
                "feedback_table": self.facts.feedback_table,
                "snapshot_uri": self.snapshot,
                "champion_uri_file": champion_uri,
                "champion_version_file": champion_version,
            }
            return self._on_steps_pool("extract", arguments, persistent_resource_id, service_account, gcp_resources)

        return extract

    def validate(self) -> Callable[..., Any]:
        @dsl.container_component
        def validate(persistent_resource_id: str, service_account: str, gcp_resources: OutputPath(str)):
            arguments = {"project": self.facts.project, "snapshot_uri": self.snapshot}
            return self._on_steps_pool("validate", arguments, persistent_resource_id, service_account, gcp_resources)

        return validate

    def train(self) -> Callable[..., Any]:
        @dsl.container_component
        def train(
            machine_type: str,
            accelerator_type: str,
            accelerator_count: int,
            boot_disk_type: str,
            boot_disk_size_gb: int,
            worker_pool: dict,
            persistent_resource_id: str,
            service_account: str,
            strategy: str,
            restart_job_on_worker_restart: bool,  # noqa: FBT001
            timeout: str,
            max_minutes: float,
            train_args: str,
            gcp_resources: OutputPath(str),
        ):
            container = jobs.train_container(self.facts, train_args=jobs.train_args(max_minutes, train_args))
            machine = _Machine(machine_type, accelerator_type, accelerator_count, boot_disk_type, boot_disk_size_gb)
            payload = jobs.custom_job(
                step="train",
                # The second pool is an empty message, which Vertex AI skips, unless a submission asks for more
                # replicas.
                worker_pools=[jobs.worker_pool(**machine._asdict(), container=container), worker_pool],
                persistent_resource_id=self._pool("train", persistent_resource_id),
                service_account=service_account,
                timeout=timeout,
                strategy=strategy,
                restart_on_worker_restart=restart_job_on_worker_restart,
                kms_key=self.facts.kms_key,
                network=self.facts.training_pool.network,
            )
            return self._launch(payload, gcp_resources)

        return train

    def evaluate(self) -> Callable[..., Any]:
        @dsl.container_component
        def evaluate(
            machine_type: str,
            accelerator_type: str,
            accelerator_count: int,
            boot_disk_type: str,
            boot_disk_size_gb: int,
            persistent_resource_id: str,
            service_account: str,
            champion_uri: str,
            gcp_resources: OutputPath(str),
        ):
            container = jobs.evaluate_container(self.facts, champion_uri=champion_uri)
            machine = _Machine(machine_type, accelerator_type, accelerator_count, boot_disk_type, boot_disk_size_gb)
            payload = jobs.custom_job(
                step="evaluate",
                worker_pools=[jobs.worker_pool(**machine._asdict(), container=container)],
                persistent_resource_id=self._pool("evaluate", persistent_resource_id),
                service_account=service_account,
                kms_key=self.facts.kms_key,
                network=self.facts.training_pool.network,
            )
            return self._launch(payload, gcp_resources)

        return evaluate

    def gate(self) -> Callable[..., Any]:
        @dsl.container_component
        def gate(
            persistent_resource_id: str, service_account: str, gcp_resources: OutputPath(str), decision: OutputPath(str)
        ):
            arguments = {"project": self.facts.project, "model_uri": self.model, "decision_file": decision}
            return self._on_steps_pool("gate", arguments, persistent_resource_id, service_account, gcp_resources)

        return gate

    def register(self) -> Callable[..., Any]:
        @dsl.container_component
        def register(
            persistent_resource_id: str,
            service_account: str,
            gcp_resources: OutputPath(str),
            model_version: OutputPath(str),
        ):
            arguments = self.registry | {
                "run_id": jobs.RUN_ID,
                "model_uri": self.model,
                "image": self.facts.images.trainer,
                "model_version_file": model_version,
            }
            return self._on_steps_pool("register", arguments, persistent_resource_id, service_account, gcp_resources)

        return register

    def promote(self) -> Callable[..., Any]:
        @dsl.container_component
        def promote(
            persistent_resource_id: str,
            service_account: str,
            model_version: str,
            compared_with: str,
            gcp_resources: OutputPath(str),
        ):
            arguments = self.registry | {
                "model_version": model_version,
                "compared_with": compared_with,
                "model_uri": self.model,
            }
            return self._on_steps_pool("promote", arguments, persistent_resource_id, service_account, gcp_resources)

        return promote

    def _on_steps_pool(
        self, step: str, arguments: dict[str, Any], pool_id: Any, service_account: Any, gcp_resources: Any
    ) -> dsl.ContainerSpec:
        container = jobs.steps_container(self.facts, step, arguments)
        payload = jobs.custom_job(
            step=step,
            worker_pools=[self.facts.steps_pool.worker_pool_spec(container=container)],
            persistent_resource_id=self._pool(step, pool_id),
            service_account=service_account,
            kms_key=self.facts.kms_key,
            network=self.facts.steps_pool.network,
        )
        return self._launch(payload, gcp_resources)

    def _pool(self, step: str, persistent_resource_id: Any) -> Any:
        return "" if step in self.on_demand else persistent_resource_id

    def _launch(self, payload: dict[str, Any], gcp_resources: Any) -> dsl.ContainerSpec:
        return build_serverless_customjob_container_spec(
            project=self.facts.project,
            location=self.facts.region,
            custom_job_payload=payload,
            gcp_resources=gcp_resources,
        )


def _task(component: Callable[..., Any], **inputs: Any) -> Any:
    return component(**inputs).set_caching_options(False)


def _plain(value: Any) -> Any:
    """Keys in order, whole numbers without a fraction: protobuf has an order of its own and no integers in defaults."""
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
