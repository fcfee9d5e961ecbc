"""Versions and the champion's alias, by Google's client on the local cloud."""

import pytest

from pipeline.model_registry import ModelRegistry, ModelVersion
from tests.e2e.pipeline.platform import LocalPlatform

IMAGE = "us-central1-docker.pkg.dev/recsys-e2e/recsys/trainer@sha256:" + "a" * 64


@pytest.fixture
def registry(platform: LocalPlatform) -> ModelRegistry:
    return ModelRegistry(platform.clients, platform.outputs.model_name)


def register(registry: ModelRegistry, run_id: str, *, servable: bool = False) -> ModelVersion:
    labels = {"run_id": run_id, "git_sha": "0123ABC", "data_fingerprint": "f" * 64}
    return registry.register(
        run_id=run_id,
        uri=f"gs://models/{run_id}",
        image=IMAGE,
        description=f"what {run_id} scored",
        labels=labels,
        servable=servable,
    )


def test_without_a_model_there_is_no_champion(registry: ModelRegistry) -> None:
    assert registry.champion() is None
    assert registry.version("1") is None


def test_each_run_is_a_version_of_one_model(registry: ModelRegistry) -> None:
    first, second = register(registry, "recsys-1"), register(registry, "recsys-2")
    assert (first.id, second.id) == ("1", "2")
    assert second.uri == "gs://models/recsys-2"
    assert second.description == "what recsys-2 scored"
    assert second.labels == {"run_id": "recsys-2", "git_sha": "0123abc", "data_fingerprint": "f" * 63}


def test_only_a_model_with_a_bundle_says_how_it_is_served(platform: LocalPlatform, registry: ModelRegistry) -> None:
    containers = [
        platform.clients.vertex.get(register(registry, run_id, servable=servable).name)["containerSpec"]
        for run_id, servable in (("recsys-1", False), ("recsys-2", True))
    ]
    assert containers[0] == {"imageUri": IMAGE}
    assert containers[1]["command"] == ["python", "-m", "train.serve"]
    assert (containers[1]["predictRoute"], containers[1]["healthRoute"]) == ("/predict", "/health")


def test_a_run_that_is_registered_again_keeps_its_version(registry: ModelRegistry) -> None:
    first = register(registry, "recsys-1")
    register(registry, "recsys-2")
    again = register(registry, "recsys-1")
    assert again.id == first.id
    assert registry.version("3") is None


def test_the_champions_alias_moves_and_only_it(registry: ModelRegistry) -> None:
    first, second = register(registry, "recsys-1"), register(registry, "recsys-2")
    registry.make_champion(first.name)
    champion = registry.champion()
    assert champion is not None
    assert champion.id == "1"
    registry.make_champion(second.name)
    champion, before = registry.champion(), registry.version("1")
    assert champion is not None
    assert before is not None
    assert (champion.id, "champion" in champion.aliases, "champion" in before.aliases) == ("2", True, False)
    assert "recsys-1" in before.aliases
