"""Files of a run, in object storage."""

import json
import os
from datetime import UTC, datetime
from typing import Any

import google.auth
from google.cloud.storage import Client


def blob(uri: str) -> Any:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    credentials, _ = google.auth.default()
    return Client(project=os.environ["PROJECT_ID"], credentials=credentials).bucket(bucket).blob(name)


def read(uri: str) -> Any:
    return json.loads(blob(uri).download_as_text())


def write(uri: str, value: Any) -> None:
    blob(uri).upload_from_string(json.dumps(value), content_type="application/json")


def now() -> str:
    return datetime.now(UTC).isoformat()
