"""Jobs find their identity as on Google's machines: google-auth, pointed at the job's metadata server."""

import os
import subprocess
import sys
from functools import partial

import pytest
import requests

from local.cloud.clock import Clock
from local.cloud.iam.known_accounts import use_of
from local.cloud.identity import Identity
from local.cloud.metadata_server import metadata_host
from local.cloud.store import Store

EMAIL = "ct-pipeline@acme-recsys.iam.gserviceaccount.com"
PROGRAM = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(project, credentials.service_account_email, credentials.token)
"""


@pytest.fixture
def job(cloud_server):
    """A job's identity, issued through the cloud's own store as the jobs service does in its process."""
    cloud_server.account("acme-recsys", "ct-pipeline")
    cloud_server.grant("acme-recsys", {"roles/aiplatform.viewer": [f"serviceAccount:{EMAIL}"]})
    store = Store(cloud_server.root / "state.sqlite")
    identity = Identity(cloud_server.root, store, Clock(), "enforce", partial(use_of, store))
    issued = identity.issue(job="customJobs/77", email=EMAIL, project="acme-recsys", attributes={"pool": "warm"})
    yield issued
    identity.revoke("customJobs/77")
    store.close()


def test_google_auth_gets_the_jobs_account_and_a_token_that_is_accepted(cloud_server, job, tmp_path):
    host = metadata_host(cloud_server.url, job.secret)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path)}
    environment |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    project, email, token = ran.stdout.split()
    assert (project, email) == ("acme-recsys", EMAIL)
    path = f"{cloud_server.url}/v1/projects/acme-recsys/locations/l/operations"
    assert requests.get(path, headers={"authorization": f"Bearer {token}"}, timeout=10).status_code == 200


def test_a_request_without_the_flavor_header_is_refused(cloud_server, job):
    url = f"http://{metadata_host(cloud_server.url, job.secret)}/computeMetadata/v1/project/project-id"
    assert requests.get(url, timeout=10).status_code == 403
    assert requests.get(url, headers={"metadata-flavor": "Google"}, timeout=10).text == "acme-recsys"
    forwarded = {"metadata-flavor": "Google", "x-forwarded-for": "10.0.0.1"}
    assert requests.get(url, headers=forwarded, timeout=10).status_code == 403


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("instance/service-accounts/default/email", EMAIL),
        ("instance/attributes/pool", "warm"),
        ("instance/service-accounts/", f"default/\n{EMAIL}/\n"),
        ("universe/universe-domain", "googleapis.com"),
    ],
)
def test_the_documented_keys_answer_in_plain_text(cloud_server, job, path, text):
    url = f"http://{metadata_host(cloud_server.url, job.secret)}/computeMetadata/v1/{path}"
    answer = requests.get(url, headers={"metadata-flavor": "Google"}, timeout=10)
    assert answer.text == text
    assert answer.headers["metadata-flavor"] == "Google"


def test_the_secret_of_another_job_opens_nothing(cloud_server, job):
    url = f"http://{metadata_host(cloud_server.url, job.secret + 'x')}/computeMetadata/v1/project/project-id"
    assert requests.get(url, headers={"metadata-flavor": "Google"}, timeout=10).status_code == 404
