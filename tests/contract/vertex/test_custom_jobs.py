import sys
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CustomJob, JobState, PersistentResource

from .conftest import BUCKET, DISK, IMAGE, MACHINE, PARENT, PROJECT, Vertex, violations, wait_until, worker_pool

FINAL = {JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED}
TAGGED = f"europe-west1-docker.pkg.dev/{PROJECT}/training/tagged"
ACCOUNT = f"trainer@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def warm(vertex: Vertex) -> str:
    """The id of a pool with two replicas that enforces custom service accounts."""
    resource = PersistentResource(
        resource_pools=[{"id": "main", "machine_spec": MACHINE, "disk_spec": DISK, "replica_count": 2}],
        resource_runtime_spec={"service_account_spec": {"enable_custom_service_account": True}},
    )
    client = vertex.client("PersistentResourceService")
    client.create_persistent_resource(
        parent=PARENT, persistent_resource=resource, persistent_resource_id="jobs"
    ).result()
    return "jobs"


def job(*pools: dict[str, Any], **spec: Any) -> CustomJob:
    return CustomJob(display_name="job", job_spec={"worker_pool_specs": list(pools), **spec})


def finished(vertex: Vertex, name: str) -> CustomJob:
    client = vertex.client("JobService")
    return wait_until(lambda: client.get_custom_job(name=name), lambda each: each.state in FINAL)


def logged(vertex: Vertex, name: str, task: str = "workerpool0-0") -> list[dict[str, Any]]:
    """The log entries of one replica, as Cloud Logging lists them."""
    labels = f'resource.labels.job_id="{name.rsplit("/", 1)[-1]}" AND resource.labels.task_name="{task}"'
    text = f'resource.type="ml_job" AND {labels}'
    body = {"resourceNames": [f"projects/{PROJECT}"], "filter": text, "orderBy": "timestamp asc"}
    return vertex.cloud.json("POST", "/v2/entries:list", body).get("entries", [])


def test_a_job_runs_its_container_and_tells_its_times(vertex: Vertex) -> None:
    vertex.module("hello", "import os, sys; print('hello', sys.argv[1:], os.environ['GIT_SHA'])")
    client = vertex.client("JobService")
    made = client.create_custom_job(parent=PARENT, custom_job=job(worker_pool("python", "-m", "hello", "x")))
    assert made.state == JobState.JOB_STATE_PENDING
    done = finished(vertex, made.name)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert done.create_time <= done.start_time <= done.end_time <= done.update_time
    assert [entry["textPayload"] for entry in logged(vertex, made.name)] == ["hello ['x'] abc"]


@pytest.mark.parametrize("on_a_pool", [False, True])
def test_a_stock_image_needs_no_registration(vertex: Vertex, warm: str, on_a_pool: bool) -> None:  # noqa: FBT001
    code = "import sys, os; print(sys.version_info.major, os.path.basename(sys.prefix) != 'usr')"
    pool = worker_pool("python3", "-c", code)
    pool["container_spec"]["image_uri"] = "python:3.12-slim"
    spec: dict[str, Any] = {"persistent_resource_id": warm, "service_account": ACCOUNT} if on_a_pool else {}
    made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(pool, **spec))
    done = finished(vertex, made.name)
    assert done.state == JobState.JOB_STATE_SUCCEEDED, done.error
    assert [entry["textPayload"] for entry in logged(vertex, made.name)] == ["3 True"]
    assert not (vertex.cloud.root / "stock" / made.name.rsplit("/", 1)[-1]).exists()


def test_a_job_that_fails_says_which_replica_and_why(vertex: Vertex) -> None:
    made = vertex.client("JobService").create_custom_job(
        parent=PARENT, custom_job=job(worker_pool("python", "-c", "raise SystemExit('no data')"))
    )
    done = finished(vertex, made.name)
    assert done.state == JobState.JOB_STATE_FAILED
    assert done.error.code == 3
    assert "The replica workerpool0-0 exited with a non-zero status of 1." in done.error.message
    assert "no data" in done.error.message


def test_an_image_that_nobody_pushed_cannot_be_pulled(vertex: Vertex) -> None:
    pool = worker_pool("true", container_spec={"image_uri": IMAGE.replace("a" * 64, "f" * 64), "command": ["true"]})
    made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(pool))
    done = finished(vertex, made.name)
    assert done.state == JobState.JOB_STATE_FAILED
    assert "Failed to pull image" in done.error.message


def test_an_image_is_named_by_its_newest_tag_too(vertex: Vertex, tmp_path: Path) -> None:
    def register(digit: str, tags: list[str]) -> None:
        runtime = {"interpreter": sys.executable, "workdir": str(tmp_path), "env": {"BUILD": digit}}
        image = f"{TAGGED}@sha256:{digit * 64}"
        vertex.cloud.json("PUT", "/_local/images", {"image": image, "runtime": runtime, "tags": tags})

    def build(image: str) -> str:
        pool = worker_pool("true", container_spec={"image_uri": image, "command": ["sh", "-c", "echo $BUILD"]})
        made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(pool))
        done = finished(vertex, made.name)
        return done.error.message or str(logged(vertex, made.name)[-1]["textPayload"])

    register("1", ["stable", "latest"])
    register("2", ["latest"])
    assert build(f"{TAGGED}:stable") == "1"
    assert build(f"{TAGGED}:latest") == build(TAGGED) == "2"
    assert f"'{TAGGED}:absent'" in build(f"{TAGGED}:absent")


def test_a_package_that_is_wrong_is_refused_with_its_fields(vertex: Vertex) -> None:
    pool = worker_pool("true")
    del pool["container_spec"]
    pool["python_package_spec"] = {"package_uris": ["/home/me/trainer.tar.gz"], "executor_image_uri": "python:3.11"}
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(pool))
    at = "jobSpec.workerPoolSpecs[0].pythonPackageSpec"
    assert violations(refused).keys() == {f"{at}.pythonModule", f"{at}.packageUris[0]"}
    assert "'/home/me/trainer.tar.gz'" in str(refused.value)


def test_a_package_that_is_not_there_fails_the_job_by_its_name(vertex: Vertex) -> None:
    pool = worker_pool("true")
    del pool["container_spec"]
    uri = f"gs://{BUCKET}/packages/absent-0.1.tar.gz"
    pool["python_package_spec"] = {"package_uris": [uri], "executor_image_uri": "python:3.11", "python_module": "t"}
    made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(pool))
    assert "absent-0.1.tar.gz" in finished(vertex, made.name).error.message


def test_a_job_acts_as_its_service_account_and_has_no_other_credentials(vertex: Vertex) -> None:
    vertex.module(
        "identity",
        "import google.auth, google.auth.transport.requests as transport, json, os, requests\n"
        "credentials, project = google.auth.default()\n"
        "credentials.refresh(transport.Request())\n"
        "url = os.environ['STORAGE_EMULATOR_HOST'] + '/storage/v1/b/acme-recsys-vertex'\n"
        "answer = requests.get(url, headers={'authorization': 'Bearer ' + credentials.token})\n"
        "print(json.dumps({'email': credentials.service_account_email, 'project': project,\n"
        "  'status': answer.status_code,\n"
        "  'files': sorted(os.listdir(os.environ['HOME'])), 'token': requests.get(url).status_code}))\n",
    )
    custom = job(worker_pool("python", "-m", "identity"), service_account=ACCOUNT)
    made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=custom)
    assert finished(vertex, made.name).error.message == ""
    told = logged(vertex, made.name)[-1]["jsonPayload"]
    assert told["email"] == ACCOUNT
    assert told["project"] == PROJECT
    assert told["files"] == ["gcloud"]
    assert (told["status"], told["token"]) in {(200, 401), (403, 401)}


def test_several_worker_pools_find_each_other(vertex: Vertex) -> None:
    vertex.module(
        "ring",
        "import json, os, socket, time\n"
        "spec = json.loads(os.environ['CLUSTER_SPEC'])\n"
        "host, port = spec['cluster']['workerpool0'][0].split(':')\n"
        "if spec['task']['type'] == 'workerpool0':\n"
        "    server = socket.create_server((host, int(port)))\n"
        "    print(sorted(server.accept()[0].recv(9).decode() for _ in range(2)))\n"
        "else:\n"
        "    while True:\n"
        "        try: client = socket.create_connection((host, int(port))); break\n"
        "        except OSError: time.sleep(0.05)\n"
        "    client.sendall(f\"worker {spec['task']['index']}\".encode()); time.sleep(60)\n",
    )
    command = ("python", "-m", "ring")
    custom = job(worker_pool(*command), worker_pool(*command, replica_count=2))
    made = vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=custom)
    assert finished(vertex, made.name).state == JobState.JOB_STATE_SUCCEEDED
    assert logged(vertex, made.name)[-1]["textPayload"] == "['worker 0', 'worker 1']"


def test_only_an_existing_pool_and_a_registered_image_can_be_warmed(vertex: Vertex, warm: str) -> None:
    def command(pool: str) -> str:
        return f"/_local/aiplatform/{PARENT}/persistentResources/{pool}:warm"

    vertex.cloud.json("POST", command(warm), {"image": IMAGE})
    refused = vertex.cloud.json("POST", command(warm), {"image": f"{IMAGE[:-1]}b"}, status=400)
    assert "Failed to pull image" in refused["error"]["message"]
    assert "nowhere" in vertex.cloud.json("POST", command("nowhere"), {"image": IMAGE}, status=404)["error"]["message"]


def test_jobs_on_a_pool_count_as_used_and_wait_for_their_turn(vertex: Vertex, warm: str) -> None:
    vertex.module("slow", "import time; time.sleep(0.8)")
    client, pools = vertex.client("JobService"), vertex.client("PersistentResourceService")
    on_pool = {"persistent_resource_id": warm, "service_account": ACCOUNT}
    made = [
        client.create_custom_job(parent=PARENT, custom_job=job(worker_pool("python", "-m", "slow"), **on_pool)).name
        for _ in range(3)
    ]
    name = f"{PARENT}/persistentResources/{warm}"
    wait_until(
        lambda: pools.get_persistent_resource(name=name).resource_pools[0].used_replica_count, lambda used: used == 2
    )
    assert client.get_custom_job(name=made[2]).state in {JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_PENDING}
    done = [finished(vertex, each) for each in made]
    assert {each.state for each in done} == {JobState.JOB_STATE_SUCCEEDED}
    assert done[2].start_time >= min(done[0].end_time, done[1].end_time)
    assert pools.get_persistent_resource(name=name).resource_pools[0].used_replica_count == 0


@pytest.mark.parametrize(
    ("pools", "spec", "field"),
    [
        (
            [worker_pool("true", machine_spec={"machine_type": "n1-standard-4"})],
            {},
            "jobSpec.workerPoolSpecs[0].machineSpec.machineType",
        ),
        (
            [worker_pool("true", disk_spec={**DISK, "boot_disk_type": "pd-standard"})],
            {},
            "jobSpec.workerPoolSpecs[0].diskSpec.bootDiskType",
        ),
        (
            [worker_pool("true", disk_spec={**DISK, "boot_disk_size_gb": 200})],
            {},
            "jobSpec.workerPoolSpecs[0].diskSpec.bootDiskSizeGb",
        ),
        ([worker_pool("true"), worker_pool("true", replica_count=2)], {}, "jobSpec.workerPoolSpecs[1].replicaCount"),
        ([worker_pool("true")], {"service_account": ""}, "jobSpec.serviceAccount"),
        ([worker_pool("true")], {"scheduling": {"strategy": "SPOT"}}, "jobSpec.scheduling.strategy"),
        ([worker_pool("true")], {"scheduling": {"strategy": "FLEX_START"}}, "jobSpec.scheduling.strategy"),
        ([worker_pool("true")], {"network": "projects/1/global/networks/x"}, "jobSpec.network"),
    ],
)
def test_a_job_that_does_not_match_its_pool_is_refused(
    vertex: Vertex, warm: str, pools: list[Any], spec: dict[str, Any], field: str
) -> None:
    custom = job(*pools, **{"persistent_resource_id": warm, "service_account": ACCOUNT, **spec})
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=custom)
    assert list(violations(refused)) == [field]


def test_a_job_on_a_pool_that_does_not_exist_is_refused(vertex: Vertex) -> None:
    custom = job(worker_pool("true"), persistent_resource_id="nowhere", service_account=ACCOUNT)
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=custom)


def variables(*names: str) -> dict[str, Any]:
    env = [{"name": name, "value": "1"} for name in names]
    return worker_pool("true", container_spec={"image_uri": IMAGE, "env": env})


@pytest.mark.parametrize(
    ("pools", "field"),
    [
        ([], "jobSpec.workerPoolSpecs"),
        ([worker_pool("true", replica_count=2)], "jobSpec.workerPoolSpecs[0].replicaCount"),
        ([worker_pool("true", container_spec={})], "jobSpec.workerPoolSpecs[0].containerSpec.imageUri"),
        ([variables("LEARNING-RATE")], "jobSpec.workerPoolSpecs[0].containerSpec.env[0].name"),
        ([variables(*(f"V{number}" for number in range(101)))], "jobSpec.workerPoolSpecs[0].containerSpec.env"),
        (
            [worker_pool("true", machine_spec={"machine_type": "x"})],
            "jobSpec.workerPoolSpecs[0].machineSpec.machineType",
        ),
    ],
)
def test_a_job_that_is_wrong_by_itself_is_refused(vertex: Vertex, pools: list[Any], field: str) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("JobService").create_custom_job(parent=PARENT, custom_job=job(*pools))
    assert field in violations(refused)


def test_cancel_is_asked_for_and_ends_with_code_1(vertex: Vertex) -> None:
    client = vertex.client("JobService")
    vertex.module("forever", "import time; print('up', flush=True); time.sleep(600)")
    made = client.create_custom_job(parent=PARENT, custom_job=job(worker_pool("python", "-m", "forever")))
    wait_until(lambda: logged(vertex, made.name), bool)
    client.cancel_custom_job(name=made.name)
    done = finished(vertex, made.name)
    assert done.state == JobState.JOB_STATE_CANCELLED
    assert done.error.code == 1


def test_a_job_that_is_over_is_deleted_and_one_that_runs_is_not(vertex: Vertex) -> None:
    client = vertex.client("JobService")
    vertex.module("forever", "import time; time.sleep(600)")
    running = client.create_custom_job(parent=PARENT, custom_job=job(worker_pool("python", "-m", "forever")))
    with pytest.raises(exceptions.BadRequest, match="cancel it"):
        client.delete_custom_job(name=running.name)
    client.cancel_custom_job(name=running.name)
    finished(vertex, running.name)
    client.delete_custom_job(name=running.name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_custom_job(name=running.name)


def test_lists_filter_and_page_newest_first(vertex: Vertex) -> None:
    client = vertex.client("JobService")
    for number in range(5):
        custom = CustomJob(
            display_name=f"listed-{number}", labels={"list": "yes"}, job_spec=job(worker_pool("true")).job_spec
        )
        client.create_custom_job(parent=PARENT, custom_job=custom)
    listed = list(client.list_custom_jobs(request={"parent": PARENT, "filter": 'labels.list="yes"', "page_size": 2}))
    assert [each.display_name for each in listed] == [f"listed-{number}" for number in (4, 3, 2, 1, 0)]
    for each in listed:
        finished(vertex, each.name)
    ended = '(state="JOB_STATE_SUCCEEDED" OR state="JOB_STATE_FAILED")'
    text = f'display_name="listed-*" AND {ended} AND NOT display_name="listed-0"'
    assert len(list(client.list_custom_jobs(request={"parent": PARENT, "filter": text}))) == 4
    with pytest.raises(exceptions.BadRequest, match=r"expected at .AND"):
        list(client.list_custom_jobs(request={"parent": PARENT, "filter": "state AND AND"}))


def test_log_entries_are_filtered_by_severity_and_paged(vertex: Vertex) -> None:
    vertex.module(
        "chatty",
        "import json, sys\n"
        "for n in range(5):\n"
        "    severity = 'WARNING' if n == 3 else 'INFO'\n"
        "    print(json.dumps({'severity': severity, 'message': f'line {n}', 'n': n}))\n"
        "print('oops', file=sys.stderr)\n",
    )
    made = vertex.client("JobService").create_custom_job(
        parent=PARENT, custom_job=job(worker_pool("python", "-m", "chatty"))
    )
    finished(vertex, made.name)
    short = made.name.rsplit("/", 1)[-1]
    body = {"resourceNames": [f"projects/{PROJECT}"], "filter": f'resource.labels.job_id="{short}" severity>=WARNING'}
    entries = vertex.cloud.json("POST", "/v2/entries:list", body)["entries"]
    assert [entry.get("textPayload") or entry["jsonPayload"]["message"] for entry in entries] == ["line 3", "oops"]
    paged, token = [], ""
    while True:
        page = vertex.cloud.json(
            "POST",
            "/v2/entries:list",
            {**body, "filter": f'resource.labels.job_id="{short}" jsonPayload.n>=0', "pageSize": 2, "pageToken": token},
        )
        paged += [entry["jsonPayload"]["n"] for entry in page["entries"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert paged == [0, 1, 2, 3, 4]
