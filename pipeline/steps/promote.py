"""Move the alias `champion` to this run's version, if the champion is still the one that it was compared with."""

import argparse

from contracts.problems import Problem, Refused
from pipeline.clients import for_step
from pipeline.command import ExitCode, say
from pipeline.model_registry import CHAMPION, ModelRegistry, version_id
from pipeline.steps.step import run, telling_refusals


def promote(registry: ModelRegistry, *, model_version: str, compared_with: str) -> None:
    champion = registry.champion()
    now = champion.id if champion else ""
    if now == version_id(model_version):
        say(f"{model_version} is the {CHAMPION} already")
        return
    if now != version_id(compared_with):
        rule = f"the champion has become version {now or 'none'} since this run was compared with it"
        problem = Problem(key="compared_with", value=compared_with, rule=rule, fix="Start a new run")
        raise Refused("Promotion", [problem])
    registry.make_champion(model_version)
    say(f"{model_version} is the {CHAMPION} now; before: {champion.name if champion else 'none'}")


def main() -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m pipeline.steps.promote", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--model-name", required=True, help="the model's id in the registry")
    parser.add_argument("--model-version", required=True, help="projects/…/models/ID@VERSION")
    parser.add_argument(
        "--compared-with", required=True, help="the champion's version at the start of the run, or empty"
    )
    parser.add_argument("--model-uri", required=True, help="folder of the model")
    arguments = parser.parse_args()
    clients = for_step(project=arguments.project, region=arguments.region)
    registry = ModelRegistry(clients, arguments.model_name)
    work = lambda: promote(  # noqa: E731
        registry, model_version=arguments.model_version, compared_with=arguments.compared_with
    )
    return telling_refusals("promote", arguments.model_uri, clients, work)


if __name__ == "__main__":
    run(main)
