"""When the pipeline runs by itself: a Vertex AI schedule that carries the compiled spec inline.

pulumi-gcp 10 has it as `gcp.colab.Schedule` with a pipeline request; cron, concurrency and spec are patched in place.
Run-time parameters over this resource are strings only, so typed ones are baked into the compiled spec and none is
passed here. A schedule that was paused by hand is never noticed, not even by a refresh.
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp
from pulumi import Output, ResourceOptions

from infra.encryption import Key, usable
from infra.stack_config import ScheduleSettings


class PipelineSchedule(pulumi.ComponentResource):
    """`spec_json` must be in the form of infra/go_json.py. `after`: pools, grants and the API, so that no run starts
    without them.
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
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:PipelineSchedule", name, None, opts)
        self.schedule = gcp.colab.Schedule(
            f"{name}-schedule",
            display_name=display_name,
            location=location,
            cron=f"TZ={settings.time_zone} {settings.cron}",
            max_concurrent_run_count=str(settings.max_concurrent_runs),
            allow_queueing=settings.allow_queueing,
            desired_state="PAUSED" if settings.paused else "ACTIVE",
            create_pipeline_job_request=gcp.colab.ScheduleCreatePipelineJobRequestArgs(
                pipeline_job=gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobArgs(
                    display_name=display_name,
                    pipeline_spec=spec_json,
                    service_account=service_account,
                    encryption_spec=key
                    and gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobEncryptionSpecArgs(kms_key_name=key.name),
                    runtime_config=gcp.colab.ScheduleCreatePipelineJobRequestPipelineJobRuntimeConfigArgs(
                        gcs_output_directory=pipeline_root
                    ),
                )
            ),
            opts=ResourceOptions(parent=self, depends_on=[*after, *usable(key)]),
        )
        self.resource_name: Output[str] = self.schedule.id
        self.register_outputs({"schedule": self.resource_name})
