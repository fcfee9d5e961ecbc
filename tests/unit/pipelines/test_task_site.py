"""What a task's interpreter imports at its start: it lies outside of any package, so it is loaded by path."""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SITE = Path(__file__).parents[3] / "local/cloud/pipelines/task_site"


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pip_by_uv = loaded("pip_by_uv")


@pytest.mark.parametrize(
    ("words", "options", "wanted"),
    [
        (
            ["--quiet", "--no-warn-script-location", "kfp==2.14.3", "--no-deps"],
            ["--quiet", "--no-deps"],
            ["kfp==2.14.3"],
        ),
        (["--index-url=https://i/simple", "a"], ["--default-index", "https://i/simple"], ["a"]),
        (
            ["-i", "https://i", "--trusted-host", "i", "a", "b"],
            ["--default-index", "https://i", "--allow-insecure-host", "i"],
            ["a", "b"],
        ),
        (["-r", "requirements.txt"], ["--requirements", "requirements.txt"], []),
    ],
)
def test_pips_options_become_uvs(words: list[str], options: list[str], wanted: list[str]) -> None:
    assert pip_by_uv.translated(words) == (options, wanted)


@pytest.mark.parametrize("word", ["--target=x", "--editable", "--no-build-isolation", "--index-url"])
def test_what_uv_has_no_word_for_is_left_to_pip(word: str) -> None:
    assert pip_by_uv.translated(["a", word]) is None


@pytest.mark.slow
def test_pip_is_asked_only_for_what_is_not_there(tmp_path: Path) -> None:
    """`uv` is a program that notes how it is called and fails, so that pip itself answers after it."""
    note, uv = tmp_path / "asked", tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {note}\nexit 1\n')
    uv.chmod(0o755)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SITE),
        "TASK_UV": str(uv),
        "TASK_UV_CACHE": str(tmp_path),
        "PIP_RETRIES": "0",
    }

    def install(*words: str) -> int:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", *words]
        return subprocess.run(command, env=env, check=False, capture_output=True).returncode

    here = importlib.metadata.version("pytest")
    assert install("--no-deps", f"pytest=={here}", "nothing>=1; python_version<'3'") == 0
    assert not note.exists()
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--index-url", "http://127.0.0.1:9"]
    done = subprocess.run([*command, "no-such-package"], env=env, check=False, capture_output=True, text=True)
    assert "no-such-package" in note.read_text()
    assert "No matching distribution found for no-such-package" in done.stderr


def test_requests_for_google_reach_the_cloud(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("authorization", "")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"name": "model"}).encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    script = (
        "import requests; answer = requests.get('https://europe-west1-aiplatform.googleapis.com/v1/models?a=b',"
        " headers={'Authorization': 'Bearer t'}); print(answer.json()['name'])"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SITE),
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{server.server_port}",
    }
    done = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    assert done.stdout.strip() == "model"
    assert asked == [("/v1/models?a=b", "Bearer t")]
