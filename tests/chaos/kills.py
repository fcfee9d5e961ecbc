"""The four victims. Each kill returns what is wrong after it; most leave the cloud restarted."""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import requests

from tests.chaos.lab import Lab
from tests.chaos.ledger import BUCKET

_CHUNK = 256 * 1024


def of_the_cloud(lab: Lab) -> list[str]:
    """At any moment of its work: with traffic, a job and a run under way."""
    lab.job(lab.random.uniform(0.1, 1.0))
    lab.pipeline(lab.random.uniform(0.1, 0.5))
    with lab.traffic():
        time.sleep(lab.random.uniform(0.0, 0.6))
        return lab.kill_and_restart()


def of_a_replica(lab: Lab) -> list[str]:
    """By losing its machine, or from outside; the cloud lives on."""
    job = lab.job(lab.random.uniform(0.5, 1.0))
    with lab.traffic():
        pid = lab.process_of(job)
        if lab.random.random() < 0.5:
            body = {"kind": "kill-replica", "job": job, "task": "workerpool0-0"}
            lab.cloud.call("POST", "/_local/faults", body)  # refused where the replica has just ended
        elif pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return [] if pid else [f"{job} never ran: {lab.get(job)['state']}"]


def of_a_pipeline(lab: Lab) -> list[str]:
    """The cloud while a task of a run is under way, or that task's process."""
    run = lab.pipeline(lab.random.uniform(0.3, 0.8))
    deadline, job = time.monotonic() + 20, ""
    while not job and time.monotonic() < deadline:
        details = lab.get(run).get("jobDetail", {}).get("taskDetails", [])
        found = [each.get("executorDetail", {}) for each in details if each["state"] == "RUNNING"]
        jobs = [each.get("containerDetail", {}).get("mainJob", "") for each in found]
        job = next((each for each in jobs if each), "")
        time.sleep(0.02)
    pid = lab.process_of(job) if job else 0
    if not pid:
        return [f"{run} never ran a task: {lab.get(run)['state']}"]
    if lab.random.random() < 0.5:
        return lab.kill_and_restart()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return []


def amid_an_upload(lab: Lab) -> list[str]:
    """The cloud while it receives an object: in one request, of which nothing may stay, or in chunks, which go on."""
    content = lab.random.randbytes(lab.random.randrange(2, 6) * _CHUNK + lab.random.randrange(_CHUNK))
    name = f"large/{lab.number()}"
    return _in_chunks(lab, name, content) if lab.random.random() < 0.5 else _in_one(lab, name, content)


KILLS: dict[str, Callable[[Lab], list[str]]] = {
    "cloud": of_the_cloud,
    "replica": of_a_replica,
    "pipeline": of_a_pipeline,
    "upload": amid_an_upload,
}


def _in_one(lab: Lab, name: str, content: bytes) -> list[str]:
    after = lab.random.randrange(len(content))
    killed = threading.Event()

    def body() -> Iterator[bytes]:
        yield content[:after]
        killed.wait(30)
        yield content[after:]

    def send() -> None:
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name.replace('/', '%2F')}"
        with contextlib.suppress(requests.RequestException):
            lab.cloud.call("POST", path, data=body())

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(lab.random.uniform(0.02, 0.1))
    lab.cloud.kill()
    killed.set()
    sender.join()
    orphans = lab.orphans()
    lab.cloud.start()
    there = lab.cloud.call("GET", f"/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}").status_code
    return orphans if there == 404 else [*orphans, f"object {name}, half sent, answers {there}"]


def _in_chunks(lab: Lab, name: str, content: bytes) -> list[str]:
    total = len(content)
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name={name.replace('/', '%2F')}"
    session = lab.cloud.call("POST", path, {}).headers["location"].removeprefix(lab.cloud.url)
    sent = lab.random.randrange(1, total // _CHUNK + 1) * _CHUNK
    for start in range(0, sent, _CHUNK):
        _send(lab, session, content[start : start + _CHUNK], f"bytes {start}-{start + _CHUNK - 1}/{total}")
    orphans = lab.kill_and_restart()
    if lab.cloud.call("GET", f"/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}").status_code != 404:
        return [*orphans, f"object {name} is there before its last chunk"]
    asked = _send(lab, session, b"", f"bytes */{total}")
    held = int(asked.headers.get("range", "bytes=0--1").rpartition("-")[2]) + 1 if "range" in asked.headers else 0
    if asked.status_code != 308 or held < sent:
        return [*orphans, f"upload of {name}: {sent} bytes were acknowledged, {held} are there ({asked.status_code})"]
    done = _send(lab, session, content[held:], f"bytes {held}-{total - 1}/{total}")
    if done.status_code != 200:
        return [*orphans, f"upload of {name} could not go on: {done.status_code} {done.text[:200]}"]
    lab.ledger.acknowledge(name, hashlib.md5(content, usedforsecurity=False).hexdigest())
    return orphans


def _send(lab: Lab, session: str, chunk: bytes, content_range: str) -> requests.Response:
    return lab.cloud.call("PUT", session, data=chunk, headers={"content-range": content_range})
