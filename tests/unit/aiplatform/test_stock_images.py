import os
import subprocess
from pathlib import Path

import pytest

from local.cloud.aiplatform.stock_images import stock_runtime

SITE = Path(__file__).parents[3] / "local/cloud/pipelines/task_site"


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.11",
        "python:3.9-slim",
        "python:alpine3.9",
        "library/python:3.12",
        "docker.io/library/python:3.10",
        "public.ecr.aws/docker/library/python:3.12",
        "mirror.gcr.io/library/python@sha256:" + "a" * 64,
        "registry.access.redhat.com/ubi9/python-311:latest",
        "gcr.io/ml-pipeline/google-cloud-pipeline-components:2.22.0",
    ],
)
def test_a_plain_python_image_is_run_by_the_clouds_interpreter(tmp_path: Path, image: str) -> None:
    runtime = stock_runtime(image, tmp_path / "task")
    assert runtime is not None
    told = _run(runtime.interpreter, "-c", "import sys; print(sys.prefix)")
    assert told.strip() == str(tmp_path / "task")


@pytest.mark.parametrize(
    "image",
    ["alpine", "alpine:3.23", "bash:5", "busybox", "debian:12-slim", "ubuntu:24.04", "ghcr.io/containerd/busybox"],
)
def test_a_plain_system_image_has_a_shell_and_no_python(tmp_path: Path, image: str) -> None:
    runtime = stock_runtime(image, tmp_path / "task")
    assert runtime is not None
    assert not Path(runtime.interpreter).exists()
    assert Path(runtime.workdir).is_dir()


@pytest.mark.parametrize(
    "image",
    [
        "python:2.7",
        "pythons:3.11",
        "acme/python:3.11",
        "europe-west1-docker.pkg.dev/acme/python:3.11",
        "gcr.io/acme/alpine",
        "pytorch/pytorch:2.4",
        "python:3.11 --privileged",
    ],
)
def test_any_other_image_has_to_be_registered(tmp_path: Path, image: str) -> None:
    assert stock_runtime(image, tmp_path) is None


def test_a_shell_knows_double_brackets_where_the_images_does(tmp_path: Path) -> None:
    for image, status in (("busybox", 0), ("debian", 127)):
        runtime = stock_runtime(image, tmp_path / image)
        assert runtime is not None
        path = f"{Path(runtime.interpreter).parent}:/usr/bin:/bin"
        dash = Path("/bin/sh").resolve().name == "dash"
        if image == "debian" and not dash:
            continue
        done = subprocess.run(["sh", "-c", "[[ a == a ]]"], env={"PATH": path}, check=False, capture_output=True)
        assert done.returncode == status, image


def test_what_a_task_installs_is_its_own_and_seen_by_environments_that_it_makes(tmp_path: Path) -> None:
    runtime = stock_runtime("python:3.11", tmp_path / "task")
    assert runtime is not None
    packages = Path(runtime.env["TASK_PACKAGES"])
    (packages / "only_here.py").write_text("answer = 42\n")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SITE), "TASK_PACKAGES": str(packages)}
    inner = tmp_path / "inner"
    _run(runtime.interpreter, "-m", "venv", "--without-pip", "--system-site-packages", str(inner), env=env)
    seen = _run(str(inner / "bin" / "python"), "-c", "import only_here; print(only_here.answer)", env=env)
    assert seen.strip() == "42"
    apart = tmp_path / "apart"
    _run(runtime.interpreter, "-m", "venv", "--without-pip", str(apart), env=env)
    with pytest.raises(subprocess.CalledProcessError):
        _run(str(apart / "bin" / "python"), "-c", "import only_here", env=env)


def _run(*argv: str, env: dict[str, str] | None = None) -> str:
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, env=env or {"PATH": os.environ["PATH"]}
    ).stdout
