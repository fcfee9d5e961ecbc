"""A cloud with something of everything on it, some of it named to do harm, and a reader of its console."""
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportInvalidTypeForm=false

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import pytest
import requests
from kfp import dsl
from markupsafe import escape

from tests.contract.cloud_process import CloudProcess
from tests.unit.pipelines.compiled import compiled

PATH = "/_local/console"
PROJECT = "acme-recsys"
PARENT = f"projects/{PROJECT}/locations/us-central1"
BUCKET = "acme-recsys-console"
IMAGE = f"us-central1-docker.pkg.dev/{PROJECT}/training/trainer@sha256:" + "a" * 64
MACHINE = {"machineType": "n1-standard-8"}
DISK = {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100}
HARM = "<img src=x onerror=\"document.title='owned'\">"
HARMLESS = str(escape(HARM))

light = dsl.component(base_image="python:3.11", install_kfp_package=False)


@light
def announce(text: str) -> str:
    print(text)  # noqa: T201 - a component's own output
    return text.upper()


@light
def last(status: dsl.PipelineTaskFinalStatus):
    print(status.state)  # noqa: T201 - a component's own output


@dsl.pipeline(name="shop")
def shop(text: str = "hello", wanted: int = 1):
    with dsl.ExitHandler(last()):
        first = announce(text=text).set_caching_options(False)
        with dsl.ParallelFor(["a", "b"], name="letters") as letter:
            announce(text=letter).set_caching_options(False).after(first).set_display_name("letter")
        with dsl.If(wanted > 1, name="more"):
            announce(text="more").after(first)


@dataclass
class Reader:
    """A browser without script: it keeps the session's cookie, and sends the Origin with what it posts."""

    cloud: CloudProcess
    session: requests.Session = field(default_factory=requests.Session)

    def enter(self) -> "Reader":
        self.session.trust_env = False
        link = self.cloud.json("POST", f"{PATH}/tickets")["url"]
        assert self.session.get(link, timeout=30).status_code == 200
        return self

    def get(self, path: str = "", /, **query: str | int) -> requests.Response:
        return self.session.get(f"{self.cloud.url}{PATH}{path}", params=query, timeout=30)

    def post(self, path: str, origin: str | None = None, /, **form: str) -> requests.Response:
        headers = {"origin": self.cloud.url if origin is None else origin}
        url = f"{self.cloud.url}{PATH}{path}"
        return self.session.post(url, data=form, headers=headers, timeout=30, allow_redirects=False)

    def section(self, name: str, **query: str | int) -> str:
        """What a section of the page says, without its tags."""
        return text_of(self.markup(name, **query))

    def markup(self, name: str, **query: str | int) -> str:
        found = re.search(rf'<section id="{name}".*?</section>', self.get(**query).text, re.DOTALL)
        assert found, f"the page has no section {name}"
        return found[0]


def text_of(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


@dataclass
class Shop:
    """The names of what was made."""

    cloud: CloudProcess
    run: str = ""
    job: str = ""
    schedule: str = ""

    def furnish(self) -> "Shop":
        cloud = self.cloud
        cloud.json(
            "PUT",
            "/_local/images",
            {"image": IMAGE, "runtime": {"interpreter": sys.executable, "workdir": str(cloud.root)}},
        )
        cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
        for account in ("pipeline", "trainer"):
            cloud.account(PROJECT, account)
        members = [f"serviceAccount:{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("pipeline", "trainer")]
        roles = ("roles/aiplatform.user", "roles/iam.serviceAccountUser", "roles/storage.objectAdmin")
        cloud.grant(PROJECT, dict.fromkeys(roles, members))
        self.pool("main", MACHINE, 2)
        self.pool("odd", {"machineType": "c2-standard-8"}, 1)
        self.job = self.submit(HARM, _METRICS, pool="main")
        self.run = self.start_run("shop-1", text=HARM)
        self.schedule = cloud.json("POST", f"/v1/{PARENT}/schedules", _schedule())["name"]
        self.store_objects()
        self.log_experiments()
        cloud.json("POST", f"/v1/{PARENT}/models:upload", {"model": _model(), "modelId": "recsys"})
        self.refused_call()
        for name in (self.job, self.run):
            self.wait_for(name, lambda each: each["state"].endswith("_SUCCEEDED"))
        return self

    def pool(self, name: str, machine: dict[str, str], replicas: int) -> None:
        pools = [{"id": "main", "machineSpec": machine, "diskSpec": DISK, "replicaCount": str(replicas)}]
        spec = {"serviceAccountSpec": {"enableCustomServiceAccount": True}}
        body = {"resourcePools": pools, "resourceRuntimeSpec": spec}
        self.cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId={name}", body)
        self.wait_for(f"{PARENT}/persistentResources/{name}", lambda each: each["state"] == "RUNNING")

    def submit(self, title: str, code: str, *, pool: str = "") -> str:
        """A custom job of one replica; its name."""
        container = {"imageUri": IMAGE, "command": ["python", "-u", "-c", code]}
        worker = {"machineSpec": MACHINE, "diskSpec": DISK, "replicaCount": "1", "containerSpec": container}
        account = f"trainer@{PROJECT}.iam.gserviceaccount.com"
        spec = {"workerPoolSpecs": [worker], "persistentResourceId": pool, "serviceAccount": account}
        return self.cloud.json("POST", f"/v1/{PARENT}/customJobs", {"displayName": title, "jobSpec": spec})["name"]

    def start_run(self, short: str, **parameters: Any) -> str:
        body = _pipeline_job(parameters)
        return self.cloud.json("POST", f"/v1/{PARENT}/pipelineJobs?pipelineJobId={short}", body)["name"]

    def wait_for(self, name: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not done(found := self.cloud.json("GET", f"/v1/{name}")):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def store_objects(self) -> None:
        where = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name="
        page = {"content-type": "text/html"}
        self.cloud.json("POST", f"{where}pages/{HARM_OBJECT_QUOTED}", data=b"<script>1</script>", headers=page)
        for number in range(30):
            self.cloud.json("POST", f"{where}many/{number:03d}.txt", data=b"x" * number)

    def log_experiments(self) -> None:
        self.cloud.call("POST", f"/v1/{PARENT}/metadataStores?metadataStoreId=default", {})  # a run may have made it
        for number, name in enumerate((HARM, "second")):
            metadata = {"_metrics": {"ndcg@10": 0.25 + number / 8}, "_params": {"lr": 0.001}, "_state": "COMPLETE"}
            body = {"displayName": name, "schemaTitle": "system.ExperimentRun", "schemaVersion": "0.0.1"}
            path = f"/v1/{PARENT}/metadataStores/default/contexts?contextId=exp-{number}"
            self.cloud.json("POST", path, {**body, "metadata": metadata})
        board = self.cloud.json("POST", f"/v1/{PARENT}/tensorboards", {"displayName": "board"})["response"]["name"]
        self.cloud.json("POST", f"/v1/{board}/experiments?tensorboardExperimentId=exp", {"displayName": "exp"})
        run = f"{board}/experiments/exp/runs/one"
        self.cloud.json("POST", f"/v1/{board}/experiments/exp/runs?tensorboardRunId=one", {"displayName": "one"})
        series = self.cloud.json("POST", f"/v1/{run}/timeSeries", {"displayName": "loss", "valueType": "SCALAR"})
        moment = "2026-01-01T00:00:00Z"
        values = [{"step": str(step), "wallTime": moment, "scalar": {"value": 1 / (step + 1)}} for step in range(5)]
        data = {"tensorboardTimeSeriesId": series["name"].rsplit("/", 1)[-1], "valueType": "SCALAR", "values": values}
        self.cloud.json("POST", f"/v1/{run}:write", {"timeSeriesData": [data]})

    def refused_call(self) -> None:
        token = self.cloud.token_of("stranger@acme.example")
        headers = {"authorization": f"Bearer {token}"}
        assert self.cloud.call("GET", f"/storage/v1/b/{BUCKET}/o", headers=headers).status_code == 403


HARM_OBJECT = '"><script>alert(1)</script>.html'
HARM_OBJECT_QUOTED = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E.html"
_METRICS = f"""
import json
for step in range(1, 21):
    print(json.dumps({{"metric": "train_loss", "value": 2 / step, "step": step}}))
print({HARM!r})
print(json.dumps({{"severity": "ERROR", "message": "all is lost"}}))
"""


def _pipeline_job(parameters: dict[str, Any]) -> dict[str, Any]:
    config = {"gcsOutputDirectory": f"gs://{BUCKET}/root", "parameterValues": parameters}
    account = f"pipeline@{PROJECT}.iam.gserviceaccount.com"
    return {
        **{"displayName": f"shop of {HARM}", "pipelineSpec": compiled(shop)},
        **{"runtimeConfig": config, "serviceAccount": account},
    }


def _schedule() -> dict[str, Any]:
    request = {"parent": PARENT, "pipelineJob": _pipeline_job({})}
    name = f"nightly {HARM}"
    cron = {"cron": "TZ=Europe/Paris 0 3 * * *", "maxConcurrentRunCount": "1", "maxRunCount": "2"}
    return {"displayName": name, **cron, "createPipelineJobRequest": request}


def _model() -> dict[str, Any]:
    return {"displayName": f"model {HARM}", "artifactUri": f"gs://{BUCKET}/many", "versionAliases": ["champion"]}


@pytest.fixture(scope="module")
def shop_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    cloud = CloudProcess(tmp_path_factory.mktemp("console")).start()
    yield Shop(cloud).furnish()
    cloud.stop()


@pytest.fixture(scope="module")
def reader(shop_cloud: Shop) -> Reader:
    return Reader(shop_cloud.cloud).enter()
