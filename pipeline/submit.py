"""Submit a training run from a stack's outputs: `python -m pipeline.submit --stack NAME [--wait] [name=value …]`.

Owns: the request. What is sent is the pipeline that the stack deployed, checked against its digest, and only after the
job was found to fit its pool. Does not own: the checks (parameters.py, preflight.py), following (follow.py).
"""

import argparse
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.problems import Problem, Refused
from contracts.stack_outputs import StackOutputs
from pipeline import clients as cl
from pipeline import parameters, preflight, stack_reader
from pipeline.command import ExitCode, run, say, tell
from pipeline.follow import follow
from pipeline.objects import Objects

_REQUEST_SECONDS = 120


def deployed_spec(outputs: StackOutputs, objects: Objects) -> dict[str, Any]:
    """The compiled pipeline that the stack deployed. Raises `Refused` if it is gone or is not what the stack says."""
    fix = "Bring the stack up again: make up"
    try:
        content = objects.read(outputs.pipeline_spec_uri)
    except FileNotFoundError:
        rule = "the compiled pipeline must lie there"
        problem = Problem(key="pipeline_spec_uri", value=outputs.pipeline_spec_uri, rule=rule, fix=fix)
        raise Refused("Pipeline", [problem]) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != outputs.pipeline_spec_digest:
        rule = (
            f"{outputs.pipeline_spec_uri} must have the digest that the stack gives, {outputs.pipeline_spec_digest!r}"
        )
        raise Refused("Pipeline", [Problem(key="pipeline_spec_digest", value=digest, rule=rule, fix=fix)])
    return json.loads(content)


def new_run_id(now: datetime | None = None) -> str:
    """`recsys-YYYYMMDD-HHMMSS-xxxx`: sorts by time, fits a label, a job id and a version alias."""
    return f"recsys-{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def submit(
    outputs: StackOutputs,
    arguments: Sequence[str] = (),
    *,
    pool: str = "",
    clients: cl.Clients | None = None,
    run_id: str = "",
) -> str:
    """Check and create a pipeline job; returns its resource name. Raises `Refused` before anything was sent.

    `pool`: the name of the training pool that it trains on, "" for the usual one.
    """
    chosen = parameters.on_pool(pool, outputs)
    clients = clients or cl.for_submission(outputs)
    spec = deployed_spec(outputs, Objects(clients.storage))
    values = chosen | parameters.parse(arguments, spec)
    preflight.require_accepted(parameters.defaults(spec) | values, outputs, spec)
    run_id = run_id or new_run_id()
    sent = parameters.for_request(values, spec, outputs, run_id)
    return _create(outputs, clients, spec, sent, run_id)


def _create(
    outputs: StackOutputs, clients: cl.Clients, spec: Mapping[str, Any], values: Mapping[str, Any], run_id: str
) -> str:
    from google.cloud.aiplatform_v1.types import EncryptionSpec, PipelineJob

    job = PipelineJob(
        display_name=run_id,
        pipeline_spec=dict(spec),
        labels={"stack": outputs.stack, "pipeline-spec": outputs.pipeline_spec_digest[:32]},
        runtime_config=PipelineJob.RuntimeConfig(
            gcs_output_directory=outputs.pipeline_root, parameter_values=dict(values)
        ),
        service_account=str(values.get("service_account", outputs.service_account)),
        encryption_spec=EncryptionSpec(kms_key_name=outputs.kms_key) if outputs.kms_key else None,
        **outputs.training_pool.network.as_api(),
    )
    created = clients.pipelines.create_pipeline_job(
        parent=clients.location, pipeline_job=job, pipeline_job_id=run_id, timeout=_REQUEST_SECONDS
    )
    return created.name


def _resume_command(arguments: argparse.Namespace, name: str) -> str:
    outputs = f" --outputs {arguments.outputs}" if arguments.outputs else ""
    return f"python -m pipeline.submit --stack {arguments.stack}{outputs} --follow {name.rpartition('/')[2]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.submit",
        description="Submit a training run from a stack's outputs.",
        epilog="Example: python -m pipeline.submit --stack local --wait max_minutes=5",
    )
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--outputs", type=Path, help="the stack's outputs as JSON; default: from the stack's state")
    parser.add_argument("--pool", default="", metavar="NAME", help="train on this pool; default: the stack's first")
    parser.add_argument("--wait", action="store_true", help="follow the run; exit 0 only if it succeeds")
    parser.add_argument("--follow", metavar="NAME", help="submit nothing, follow this run")
    parser.add_argument(
        "parameters", nargs="*", metavar="name=value", help="pipeline parameters; a wrong name lists all"
    )
    return parser


def main() -> ExitCode:
    arguments = _parser().parse_args()
    outputs = stack_reader.read(arguments.stack, outputs_file=arguments.outputs)
    clients = cl.for_submission(outputs)
    if arguments.follow:
        name = f"{clients.location}/pipelineJobs/{arguments.follow.rpartition('/')[2]}"
    else:
        name = submit(outputs, arguments.parameters, pool=arguments.pool, clients=clients)
        say(f"Submitted {name}")
    if not (arguments.wait or arguments.follow):
        say(f"Follow it: {_resume_command(arguments, name)}")
        return ExitCode.DONE
    try:
        succeeded = follow(outputs, name, clients=clients)
    except KeyboardInterrupt:
        tell(f"\nThe run goes on. Follow it again: {_resume_command(arguments, name)}")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if succeeded else ExitCode.FAILED


if __name__ == "__main__":
    run(main)
