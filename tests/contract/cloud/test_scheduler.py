"""Cloud Scheduler by Google's client: jobs really fire."""

import http.server
import threading

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.contract.google_clients import unique
from tests.contract.vertex.conftest import wait_until


@pytest.fixture
def scheduler(google_clients):
    return google_clients.client("google.cloud.scheduler_v1", "CloudSchedulerClient")


@pytest.fixture
def make(google_clients, scheduler):
    """Creates a job and gives it; it is deleted after the test."""
    made = []

    def create(**fields):
        name = f"{google_clients.location}/jobs/{unique('job')}"
        made.append(scheduler.create_job(parent=google_clients.location, job={"name": name, **fields}))
        return made[-1]

    yield create
    for job in made:
        scheduler.delete_job(name=job.name)


def test_a_job_publishes_when_it_is_run(google_clients, scheduler, make):
    publisher = google_clients.client("google.pubsub_v1", "PublisherClient")
    subscriber = google_clients.client("google.pubsub_v1", "SubscriberClient")
    topic = f"{google_clients.parent}/topics/{unique('tick')}"
    subscription = f"{google_clients.parent}/subscriptions/{unique('tick')}"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    job = make(schedule="0 3 * * *", time_zone="Europe/Paris", pubsub_target={"topic_name": topic, "data": b"tick"})
    assert job.state.name == "ENABLED"
    assert job.schedule_time.minute == 0
    assert scheduler.run_job(name=job.name).status.code == 0
    received = subscriber.pull(subscription=subscription, max_messages=1).received_messages
    assert [each.message.data for each in received] == [b"tick"]


def test_a_due_job_calls_its_endpoint_and_tries_again(new_cloud):
    """The minute is too long to wait for: a retry shows the clock's work."""
    calls = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            calls.append((self.path, self.headers["X-Custom"], body))
            self.send_response(200 if len(calls) > 1 else 503)
            self.end_headers()

        def log_message(self, *args):
            pass

    cloud = new_cloud().start()
    jobs = "/v1/projects/acme-recsys/locations/europe-west1/jobs"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = {"uri": f"http://127.0.0.1:{server.server_port}/run", "body": "e30=", "headers": {"X-Custom": "y"}}
        retries = {"retryCount": 1, "minBackoffDuration": "0.1s", "maxBackoffDuration": "1s"}
        body = {"name": f"{jobs[4:]}/call", "schedule": "0 0 1 1 *", "httpTarget": target, "retryConfig": retries}
        cloud.json("POST", jobs, body)
        assert cloud.json("POST", f"{jobs}/call:run")["status"]["code"] == 2
        wait_until(lambda: cloud.json("GET", f"{jobs}/call")["status"], lambda status: status == {})
        server.shutdown()
    assert calls == [("/run", "y", b"{}")] * 2


def test_a_job_calls_google_s_hosts_as_its_account(new_cloud):
    cloud = new_cloud().start()
    project = "acme-recsys"
    jobs = f"/v1/projects/{project}/locations/europe-west1/jobs"
    cloud.json("POST", f"/v1/projects/{project}/serviceAccounts", {"accountId": "caller"})
    email = f"caller@{project}.iam.gserviceaccount.com"
    policy = {"bindings": [{"role": "roles/editor", "members": [f"serviceAccount:{email}"]}]}
    cloud.json("POST", f"/v1/projects/{project}:setIamPolicy", {"policy": policy})
    topic = f"projects/{project}/topics/by-schedule"
    target = {
        "uri": f"https://pubsub.googleapis.com/v1/{topic}",
        "httpMethod": "PUT",
        "body": "e30=",
        "oauthToken": {"serviceAccountEmail": email},
    }
    cloud.json("POST", jobs, {"name": f"{jobs[4:]}/make", "schedule": "0 0 1 1 *", "httpTarget": target})
    assert cloud.json("POST", f"{jobs}/make:run")["status"] == {}
    cloud.json("GET", f"/v1/{topic}")


def test_nothing_is_sent_outside(scheduler, make):
    job = make(schedule="0 3 * * *", http_target={"uri": "https://submitter.example.com/run", "http_method": 1})
    status = scheduler.run_job(name=job.name).status
    assert status.code == 14
    assert "submitter.example.com" in status.message


def test_a_job_is_paused_resumed_and_changed(google_clients, scheduler, make):
    job = make(schedule="0 3 * * *", http_target={"uri": "http://127.0.0.1:9/"}, retry_config={"retry_count": 3})
    assert scheduler.pause_job(name=job.name).state.name == "PAUSED"
    assert scheduler.resume_job(name=job.name).state.name == "ENABLED"
    change = {"name": job.name, "schedule": "every 5 minutes"}
    changed = scheduler.update_job(job=change, update_mask={"paths": ["schedule"]})
    assert changed.schedule_time.minute % 5 == 0
    assert changed.retry_config.max_doublings == 5
    assert job.name in [each.name for each in scheduler.list_jobs(parent=google_clients.location)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"schedule": "nope"}, "schedule"),
        ({"time_zone": "Mars/Base"}, "timeZone"),
        ({"retry_config": {"retry_count": 6}}, "retryConfig.retryCount"),
        ({"attempt_deadline": {"seconds": 5}}, "attemptDeadline"),
        ({"http_target": {"uri": "ftp://x"}}, "httpTarget.uri"),
    ],
)
def test_a_bad_job_is_refused_by_its_field(google_clients, scheduler, fields, field):
    job = {"schedule": "0 3 * * *", "http_target": {"uri": "http://127.0.0.1:9/"}} | fields
    with pytest.raises(BadRequest, match=field):
        scheduler.create_job(parent=google_clients.location, job=job)
    with pytest.raises(NotFound):
        scheduler.get_job(name=f"{google_clients.location}/jobs/absent")
