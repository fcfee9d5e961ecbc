import pytest
from pydantic import ValidationError

from local.cloud.jobs.images import ImageNotFoundError, RuntimeManifest, runtime_of

DIGEST = "sha256:" + "b" * 64
IMAGE = f"eu-docker.pkg.dev/p/r/n@{DIGEST}"
RUNTIME = {"interpreter": "/usr/bin/python3", "workdir": "/srv"}
REGISTERED = {IMAGE: {"runtime": RUNTIME}}


def test_a_registered_digest_has_its_manifest() -> None:
    assert runtime_of(IMAGE, REGISTERED.get) == RuntimeManifest.model_validate(RUNTIME)


def test_an_unknown_digest_is_a_failed_pull_that_names_it() -> None:
    with pytest.raises(ImageNotFoundError, match=f"Failed to pull image .*{DIGEST} is not found"):
        runtime_of(IMAGE, {}.get)


def test_a_tag_that_no_image_has_is_a_failed_pull() -> None:
    with pytest.raises(ImageNotFoundError, match=r"eu-docker\.pkg\.dev/p/r/n:latest.*digest"):
        runtime_of("eu-docker.pkg.dev/p/r/n:latest", REGISTERED.get)


def test_google_clients_must_not_be_preloaded() -> None:
    with pytest.raises(ValidationError, match=r"google\.cloud\.storage"):
        RuntimeManifest(interpreter="/usr/bin/python3", workdir="/srv", preload=["torch", "google.cloud.storage"])


def test_a_manifest_s_paths_are_absolute() -> None:
    with pytest.raises(ValidationError, match="venv/bin/python"):
        RuntimeManifest(interpreter="venv/bin/python", workdir="/srv")
