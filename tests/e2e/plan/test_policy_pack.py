"""The policy pack in the real command, on a program that breaks rules of each kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.independent.engines import real_pair_missing

ROOT = Path(__file__).parents[3]
PACK = ROOT / "policy" / "pack"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pulumi,
    pytest.mark.skipif(real_pair_missing(), reason="pulumi and pulumi-resource-gcp are not on PATH"),
    pytest.mark.skipif(not (PACK / ".venv").exists(), reason="the pack's environment is not made: make policy-pack"),
]

PROGRAM = """
import pulumi_gcp as gcp

gcp.storage.Bucket("far", name="acme-far", location="ASIA-EAST1", labels={"platform": "x", "environment": "dev"})
ring = gcp.kms.KeyRing("ring", name="ring", location="us-central1")
gcp.kms.CryptoKey("key", name="key", key_ring=ring.id)
machine = {"machine_type": "a3-highgpu-8g", "accelerator_type": "NVIDIA_H100_80GB", "accelerator_count": 8}
gcp.vertex.AiPersistentResource(
    "pool", name="pool", location="us-central1", resource_pools=[{"machine_spec": machine, "replica_count": "9"}]
)
"""


def test_the_real_command_refuses_what_the_rules_refuse(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: shop\nruntime:\n  name: python\n  options:\n    virtualenv: {sys.prefix}\n"
    )
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: acme-recsys-dev\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    env = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
        "GOOGLE_OAUTH_ACCESS_TOKEN": "none",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False
        )

    run("stack", "init", "dev")
    done = run("preview", "--policy-pack", str(PACK))

    assert done.returncode != 0
    for words in (
        "lies in asia-east1",
        "NVIDIA_H100_80GB is none of",
        "up to 9 replicas, dev has at most 2",
        "set enableCustomServiceAccount",
        "has no encryptionSpec.kmsKeyName, while the stack has a key of its own",
    ):
        assert words in done.stdout, done.stdout + done.stderr
    assert "has no label" not in done.stdout
