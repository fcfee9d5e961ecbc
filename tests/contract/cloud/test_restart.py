"""kill -9 at any time: what was acknowledged is there after a restart."""

import itertools
import threading
import time

import requests


def _bucket(cloud):
    body = {"name": "bkt", "softDeletePolicy": {"retentionDurationSeconds": "0"}}
    cloud.json("POST", "/storage/v1/b?project=acme-recsys", body)


def test_state_survives_a_stop_and_a_start_on_another_port(new_cloud):
    cloud = new_cloud().start()
    _bucket(cloud)
    before = cloud.json("GET", "/storage/v1/b/bkt")
    token = cloud.token
    cloud.stop()
    cloud.start()
    assert cloud.json("GET", "/storage/v1/b/bkt") == before
    assert cloud.token == token


def test_no_acknowledged_upload_is_lost_when_the_process_is_killed(new_cloud):
    cloud = new_cloud().start()
    _bucket(cloud)
    acknowledged: dict[str, str] = {}
    pauses = itertools.cycle([0.31, 0.23, 0.47, 0.38])
    for turn in range(4):
        url, token = cloud.url, cloud.token

        def write(worker, url=url, token=token, turn=turn):
            session, number = requests.Session(), 0
            while True:
                number += 1
                name, data = f"{worker}/{number % 5}", f"{turn}.{worker}.{number}" * 200
                path = f"{url}/upload/storage/v1/b/bkt/o?uploadType=media&name={worker}%2F{number % 5}"
                try:
                    answer = session.post(path, data=data, headers={"authorization": f"Bearer {token}"}, timeout=10)
                except requests.RequestException:
                    acknowledged.pop(name, None)  # it may or may not have been done
                    return
                if answer.status_code == 200:
                    acknowledged[name] = data

        workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(next(pauses))
        cloud.kill()
        for worker in workers:
            worker.join()
        cloud.start()
        assert acknowledged
        for name, data in acknowledged.items():
            path = f"/storage/v1/b/bkt/o/{name.replace('/', '%2F')}"
            assert cloud.call("GET", f"{path}?alt=media").text == data
            assert cloud.json("GET", path)["size"] == str(len(data))
        listed = {item["name"] for item in cloud.json("GET", "/storage/v1/b/bkt/o")["items"]}
        assert acknowledged.keys() <= listed


def test_a_resumable_upload_goes_on_after_a_kill(new_cloud):
    cloud = new_cloud().start()
    _bucket(cloud)
    path = "/upload/storage/v1/b/bkt/o?uploadType=resumable&name=big"
    location = cloud.call("POST", path, {}).headers["location"].removeprefix(cloud.url)
    cloud.call("PUT", location, data=b"a" * 262_144, headers={"content-range": "bytes 0-262143/*"})
    cloud.kill()
    cloud.start()
    asked = cloud.call("PUT", location, headers={"content-range": "bytes */*"})
    assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-262143")
    done = cloud.call("PUT", location, data=b"b", headers={"content-range": "bytes 262144-262144/262145"})
    assert done.json()["size"] == "262145"
