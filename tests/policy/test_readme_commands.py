"""Every command of the README is exercised, and how is written here: a command without an entry fails."""

import json
import shlex
from pathlib import Path

import pytest
import yaml
from google.auth.exceptions import DefaultCredentialsError

from contracts.problems import Refused
from contracts.stack_outputs import StackOutputs
from infra.naming import Names
from infra.services import APIS
from pipeline import command as pipeline_command
from pipeline import parameters, preflight
from pipeline.definition import compile_pipeline
from tests.policy import exercises as by
from tests.policy import makefile as make
from tests.policy.modules import modules_with_a_parser
from tests.policy.readme import ROOT_FOLDER, Command, blocks, commands, prose, spans
from tests.unit.infra.deploy import deploy

DEV = yaml.safe_load((ROOT_FOLDER / "Pulumi.dev.yaml").read_text())["config"]


def imports_a_shop_file(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with a home folder that holds the file which the command names."""
    words = shlex.split(command.text)
    columns = [words[words.index(flag) + 1] for flag in ("--user", "--item", "--time")]
    rows = [f"u{n % 5},i{n % 7},{1_700_000_000 + n}" for n in range(40)]
    (tmp_path / "ratings.csv").write_text("\n".join([",".join(columns), *rows]) + "\n")

    done = by.run(command.text, env=by.environment(HOME=str(tmp_path)))

    assert done.returncode == 0, done.stderr
    assert "40 interactions of 5 users with 7 items" in done.stdout
    assert (tmp_path / "my-data" / "interactions.parquet").is_file()


def is_refused_as_shown(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks before sending, on the local stack's outputs: word for word what the README shows."""
    lock = tmp_path / "images.json"
    lock.write_text(json.dumps({name: f"h/p/r/{name}@sha256:{'a' * 64}" for name in ("trainer", "steps")}))
    outputs = StackOutputs.model_validate(
        deploy(stack="local", config={"recsys-training:imagesLock": str(lock)}).outputs
    )
    spec = compile_pipeline(outputs)
    given = shlex.split(command.text)[shlex.split(command.text).index("local") + 1 :]

    with pytest.raises(Refused) as refused:
        preflight.require_accepted(parameters.defaults(spec) | parameters.parse(given, spec), outputs, spec)

    assert str(refused.value).splitlines() == command.shown


def calls_pulumi_with_the_stacks_backend(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with a `pulumi` that only tells how it was called."""
    pulumi = tmp_path / "pulumi"
    no_stack = '[ "$1" = stack ] && { echo "error: no stack named" >&2; exit 255; }'
    pulumi.write_text(f'#!/bin/sh\n{no_stack}\necho "$PULUMI_BACKEND_URL pulumi $*"\n')
    pulumi.chmod(0o755)

    done = by.run(command.text, env=by.environment(PATH=f"{tmp_path}:{by.environment()['PATH']}"))

    assert done.returncode == 0, done.stderr
    assert f"{DEV['recsys-training:stateBackend']} pulumi destroy --stack dev" in done.stdout


def is_what_a_missing_login_is_answered_with(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pipeline_command, "tell", told.append)

    def fails() -> pipeline_command.ExitCode:
        raise DefaultCredentialsError("none found")

    with pytest.raises(SystemExit):
        pipeline_command.run(fails)

    assert told[0].endswith(f"Log in: {command.text}")


def enables_what_the_program_cannot(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two APIs without which no program can run against a project, in dev's project; the program enables others."""
    words = shlex.split(command.text)
    apis = {word.removesuffix(".googleapis.com") for word in words if word.endswith(".googleapis.com")}
    assert apis == {"serviceusage", "cloudresourcemanager"}
    assert not apis & set(APIS)
    assert words[words.index("--project") + 1] == DEV["gcp:project"]


def names_the_state_bucket(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command.text)
    assert DEV["recsys-training:stateBackend"] in words
    for flag, key in (("--project", "gcp:project"), ("--location", "gcp:region")):
        assert flag not in words or words[words.index(flag) + 1] == DEV[key]


def names_the_registry(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Names(project=DEV["gcp:project"], region=DEV["gcp:region"]).registry_host
    assert shlex.split(command.text)[-1] == host


def calls_make_with_targets(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that only calls make: each call's recipe exists."""
    calls = [line for line in (ROOT_FOLDER / command.text).read_text().splitlines() if line.startswith("make ")]
    assert len(calls) >= 2
    for call in calls:
        assert by.recipe(call)


LOCAL_UP = by.expands_to('local.stack up --data "" --engine embedded')
EXERCISES: dict[str, by.Exercise] = {
    "make up": LOCAL_UP,  # which tests/e2e/stack runs for real, as it does stop, down and submission
    "make test": by.expands_to("pytest"),
    "gcloud auth application-default login": is_what_a_missing_login_is_answered_with,
    "gcloud services enable": enables_what_the_program_cannot,
    "gcloud storage buckets create": names_the_state_bucket,
    "gcloud storage buckets update": names_the_state_bucket,
    "gcloud auth configure-docker": names_the_registry,
    # `pulumi up` is exercised by its offline plan.
    "make plan STACK=dev": by.runs("gcp:vertex:AiPersistentResource", "gcp:colab:Schedule", "to create"),
    "make up STACK=dev DATA=my-data": by.expands_to(
        "pulumi up --stack dev", "doctor.grants --stack dev", '--data "my-data"', "--stack dev --wait"
    ),
    "make submit STACK=dev": by.expands_to("pipeline.submit --stack dev --wait"),
    "make down STACK=dev": calls_pulumi_with_the_stacks_backend,
    "python -m train.import_ratings --help": by.runs("usage: python -m train.import_ratings"),
    "python -m train.import_ratings ~/ratings.csv": imports_a_shop_file,
    'make submit PARAMETERS="max_minutes=0.5"': by.expands_to("pipeline.submit --stack local --wait max_minutes=0.5"),
    "make recommend USER=196": by.expands_to('pipeline.recommend --stack local --user "196" --k 10'),
    "python -m pipeline.submit --stack local --wait": by.is_accepted,
    "python -m pipeline.submit --stack local machine_type=": is_refused_as_shown,
    "make help": by.runs("make up", "make plan", "make test-unit"),
    "make check": by.expands_to("ruff", "basedpyright", "lint-imports"),
    "make test-unit": by.expands_to("pytest", "tests/unit"),
    ".ci/run": calls_make_with_targets,
}


def entry(command: str) -> str:
    """The key of EXERCISES for a command: a make command itself, of any other the longest beginning."""
    keys = [key for key in EXERCISES if command == key or (command.startswith(key) and not key.startswith("make"))]
    return max(keys, key=len, default="")


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.text)
def test_a_command_of_the_readme_does_what_it_says(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert entry(command.text), f"{command.text!r} is in the README and nowhere exercised: add it to EXERCISES"
    EXERCISES[entry(command.text)](command, tmp_path, monkeypatch)


def test_no_exercise_outlives_its_command() -> None:
    assert {entry(command.text) for command in commands()} == set(EXERCISES)


def test_every_block_is_of_a_kind_whose_commands_are_found() -> None:
    assert {block.language for block in blocks()} <= {"sh", "console", "text", "mermaid"}


def test_the_commands_in_the_prose_exist() -> None:
    named = [span.split() for span in spans(prose())]
    made = [words[1:] for words in named if words[0] == "make" and len(words) > 1]
    modules = [words[2] for words in named if words[:2] == ["python", "-m"]]
    assert len(made) > 5
    assert len(modules) > 1
    assert {target for target, *_ in made} <= make.targets().keys()
    assert {variable.partition("=")[0] for _, *variables in made for variable in variables} <= make.variables()
    assert set(modules) <= set(modules_with_a_parser())
