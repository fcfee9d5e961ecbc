"""Run the program, or a piece of it, against recorded mocks: the one way in which tests look at what infra declares.

`pulumi.runtime.Mocks` alone sees no protect, parents, ignored changes, replacement rules, timeouts or dependencies, and
drops stack outputs; all of them are on the registration request, which the monitor here records.
"""

import asyncio
import contextlib
import contextvars
import hashlib
import json
import logging
import os
import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
import yaml
from google.protobuf import json_format
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import ROOT, Settings, configure

import infra.settings
from contracts.stack_outputs import PlatformFacts
from infra.platform import CompilePipeline, Platform

ROOT_FOLDER = Path(__file__).resolve().parents[3]
PROJECT = "recsys-training"


@dataclass(frozen=True)
class Record:
    """One registered resource. `inputs` are as the engine gets them: camelCase, unknowns as the SDK's marker.

    `create_before_delete` is asked for; without either the provider decides.
    """

    type: str
    name: str
    urn: str
    inputs: dict[str, Any]
    parent: str
    protect: bool
    ignore_changes: list[str]
    replace_on_changes: list[str]
    delete_before_replace: bool
    create_before_delete: bool
    timeouts: dict[str, str]
    dependencies: list[str]

    def depends_on(self, other: "Record") -> bool:
        return other.urn in self.dependencies


@dataclass
class Deployment:
    records: list[Record] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of_type(self, suffix: str) -> list[Record]:
        """Records whose type token ends in `suffix`, such as `Bucket` or `recsys:infra:TrainingPool`."""
        return [record for record in self.records if record.type == suffix or record.type.endswith(f":{suffix}")]

    def one(self, suffix: str, name: str = "") -> Record:
        """The only record of that type, or the one with that logical name."""
        found = [record for record in self.of_type(suffix) if name in ("", record.name)]
        if len(found) != 1:
            raise LookupError(f"{suffix} {name!r}: found {[record.name for record in found]}")
        return found[0]

    def dependencies(self, record: Record) -> set[str]:
        """The logical names of what `record` waits for, directly."""
        names = {other.urn: other.name for other in self.records}
        return {names[urn] for urn in record.dependencies if urn in names}


class _Outputs(pulumi.runtime.Mocks):
    """What the provider computes; nothing in a preview, where the SDK then marks the missing outputs as unknown."""

    def __init__(self, *, preview: bool) -> None:
        self._preview = preview

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self._preview:
            return "", args.inputs
        computed: dict[str, Any] = {}
        resource_id = f"{args.name}-id"
        match args.typ:
            case "docker-build:index:Image":
                computed = {"digest": f"sha256:{hashlib.sha256(args.name.encode()).hexdigest()}"}
            case "gcp:artifactregistry/repository:Repository":
                computed = {"name": args.inputs["repositoryId"]}
            case "gcp:colab/schedule:Schedule":
                computed = {"name": "42"}
                resource_id = f"projects/p/locations/{args.inputs['location']}/schedules/42"
            case "gcp:kms/keyRing:KeyRing":
                where = f"projects/p/locations/{args.inputs['location']}"
                resource_id = f"{where}/keyRings/{args.inputs['name']}"
            case "gcp:compute/networkAttachment:NetworkAttachment":
                resource_id = f"projects/p/regions/{args.inputs['region']}/networkAttachments/{args.inputs['name']}"
            case "gcp:logging/projectSink:ProjectSink":
                computed = {"writerIdentity": "serviceAccount:service-1@gcp-sa-logging.iam.gserviceaccount.com"}
            case "gcp:projects/serviceIdentity:ServiceIdentity":
                email = f"service-1@gcp-sa-{args.inputs['service'].partition('.')[0]}.iam.gserviceaccount.com"
                computed = {"email": email, "member": f"serviceAccount:{email}"}
            case "gcp:iam/workloadIdentityPool:WorkloadIdentityPool":
                pool = args.inputs["workloadIdentityPoolId"]
                computed = {"name": f"projects/1/locations/global/workloadIdentityPools/{pool}"}
            case "gcp:serviceaccount/account:Account":
                computed = {"email": f"{args.inputs['accountId']}@p.iam.gserviceaccount.com"}
        return resource_id, args.inputs | computed

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        match args.token:
            case "gcp:storage/getProjectServiceAccount:getProjectServiceAccount":
                return {"emailAddress": "service-1@gs-project-accounts.iam.gserviceaccount.com"}
            case "gcp:bigquery/getDefaultServiceAccount:getDefaultServiceAccount":
                return {"email": "bq-1@bigquery-encryption.iam.gserviceaccount.com"}
        raise NotImplementedError(f"the program called {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self, deployment: Deployment, *, preview: bool) -> None:
        super().__init__(_Outputs(preview=preview))
        self._deployment = deployment

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if any(record.urn == urn for record in self._deployment.records):
            raise ValueError(f"duplicate resource {urn}")
        if request.type != "pulumi:pulumi:Stack":
            self._deployment.records.append(_record(urn, request))
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self._deployment.outputs = _plain(json_format.MessageToDict(request.outputs))
        return super().RegisterResourceOutputs(request)


def _record(urn: str, request: Any) -> Record:
    timeouts = {key: getattr(request.customTimeouts, key) for key in ("create", "update", "delete")}
    return Record(
        type=request.type,
        name=request.name,
        urn=urn,
        inputs=_plain(json_format.MessageToDict(request.object)),
        parent=request.parent,
        protect=request.protect,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        delete_before_replace=request.deleteBeforeReplace,
        create_before_delete=request.deleteBeforeReplaceDefined and not request.deleteBeforeReplace,
        timeouts={key: value for key, value in timeouts.items() if value},
        dependencies=sorted(request.dependencies),
    )


def _plain(value: Any) -> Any:
    """Values without the marks of secrecy that the provider's SDK puts on some."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items() if key != rpc._special_sig_key}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def deploy(
    program: Callable[[], None] | None = None,
    *,
    stack: str = "dev",
    config: Mapping[str, Any] | None = None,
    preview: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Deployment:
    """What `program` registers under the configuration of `Pulumi.<stack>.yaml`: by default the whole platform around a
    small pipeline.

    `config` changes single keys of it: a mapping value is merged into the stack file's, None removes the key.
    """
    settings = _engine_config(stack_config(stack, config or {}))
    if program is not None:
        return _run(program, stack, settings, environment or {}, preview=preview)
    # The platform is deterministic and no test changes what it declared, so that equal deployments are run once.
    key = json.dumps([stack, settings, dict(environment or {}), preview])
    if key not in _PLATFORMS:
        _PLATFORMS[key] = _run(platform, stack, settings, environment or {}, preview=preview)
    return _PLATFORMS[key]


_PLATFORMS: dict[str, Deployment] = {}


def _run(
    program: Callable[[], None],
    stack: str,
    settings: dict[str, str],
    environment: Mapping[str, str],
    *,
    preview: bool,
) -> Deployment:
    deployment = Deployment()

    def run() -> None:
        ROOT.set(None)
        monitor: Any = _Monitor(deployment, preview=preview)
        engine: Any = mocks.MockEngine(None)
        configure(Settings(project=PROJECT, stack=stack, monitor=monitor, engine=engine, dry_run=preview))
        pulumi.runtime.set_all_config(settings)
        asyncio.run(pulumi.runtime.run_in_stack(program))

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a failed run leaves futures that nobody awaits
    with _environment(environment):
        contextvars.Context().run(run)
    return deployment


def platform(compile_pipeline: CompilePipeline | None = None) -> None:
    """What `__main__.py` does, by default around a pipeline of one step."""
    built = Platform(infra.settings.load(), compile_pipeline=compile_pipeline or small_pipeline)
    for name, value in built.outputs.items():
        pulumi.export(name, value)


def main_program() -> None:
    runpy.run_path(str(ROOT_FOLDER / "__main__.py"), run_name="__main__")


def small_pipeline(facts: PlatformFacts) -> dict[str, Any]:
    """A PipelineSpec whose JSON has what a canonical form must take care of."""
    container = {
        "image": facts.images.trainer,
        "command": ["python", "-m", "train.main"],
        "args": ["--only=<train>&more"],
    }
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "small", "description": "für Ä & <ö>"},
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "days": {"parameterType": "NUMBER_INTEGER", "defaultValue": 30.0},
                    "max_minutes": {"parameterType": "NUMBER_DOUBLE", "defaultValue": facts.max_minutes},
                    "persistent_resource_id": {"parameterType": "STRING", "defaultValue": "pool"},
                    "strategy": {"parameterType": "STRING", "defaultValue": "STANDARD"},
                }
            },
            "dag": {"tasks": {"train": {"taskInfo": {"name": "train"}, "componentRef": {"name": "comp-train"}}}},
        },
        "components": {"comp-train": {"executorLabel": "exec-train"}},
        "deploymentSpec": {"executors": {"exec-train": {"container": container}}},
    }


def stack_config(stack: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The `config` of a stack file with changes; a mapping changes the first of a list."""
    config = yaml.safe_load((ROOT_FOLDER / f"Pulumi.{stack}.yaml").read_text())["config"]
    for key, value in changes.items():
        if value is None:
            del config[key]
        elif isinstance(value, Mapping) and isinstance(config.get(key), list):
            first, *others = config[key]
            config[key] = [{name: item for name, item in {**first, **value}.items() if item is not None}, *others]
        elif isinstance(value, Mapping) and isinstance(config.get(key), dict):
            config[key] = {name: item for name, item in {**config[key], **value}.items() if item is not None}
        else:
            config[key] = value
    return config


def _engine_config(config: Mapping[str, Any]) -> dict[str, str]:
    """As the language host gets it: text, everything but strings as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def is_unknown(value: Any) -> bool:
    return value == rpc.UNKNOWN


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Only PATH and HOME of the caller's environment, so that no test depends on a developer's endpoints."""
    before = dict(os.environ)
    kept = {key: before[key] for key in ("PATH", "HOME") if key in before}
    os.environ.clear()
    os.environ.update(kept | dict(changes))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
