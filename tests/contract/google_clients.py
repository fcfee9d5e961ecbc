"""Google's generated clients over REST, pointed at a local cloud, or at Google where CONTRACT_PROJECT names a project.

Against Google, the tests that use these clients need application default credentials and make and delete real
resources in that project.
"""

import importlib
import os
import uuid
from typing import Any

import google.auth
from google.oauth2.credentials import Credentials

from tests.contract.cloud_process import CloudProcess

REAL_PROJECT = os.environ.get("CONTRACT_PROJECT", "")


class GoogleClients:
    def __init__(self, cloud: CloudProcess) -> None:
        self._cloud = cloud
        self.project = REAL_PROJECT or f"acme-{uuid.uuid4().hex[:8]}"
        self.parent = f"projects/{self.project}"
        self.location = f"{self.parent}/locations/europe-west1"

    def client(self, module: str, name: str) -> Any:
        """`client("google.cloud.kms_v1", "KeyManagementServiceClient")`."""
        make = getattr(importlib.import_module(module), name)
        if REAL_PROJECT:
            credentials, _ = google.auth.default()
            return make(transport="rest", credentials=credentials)
        credentials = Credentials(token=self._cloud.token)  # type: ignore[no-untyped-call]
        return make(transport="rest", credentials=credentials, client_options={"api_endpoint": self._cloud.url})


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"
