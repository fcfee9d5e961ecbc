"""What a job may know and do, and that nothing but a job runs a command."""

import json
import sys
import time
import uuid
from pathlib import Path

import pytest
import requests

PROJECT = "acme-jobs"
PARENT = f"projects/{PROJECT}/locations/europe-west1"
IMAGE = f"europe-west1-docker.pkg.dev/{PROJECT}/training/trainer@sha256:" + "c" * 64
FINAL = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
REVEAL = """
import json, os, pathlib, sys, time, urllib.request
host = os.environ["GCE_METADATA_HOST"]
url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/"
def get(what):
    request = urllib.request.Request(url + what, headers={"metadata-flavor": "Google"})
    return urllib.request.urlopen(request).read().decode()
folders = {key: os.stat(os.environ[key]).st_mode & 0o777 for key in ("HOME", "TMPDIR")}
told = {"env": dict(os.environ), "argv": sys.argv, "folders": folders, "umask": os.umask(0o077)}
told |= {"email": get("email"), "token": json.loads(get("token"))["access_token"]}
path = pathlib.Path(os.environ["TELL"])
path.with_suffix(".draft").write_text(json.dumps(told))
path.with_suffix(".draft").rename(path)
while not pathlib.Path(os.environ["LET_GO"]).exists():
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def cloud(cloud_server, tmp_path_factory):
    """With an image, and a bucket for each of two accounts that the other may not read."""
    code = tmp_path_factory.mktemp("code")
    (code / "reveal.py").write_text(REVEAL)
    runtime = {"interpreter": sys.executable, "workdir": str(code)}
    cloud_server.json("PUT", "/_local/images", {"image": IMAGE, "runtime": runtime})
    for name in ("first", "second"):
        email = cloud_server.account(PROJECT, f"sa-{name}")
        cloud_server.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": f"acme-jobs-{name}"})
        policy = cloud_server.json("GET", f"/storage/v1/b/acme-jobs-{name}/iam")
        binding = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{email}"]}
        policy["bindings"].append(binding)
        cloud_server.json("PUT", f"/storage/v1/b/acme-jobs-{name}/iam", policy)
    return cloud_server


def submit(cloud, image=IMAGE, command=("python", "reveal.py"), args=(), env=None, **spec):
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    container = {"imageUri": image, "command": list(command), "args": list(args), "env": variables}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": container}
    job = {"displayName": "job", "jobSpec": {"workerPoolSpecs": [pool], **spec}}
    return cloud.json("POST", f"/v1/{PARENT}/customJobs", job)["name"]


def until(look, seconds=30):
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)
    return seen


def ended(cloud, name):
    def look():
        job = cloud.json("GET", f"/v1/{name}")
        return job if job["state"] in FINAL else None

    return until(look)


class Revealing:
    """A job that has told what it sees, and waits."""

    def __init__(self, cloud, account, folder, **more):
        self._cloud = cloud
        self._tell, self._let_go = folder / uuid.uuid4().hex, folder / uuid.uuid4().hex
        env = {"TELL": str(self._tell), "LET_GO": str(self._let_go)}
        email = f"sa-{account}@{PROJECT}.iam.gserviceaccount.com"
        self.name = submit(cloud, env=env, serviceAccount=email, **more)
        until(self._tell.exists)
        self.told = json.loads(self._tell.read_text())

    def sees(self, bucket):
        return _status(f"{self._cloud.url}/storage/v1/b/{bucket}/o", authorization=f"Bearer {self.told['token']}")

    def metadata(self, what="email"):
        host = self.told["env"]["GCE_METADATA_HOST"]
        path = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/{what}"
        return _status(path, **{"metadata-flavor": "Google"})

    def end(self):
        self._let_go.touch()
        return ended(self._cloud, self.name)


def _status(url, **headers):
    return requests.get(url, headers=headers, timeout=10).status_code


@pytest.fixture(scope="module")
def pair(cloud, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    both = [Revealing(cloud, account, folder) for account in ("first", "second")]
    yield both
    for job in both:
        job.end()


def test_a_job_knows_its_own_account_and_no_other_token(cloud, pair):
    for job, other in (pair, reversed(pair)):
        text = json.dumps(job.told["env"])
        for secret in (cloud.token, other.told["token"], other.told["env"]["GCE_METADATA_HOST"].rpartition("/")[2]):
            assert secret not in text
    assert [job.told["email"].partition("@")[0] for job in pair] == ["sa-first", "sa-second"]


def test_a_job_has_nothing_of_the_environment_that_the_cloud_was_started_in(pair):
    for job in pair:
        assert not {"PYTEST_CURRENT_TEST", "SSH_AUTH_SOCK", "USER", "PYTHONSTARTUP"} & job.told["env"].keys()
        assert job.told["env"]["HOME"] != str(Path.home())


def test_a_jobs_folders_are_its_users_alone(cloud, pair):
    for job in pair:
        assert job.told["umask"] == 0o077
        assert set(job.told["folders"].values()) == {0o700}
    logs = [path for path in (cloud.root / "jobs").rglob("*.log") if path.stat().st_mode & 0o077]
    assert logs == []


def test_one_jobs_token_does_not_serve_another(pair):
    first, second = pair
    assert (first.sees("acme-jobs-first"), first.sees("acme-jobs-second")) == (200, 403)
    assert (second.sees("acme-jobs-first"), second.sees("acme-jobs-second")) == (403, 200)


def test_a_jobs_token_commands_nothing(cloud, pair):
    headers = {"authorization": f"Bearer {pair[0].told['token']}"}
    for method, path in (("POST", "/_local/stop"), ("PUT", "/_local/images"), ("POST", "/_local/access/tokens")):
        answer = requests.request(method, f"{cloud.url}{path}", json={}, headers=headers, timeout=10)
        assert answer.status_code == 403
    answer = requests.post(f"{cloud.url}/v1/{PARENT}/customJobs", json={}, headers=headers, timeout=10)
    assert answer.status_code == 403


def test_a_jobs_token_and_its_metadata_server_end_with_it_and_leave_the_others_be(cloud, tmp_path):
    twin, job = (Revealing(cloud, "first", tmp_path) for _ in range(2))
    assert (job.sees("acme-jobs-first"), job.metadata()) == (200, 200)
    assert job.end()["state"] == "JOB_STATE_SUCCEEDED"
    assert (job.sees("acme-jobs-first"), job.metadata(), job.metadata("token")) == (401, 404, 404)
    assert (twin.sees("acme-jobs-first"), twin.metadata()) == (200, 200)
    cloud.json("POST", f"/v1/{twin.name}:cancel", {})
    ended(cloud, twin.name)
    assert (twin.sees("acme-jobs-first"), twin.metadata()) == (401, 404)


def test_words_of_a_job_are_words_and_no_shell(cloud, tmp_path):
    mark = tmp_path / "mark"
    words = [f"$(touch {mark})", f"`touch {mark}`", f"; touch {mark}", f"&& touch {mark}", "$HOME", "*", "a b", "\n"]
    job = Revealing(cloud, "first", tmp_path, args=words)
    assert job.told["argv"][1:] == words
    assert not mark.exists()
    job.end()


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/library/nginx:1",
        "attacker.example/alpine:3",
        "docker.io/attacker/python:3.11",
        "notpython:3.11",
        "python:3.11; true",
        "python\n",
        f"europe-west1-docker.pkg.dev/{PROJECT}/training/trainer@sha256:" + "d" * 64,
        f"europe-west1-docker.pkg.dev/{PROJECT}/training/trainer:latest",
        "/bin/sh",
        "../../bin/sh",
        "file:///bin/sh",
        "--privileged",
    ],
)
def test_an_image_that_is_neither_registered_nor_stock_runs_nothing(cloud, tmp_path, image):
    mark = tmp_path / "mark"
    name = submit(cloud, image=image, command=["sh", "-c", f"touch {mark}"])
    assert ended(cloud, name)["state"] == "JOB_STATE_FAILED"
    assert not mark.exists()


def test_nothing_but_a_jobs_command_is_run(cloud, tmp_path):
    mark = tmp_path / "mark"
    text = f"$(touch {mark})`touch {mark}`;touch {mark}"
    cloud.call("POST", f"/v1/{PARENT}/models:upload", {"model": {"displayName": text[:120]}})
    cloud.call("POST", f"/v1/{PARENT}/tensorboards", {"displayName": text})
    cloud.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "acme-jobs-x", "labels": {"a": text}})
    cloud.call(
        "POST", "/upload/storage/v1/b/acme-jobs-first/o", params={"uploadType": "media", "name": text}, data=b"x"
    )
    pickled = b"cposix\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    tag = f"!!python/object/apply:os.system ['touch {mark}']".encode()
    for name, data in (("m.pkl", pickled), ("m.pt", pickled), ("spec.yaml", tag), ("sitecustomize.py", tag)):
        cloud.call(
            "POST", "/upload/storage/v1/b/acme-jobs-first/o", params={"uploadType": "media", "name": name}, data=data
        )
        cloud.call("GET", f"/storage/v1/b/acme-jobs-first/o/{name}?alt=media")
    spec = {"pipelineSpec": tag.decode(), "runtimeConfig": {"gcsOutputDirectory": "gs://acme-jobs-first"}}
    cloud.call("POST", f"/v1/{PARENT}/pipelineJobs", spec)
    name = submit(cloud, command=["true"], env={"A": text})
    ended(cloud, name)
    assert not mark.exists()


def test_a_condition_of_a_policy_runs_no_code(cloud, tmp_path):
    mark = tmp_path / "mark"
    expression = f"__import__('os').system('touch {mark}') == 0"
    binding = {"role": "roles/viewer", "members": ["user:eve@acme.example"], "condition": {"title": "x"}}
    binding["condition"]["expression"] = expression
    wanted = {"version": 3, "bindings": [binding]}
    cloud.call("POST", f"/crm/v1/projects/{PROJECT}-x:setIamPolicy", {"policy": wanted})
    token = cloud.token_of("eve@acme.example")
    assert _status(f"{cloud.url}/crm/v1/projects/{PROJECT}-x", authorization=f"Bearer {token}") == 403
    assert not mark.exists()


def test_the_name_of_a_pool_is_no_path(cloud, tmp_path):
    short, name = f"p{uuid.uuid4().hex[:8]}", f"x/../../../../escaped-{uuid.uuid4().hex}"
    pool = {"id": name, "machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1"}
    cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId={short}", {"resourcePools": [pool]})
    job = submit(cloud, args=["x"], env={"TELL": str(tmp_path / "tell"), "LET_GO": "/"}, persistentResourceId=short)
    assert ended(cloud, job)["state"] == "JOB_STATE_SUCCEEDED"
    found = [path for path in cloud.root.parent.rglob("*escaped-*") if path.is_file()]
    assert [path.parent for path in found] == [cloud.root / "jobs" / "keepers"]
