"""Register this run's model as a new version, champion or not, and leave registration.json beside it."""

import argparse
from pathlib import Path

from contracts.run_artifacts import (
    BUNDLE_MANIFEST,
    EVALUATION_FILE,
    PRIMARY_METRIC,
    SHOWN_METRICS,
    TRAINING_FILE,
    EvaluationReport,
    TrainingSummary,
)
from pipeline.artifacts import REGISTRATION_FILE
from pipeline.clients import for_step
from pipeline.command import ExitCode, say
from pipeline.model_registry import ModelRegistry, ModelVersion
from pipeline.objects import Objects, join
from pipeline.steps.step import read_input, run, telling_refusals, write_output


def describe(training: TrainingSummary, evaluation: EvaluationReport) -> str:
    """What a reader of the registry should know of a version without opening its files."""
    measured = evaluation.model.metrics
    metrics = ", ".join(f"{name} {measured[name]:.4f}" for name in SHOWN_METRICS if name in measured)
    baselines = ", ".join(
        f"{name} {values[PRIMARY_METRIC]:.4f}"
        for name, values in sorted(evaluation.baselines.items())
        if PRIMARY_METRIC in values
    )
    return (
        f"{metrics} ({evaluation.protocol}; {evaluation.users} users, {evaluation.items} items). "
        f"{PRIMARY_METRIC} of baselines: {baselines}. "
        f"Run {training.run_id}, git {training.git_sha}, data {training.data_fingerprint}"
    )


def register(registry: ModelRegistry, objects: Objects, *, run_id: str, model_uri: str, image: str) -> ModelVersion:
    training = read_input(objects, join(model_uri, TRAINING_FILE), TrainingSummary)
    evaluation = read_input(objects, join(model_uri, EVALUATION_FILE), EvaluationReport)
    labels = {"run_id": run_id, "git_sha": training.git_sha, "data_fingerprint": training.data_fingerprint}
    servable = objects.state(join(model_uri, BUNDLE_MANIFEST)) is not None
    description = describe(training, evaluation)
    version = registry.register(
        run_id=run_id, uri=model_uri, image=image, description=description, labels=labels, servable=servable
    )
    registration = labels | {"model_version": version.name, "uri": version.uri, "metrics": evaluation.model.metrics}
    objects.write_json(join(model_uri, REGISTRATION_FILE), registration)
    return version


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.register", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--model-name", required=True, help="the model's id in the registry")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--model-uri", required=True, help="folder of the model")
    parser.add_argument("--image", required=True, help="the image that made the model and can load it")
    parser.add_argument("--model-version-file", required=True, type=Path)
    arguments = parser.parse_args()
    clients = for_step(project=arguments.project, region=arguments.region)

    def work() -> None:
        version = register(
            ModelRegistry(clients, arguments.model_name),
            Objects(clients.storage),
            run_id=arguments.run_id,
            model_uri=arguments.model_uri,
            image=arguments.image,
        )
        say(f"registered {version.name}: {version.description}")
        write_output(arguments.model_version_file, version.name)

    return telling_refusals("register", arguments.model_uri, clients, work)


if __name__ == "__main__":
    run(main)
