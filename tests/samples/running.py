"""Submits samples through the Vertex AI SDK and reads how they ended."""

import json
import os
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from google.cloud import aiplatform
from google.oauth2.credentials import Credentials

from tests.contract.cloud_process import CloudProcess
from tests.samples.catalog import LOCATION, PROJECT, Sample, slug

PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
BUCKET = "acme-samples-runs"


@dataclass(frozen=True)
class Outcome:
    """`verdict` is passed, failed or skipped."""

    name: str
    verdict: str
    seconds: float
    reason: str


class Runs:
    """The samples of one cloud; the SDK is pointed at it."""

    def __init__(self, cloud: CloudProcess) -> None:
        self._cloud = cloud
        self._names: dict[str, str] = {}
        cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
        cloud.json("POST", f"/v1/{PARENT}/metadataStores?metadataStoreId=default", {})
        os.environ["STORAGE_EMULATOR_HOST"] = cloud.url
        credentials = Credentials(token=cloud.token)  # type: ignore[no-untyped-call]
        aiplatform.init(
            project=PROJECT,
            location=LOCATION,
            api_transport="rest",
            api_endpoint=cloud.url,
            credentials=credentials,
        )
        self._client = aiplatform.gapic.PipelineServiceClient(
            transport="rest", credentials=credentials, client_options={"api_endpoint": cloud.url}
        )

    def submit(self, sample: Sample) -> Outcome | None:
        """Start a sample; its outcome where it was refused."""
        for uri in sample.objects:
            self._seed(uri)
        short = f"s{uuid.uuid4().hex[:6]}-{slug(sample.name)}"
        with tempfile.TemporaryDirectory() as folder:
            template = Path(folder) / "pipeline.yaml"
            template.write_text(yaml.safe_dump(dict(sample.spec)))
            try:
                job = aiplatform.PipelineJob(
                    display_name=sample.name[:128],
                    template_path=str(template),
                    job_id=short,
                    pipeline_root=f"gs://{BUCKET}/root",
                    parameter_values=sample.parameters(),
                    enable_caching=None if "cach" in sample.name else False,
                    input_artifacts={name: self._artifact(kind) for name, kind in sample.artifacts().items()},
                )
                # submit() would first ask Resource Manager over gRPC who owns the bucket: no address of this cloud.
                self._client.create_pipeline_job(parent=PARENT, pipeline_job=job._gca_resource, pipeline_job_id=short)
            except Exception as error:
                return self._refused(sample, f"{type(error).__name__}: {error}")
        self._names[sample.name] = f"{PARENT}/pipelineJobs/{short}"
        return None

    def outcome(self, sample: Sample, seconds: float, *, most: float) -> Outcome | None:
        """How a sample ended; None while it runs."""
        job = self._cloud.json("GET", f"/v1/{self._names[sample.name]}")
        if "endTime" not in job:
            if seconds < most:
                return None
            self._cloud.json("POST", f"/v1/{self._names[sample.name]}:cancel", {})
            return Outcome(sample.name, "failed", seconds, f"still {job['state']} after {most:.0f} s")
        state = job["state"].removeprefix("PIPELINE_STATE_")
        if state == sample.intent.state:
            why = f" ({sample.intent.why})" if sample.intent.why else ""
            return Outcome(sample.name, "passed", seconds, f"{state}: {tasks_of(job)}{why}")
        return Outcome(sample.name, "failed", seconds, f"{state} instead of {sample.intent.state}: {self._why(job)}")

    def _refused(self, sample: Sample, text: str) -> Outcome:
        verdict = "passed" if sample.intent.state == "REFUSED" else "failed"
        return Outcome(sample.name, verdict, 0.0, f"refused: {' '.join(text.split())[:200]}")

    def _artifact(self, kind: Mapping[str, Any]) -> str:
        """The id of a new artifact with a file behind it."""
        path = f"given/{uuid.uuid4().hex}"
        self._cloud.call("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={path}", data=b"given")
        body = {"uri": f"gs://{BUCKET}/{path}", "schemaTitle": kind["schemaTitle"], "state": "LIVE"}
        store = f"/v1/{PARENT}/metadataStores/default"
        return self._cloud.json("POST", f"{store}/artifacts", body)["name"].rsplit("/", 1)[-1]

    def _seed(self, uri: str) -> None:
        """Put a text of ours where a sample expects a public object."""
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        self._cloud.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": bucket})
        query = f"uploadType=media&name={quote(path, safe='')}"
        self._cloud.call("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", data=b"To be, or not to be.\n")

    def _why(self, job: Mapping[str, Any]) -> str:
        details = job.get("jobDetail", {}).get("taskDetails", [])
        failed = [each for each in details if each.get("state") == "FAILED" and each.get("parentTaskId")]
        errors = [f"{each['taskUniqueName']}: {each.get('error', {}).get('message', '')[-400:]}" for each in failed]
        return "; ".join(errors) or json.dumps(job.get("error", {}))


def tasks_of(job: Mapping[str, Any]) -> str:
    """How many tasks ended in which state."""
    states = [each["state"] for each in job.get("jobDetail", {}).get("taskDetails", []) if each.get("parentTaskId")]
    return ", ".join(f"{states.count(state)} {state.lower()}" for state in dict.fromkeys(states))
