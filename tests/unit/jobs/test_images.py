from pathlib import Path

import pytest
from pydantic import ValidationError

from local.cloud.jobs.images import ImageNotFoundError, ImageRegistry, RuntimeManifest

DIGEST = "sha256:" + "b" * 64
IMAGE = f"eu-docker.pkg.dev/p/r/n@{DIGEST}"
RUNTIME = RuntimeManifest(interpreter="/usr/bin/python3", workdir="/srv")


def test_registered_images_are_known_after_a_restart(tmp_path: Path) -> None:
    ImageRegistry(tmp_path / "images.json").put(IMAGE, RUNTIME)
    assert ImageRegistry(tmp_path / "images.json").get(IMAGE) == RUNTIME


def test_an_unknown_digest_is_a_failed_pull_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match=f"Failed to pull image .*{DIGEST} is not found"):
        ImageRegistry(tmp_path / "images.json").get(IMAGE)


def test_a_tag_is_not_resolved(tmp_path: Path) -> None:
    images = ImageRegistry(tmp_path / "images.json")
    with pytest.raises(ImageNotFoundError, match=r"eu-docker.pkg.dev/p/r/n:latest.*digest"):
        images.get("eu-docker.pkg.dev/p/r/n:latest")
    with pytest.raises(ValueError, match="n:latest"):
        images.put("eu-docker.pkg.dev/p/r/n:latest", RUNTIME)


def test_google_clients_must_not_be_preloaded() -> None:
    with pytest.raises(ValidationError, match=r"google\.cloud\.storage"):
        RuntimeManifest(interpreter="/usr/bin/python3", workdir="/srv", preload=["torch", "google.cloud.storage"])


def test_a_manifest_s_paths_are_absolute() -> None:
    with pytest.raises(ValidationError, match="venv/bin/python"):
        RuntimeManifest(interpreter="venv/bin/python", workdir="/srv")
