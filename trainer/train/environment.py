"""The environment contract of a training job: names, rules, and the one place that reads os.environ.

Owns: what a job is told by its environment (the frozen container contract). Does not own: the flags (main.py,
presets.py). The names are contracts.job_environment's, repeated because the trainer imports nothing of ours.
"""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from train.launch import Place, place_of
from train.problems import Problem, refuse_if

REQUIRED = (
    "PROJECT_ID",
    "REGION",
    "ARTIFACT_BUCKET",
    "STAGING_PREFIX",
    "EXPERIMENT_NAME",
    "DATASET_RECSYS",
    "DATASET_DRIFT",
    "REQUESTS_TABLE",
    "FEEDBACK_TABLE",
    "DRIFT_TABLE",
    "MODEL_DIR",
    "CHECKPOINT_DIR",
)
OPTIONAL = ("RUN_ID", "REQUEST_ID", "VERTEX_EXPERIMENT", "WANDB_ENABLED", "TRAIN_ARGS", "GIT_SHA", "HEALTH_PORT")

# Vertex AI sets these when a job has a base output directory; ours win.
_FALLBACKS = {"MODEL_DIR": "AIP_MODEL_DIR", "CHECKPOINT_DIR": "AIP_CHECKPOINT_DIR"}

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+)+[0-9]+")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TABLE = re.compile(r"[A-Za-z0-9_]{1,1024}\.[^\s.`/]{1,1024}")
_EXPERIMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_GS_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](?:/[^\s*?\[\]#]*)?")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/?")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("", "false", "0", "no", "off")


class Environment(BaseModel):
    """What the environment tells a job, checked. Empty optional values mean: not asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    region: str
    staging_prefix: str
    experiment_name: str
    feedback_table: str
    model_dir: str
    checkpoint_dir: str
    run_id: str
    request_id: str
    git_sha: str
    vertex_experiment: str
    vertex_endpoint: str
    wandb_enabled: bool
    health_port: int
    place: Place = Place()


def load(environ: Mapping[str, str] | None = None) -> Environment:
    """The checked environment; every missing or malformed name is refused at once, before anything is read."""
    given = dict(os.environ if environ is None else environ)
    for name, fallback in _FALLBACKS.items():
        if not given.get(name) and given.get(fallback):
            given[name] = given[fallback]
    place, misplaced = place_of(given)
    others = [*_wandb_problems(given), *misplaced, *_rank_problems(given, place)]
    refuse_if("environment", [*_missing(given), *_malformed(given), *others])
    return Environment(
        project=given["PROJECT_ID"],
        region=given["REGION"],
        staging_prefix=given["STAGING_PREFIX"].rstrip("/"),
        experiment_name=given["EXPERIMENT_NAME"],
        feedback_table=given["FEEDBACK_TABLE"],
        model_dir=given["MODEL_DIR"].rstrip("/"),
        checkpoint_dir=given["CHECKPOINT_DIR"].rstrip("/"),
        run_id=given.get("RUN_ID") or given.get("CLOUD_ML_JOB_ID") or f"{datetime.now(UTC):%Y%m%d-%H%M%S}",
        request_id=given.get("REQUEST_ID", ""),
        git_sha=given.get("GIT_SHA", ""),
        vertex_experiment=given.get("VERTEX_EXPERIMENT", ""),
        vertex_endpoint=given.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", "").rstrip("/"),
        wandb_enabled=given.get("WANDB_ENABLED", "").lower() in _TRUE,
        health_port=int(given.get("HEALTH_PORT") or 0),
        place=place,
    )


def identity() -> tuple[str, str, str]:
    """Run, request and experiment as the environment says, unchecked: for the log lines that refuse the rest."""
    return os.environ.get("RUN_ID", ""), os.environ.get("REQUEST_ID", ""), os.environ.get("EXPERIMENT_NAME", "")


def storage_emulator() -> str:
    """The origin of a storage server that stands in for Google's; "" means Google's own."""
    return os.environ.get("STORAGE_EMULATOR_HOST", "")


def _missing(given: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name in REQUIRED:
        if not given.get(name):
            also = f" (or {_FALLBACKS[name]})" if name in _FALLBACKS else ""
            rule = f"the container contract requires it{also}"
            problems.append(Problem(name, given.get(name), rule, f"Set {name} in the job's environment"))
    return problems


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _is_location(value: str) -> bool:
    return _GS_URI.fullmatch(value) is not None if "://" in value else not value.isspace()


def _is_bucket(value: str) -> bool:
    return _BUCKET.fullmatch(value) is not None if "://" in value else not value.isspace()


def _is_port(value: str) -> bool:
    return value.isdecimal() and 0 < int(value) < 65536


_LOCATION_RULE = (
    _is_location,
    "must be gs://bucket/prefix or a folder",
    "Write it as gs://my-bucket/path or /path/to/folder",
)
_TABLE_RULE = (_matches(_TABLE), "must be dataset.table, without the project", "Write it as dataset.table")
_DATASET_RULE = (_matches(_DATASET), "must be a BigQuery dataset id: letters, digits and _", "Leave out the project")
_EXPERIMENT_RULE = (
    _matches(_EXPERIMENT),
    "must be 1 to 128 lower-case letters, digits and hyphens, as Vertex Experiments requires",
    "Rename the experiment",
)
_RULES: dict[str, tuple[Callable[[str], bool], str, str]] = {
    "PROJECT_ID": (
        _matches(_PROJECT),
        "must be a Google Cloud project id, not its number or name",
        "See gcloud projects list",
    ),
    "REGION": (_matches(_REGION), "must be a region such as us-central1, not a zone", "Leave out the zone's letter"),
    "ARTIFACT_BUCKET": (_is_bucket, "must be gs://bucket without a prefix, or a folder", "Write it as gs://my-bucket"),
    "STAGING_PREFIX": _LOCATION_RULE,
    "MODEL_DIR": _LOCATION_RULE,
    "CHECKPOINT_DIR": _LOCATION_RULE,
    "EXPERIMENT_NAME": _EXPERIMENT_RULE,
    "VERTEX_EXPERIMENT": _EXPERIMENT_RULE,
    "DATASET_RECSYS": _DATASET_RULE,
    "DATASET_DRIFT": _DATASET_RULE,
    "REQUESTS_TABLE": _TABLE_RULE,
    "FEEDBACK_TABLE": _TABLE_RULE,
    "DRIFT_TABLE": _TABLE_RULE,
    "RUN_ID": (
        _matches(_RUN_ID),
        "must be at most 128 letters, digits, '.', '_' and '-'",
        "Choose a plain name, or leave it out",
    ),
    "HEALTH_PORT": (_is_port, "must be a port between 1 and 65535", "Leave it out to serve nothing"),
    "WANDB_ENABLED": (lambda value: value.lower() in _TRUE + _FALSE, "must be true or false", "Leave it out for false"),
}


def _malformed(given: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(name, given[name], rule, fix)
        for name, (accepts, rule, fix) in _RULES.items()
        if given.get(name) and not accepts(given[name])
    ]


def _wandb_problems(given: Mapping[str, str]) -> list[Problem]:
    if given.get("WANDB_ENABLED", "").lower() not in _TRUE:
        return []
    if importlib.util.find_spec("wandb") is None:
        fix = "Install wandb in the trainer's image or set WANDB_ENABLED=false"
        return [
            Problem("WANDB_ENABLED", given["WANDB_ENABLED"], "needs the wandb package, which is not installed", fix)
        ]
    offline = given.get("WANDB_MODE", "") in ("offline", "disabled", "dryrun")
    if not offline and not given.get("WANDB_API_KEY"):
        fix = "Set WANDB_API_KEY from a secret, or WANDB_MODE=offline"
        return [
            Problem("WANDB_API_KEY", "", "is required when WANDB_ENABLED is true and WANDB_MODE is not offline", fix)
        ]
    return []


def _rank_problems(given: Mapping[str, str], place: Place) -> list[Problem]:
    """Ranks that name a run by their own clocks would name several."""
    if place.size == 1 or given.get("RUN_ID") or given.get("CLOUD_ML_JOB_ID"):
        return []
    return [Problem("RUN_ID", "", f"is required where {place.size} ranks work on one run", "Name the run")]
