import json
from pathlib import Path

import pytest


@pytest.fixture
def image_lock(tmp_path: Path) -> str:
    """A lock file as the local stack writes it; `imagesLock` may name any path."""
    host = "us-central1-docker.pkg.dev/recsys-local/recsys-training"
    images = {"trainer": f"{host}/recsys-train@sha256:{'1' * 64}", "steps": f"{host}/recsys-steps@sha256:{'2' * 64}"}
    path = tmp_path / "images.json"
    path.write_text(json.dumps(images))
    return str(path)
