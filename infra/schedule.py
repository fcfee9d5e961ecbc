"""When the pipeline runs by itself: a Vertex AI schedule that carries the compiled spec inline.

pulumi-gcp 10 has it as `gcp.colab.Schedule` with a pipeline request; cron, concurrency and spec are patched in place.
Run-time parameters over this resource are strings only, so typed ones are baked into the compiled spec as its
defaults, and none is passed here. A schedule that was paused by hand is never noticed, not even by a refresh.
"""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp
from pulumi import Output, ResourceOptions

from infra.encryption import Key, usable
from infra.go_json import go_json
from infra.network import Attached
from infra.stack_config import ScheduleSettings

_ON_DEMAND = {"on-demand": "STANDARD", "spot": "SPOT", "flex-start": "FLEX_START"}
_TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
}


def with_defaults(spec_json: str, settings: ScheduleSettings) -> str:
    """The spec with a schedule's parameters as its defaults. Raises RunError for those that the pipeline lacks or that
    have another type there."""
    wanted: dict[str, Any] = dict(settings.parameters)
    if settings.run_on in _ON_DEMAND:
        wanted |= {"persistent_resource_id": "", "strategy": _ON_DEMAND[settings.run_on]}
    if not wanted:
        return spec_json
    spec = json.loads(spec_json)
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    problems = [problem for name, value in wanted.items() if (problem := _mistake(name, value, declared))]
    if problems:
        raise pulumi.RunError(f"schedule {settings.name!r} refused: {'; '.join(problems)}")
    for name, value in wanted.items():
        declared[name] |= {"defaultValue": value, "isOptional": True}
    return go_json(spec)


def _mistake(name: str, value: Any, declared: dict[str, Any]) -> str:
    if name not in declared:
        return f"{name} = {value!r}: the pipeline has no such parameter. Known: {', '.join(sorted(declared))}"
    kind = declared[name]["parameterType"]
    right = isinstance(value, _TYPES.get(kind, ())) and isinstance(value, bool) == (kind == "BOOLEAN")
    return "" if right else f"{name} = {value!r}: the pipeline's parameter is {kind}. Write it with that type"


def _cron(settings: ScheduleSettings) -> str:
    return f"TZ={settings.time_zone} {settings.cron}"


class PipelineSchedule(pulumi.ComponentResource):
    """`spec_json` must be in the form of infra/go_json.py. `after`: pools, grants and the API, so that no run starts
    without them. `declared`: the fields of contracts' DeclaredSchedule.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: ScheduleSettings,
        display_name: str,
        location: str,
        spec_json: Output[str],
        pipeline_root: str,
        service_account: str,
        key: Key | None,
        network: Attached | None,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PipelineSchedule", name, None, opts)
        self.schedule = gcp.colab.Schedule(
            f"{name}-schedule",
            display_name=display_name,
            location=location,
            cron=_cron(settings),
            start_time=settings.start_time or None,
            end_time=settings.end_time or None,
            max_run_count=str(settings.max_runs) if settings.max_runs else None,
            max_concurrent_run_count=str(settings.max_concurrent_runs),
            allow_queueing=settings.allow_queueing,
            desired_state="PAUSED" if settings.paused else "ACTIVE",
            create_pipeline_job_request=gcp.colab.ScheduleCreatePipelineJobRequestArgs(
                pipeline_job=gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobArgs(
                    display_name=display_name,
                    pipeline_spec=spec_json.apply(lambda spec: with_defaults(spec, settings)),
                    service_account=service_account,
                    encryption_spec=key
                    and gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobEncryptionSpecArgs(kms_key_name=key.name),
                    network=network.network if network else None,
                    psc_interface_config=gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobPscInterfaceConfigArgs(
                        network_attachment=network.attachment
                    )
                    if network and network.attachment
                    else None,
                    runtime_config=gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobRuntimeConfigArgs(
                        gcs_output_directory=pipeline_root
                    ),
                )
            ),
            opts=ResourceOptions(parent=self, depends_on=[*after, *usable(key)]),
        )
        self.resource_name: Output[str] = self.schedule.id
        self.declared: dict[str, Any] = {
            "resource": self.resource_name,
            "cron": _cron(settings),
            "paused": settings.paused,
            "max_concurrent_runs": settings.max_concurrent_runs,
            "allow_queueing": settings.allow_queueing,
        }
        self.register_outputs({"schedule": self.resource_name})
