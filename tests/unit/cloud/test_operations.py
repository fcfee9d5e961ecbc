import threading

import pytest

from local.cloud.app import Cloud
from local.cloud.errors import ApiError

PARENT = "projects/acme-recsys/locations/europe-west1"
KIND = "aiplatform.models"


def test_an_operation_that_is_done_carries_its_typed_response(cloud):
    operation = cloud.operations.done(
        PARENT, {"name": "x"}, kind=KIND, response_type="google.a.X", metadata_type="google.a.M", target="x"
    )
    assert operation["name"].startswith(f"{PARENT}/operations/")
    assert operation["done"] is True
    assert operation["response"] == {"@type": "type.googleapis.com/google.a.X", "name": "x"}
    assert operation["metadata"]["@type"] == "type.googleapis.com/google.a.M"
    assert operation["metadata"]["target"] == "x"
    assert cloud.operations.get(operation["name"]) == operation


def test_a_slow_operation_ends_when_its_work_does(cloud):
    go = threading.Event()

    def work(name):
        go.wait(10)
        return {"name": "x"}

    running = cloud.operations.run(PARENT, work, kind=KIND)
    assert running["done"] is False
    go.set()
    ended = cloud.operations.wait(running["name"], 10)
    assert ended["done"] is True
    assert ended["response"] == {"name": "x"}


def test_work_that_raises_fails_the_operation_with_googles_code(cloud):
    def work(name):
        raise ApiError(429, "no capacity")

    running = cloud.operations.run(PARENT, work, kind=KIND)
    ended = cloud.operations.wait(running["name"], 10)
    assert ended["error"] == {"code": 8, "message": "no capacity"}


def test_a_cancelled_operation_ends_with_cancelled_and_stays_so(cloud):
    name = cloud.operations.create(PARENT, kind=KIND)
    cloud.operations.cancel(name)
    cloud.operations.succeed(name, {})
    assert cloud.operations.get(name)["error"]["code"] == 1
    assert "response" not in cloud.operations.get(name)


def test_what_a_restart_interrupts_ends_with_aborted_unless_it_is_resumable(tmp_path):
    before = Cloud(tmp_path / "cloud")
    lost = before.operations.create(PARENT, kind=KIND)
    kept = before.operations.create(PARENT, kind=KIND, resumable=True)
    before.stop()
    after = Cloud(tmp_path / "cloud")
    after.start("http://127.0.0.1:1")
    assert after.operations.get(lost)["error"]["code"] == 10
    assert after.operations.get(kept)["done"] is False
    after.stop()


def test_an_unknown_operation_is_not_found(cloud):
    with pytest.raises(ApiError, match="operations/5 not found"):
        cloud.operations.get(f"{PARENT}/operations/5")
