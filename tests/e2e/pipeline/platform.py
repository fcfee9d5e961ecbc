"""A platform on a local cloud, made by hand: what a stack would have declared, as far as the pipeline needs it."""

import hashlib
import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.api_core.exceptions import Conflict
from google.cloud.bigquery import SchemaField, Table, TimePartitioning

from contracts.pool_spec import PoolSpec
from contracts.stack_outputs import Endpoints, ImageLock, PlatformFacts, StackOutputs
from contracts.table_schemas import FEEDBACK
from pipeline.clients import Clients
from pipeline.definition import compile_pipeline
from tests.contract.cloud_process import CloudProcess
from tests.unit.pipeline import example

PROJECT = "recsys-e2e"
REGION = "us-central1"
REPOSITORY = Path(__file__).resolve().parents[3]
STAND_IN = Path(__file__).parent / "stand_in"


class LocalPlatform:
    """A bucket, a dataset and the feedback table of its own, on a cloud that others may use too."""

    def __init__(self, cloud: CloudProcess) -> None:
        self.cloud = cloud
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        dataset = name.replace("-", "_")
        bucket = f"gs://{name}"
        endpoints = Endpoints(
            vertex=cloud.url,
            storage=cloud.url,
            bigquery=cloud.url,
            access_token_file=str(cloud.root / "operator-token"),
        )
        self.outputs: StackOutputs = example.outputs(
            project=PROJECT,
            region=REGION,
            stack="local",
            artifact_bucket=bucket,
            pipeline_root=f"{bucket}/runs",
            staging_prefix=f"{bucket}/staging/history",
            snapshot_prefix=f"{bucket}/staging/snapshots",
            model_dir=f"{bucket}/models/recsys",
            checkpoint_dir=f"{bucket}/checkpoints/recsys",
            dataset_recsys=dataset,
            feedback_table=f"{dataset}.{FEEDBACK.name}",
            requests_table=f"{dataset}.requests",
            model_name=name,
            training_pool=example.pool(f"{name}-train"),
            steps_pool=example.pool(f"{name}-steps"),
            images=ImageLock(trainer=_image("trainer"), steps=_image("steps")),
            service_account=f"sa-pipeline@{PROJECT}.iam.gserviceaccount.com",
            max_minutes=1.0,
            endpoints=endpoints,
        )
        account = cloud.account(PROJECT, "sa-pipeline")
        roles = ("aiplatform.user", "iam.serviceAccountUser", "storage.objectAdmin")
        roles += ("bigquery.dataViewer", "bigquery.jobUser")
        cloud.grant(PROJECT, {f"roles/{role}": [f"serviceAccount:{account}"] for role in roles})
        self.clients = Clients(project=PROJECT, region=REGION, endpoints=endpoints)

    def with_bucket(self) -> "LocalPlatform":
        self.clients.storage.create_bucket(self.outputs.artifact_bucket.removeprefix("gs://"), location=REGION)
        return self

    def with_feedback(self) -> "LocalPlatform":
        """Drops and makes the table: also what a stack does that replaces it."""
        bigquery = self.clients.bigquery
        try:
            bigquery.create_dataset(f"{PROJECT}.{self.outputs.dataset_recsys}")
        except Conflict:
            bigquery.delete_table(f"{PROJECT}.{self.outputs.feedback_table}", not_found_ok=True)
        schema = [SchemaField(column.name, column.type, mode=column.mode) for column in FEEDBACK.columns]
        table = Table(f"{PROJECT}.{self.outputs.feedback_table}", schema=schema)
        table.time_partitioning = TimePartitioning(
            type_=FEEDBACK.partition_unit, field=FEEDBACK.partition_field, expiration_ms=730 * 86_400_000
        )
        table.clustering_fields = list(FEEDBACK.clustering)
        bigquery.create_table(table)
        return self

    def with_pipeline(self, trainer: Path = STAND_IN, preload: Sequence[str] = ()) -> "LocalPlatform":
        """Both pools, both images and the compiled pipeline. `trainer` is the folder of a package `train`."""
        for pool in (self.outputs.training_pool, self.outputs.steps_pool):
            self._make_pool(pool)
        images = (self.outputs.images.steps, REPOSITORY, ()), (self.outputs.images.trainer, trainer, preload)
        for image, folder, modules in images:
            runtime = {
                "interpreter": sys.executable,
                "workdir": str(folder),
                "pythonpath": [str(folder)],
                "env": {"GIT_SHA": "0123abc"},
                "entrypoint": [],
                "preload": list(modules),
            }
            self.cloud.json("PUT", "/_local/images", {"image": image, "runtime": runtime})
        facts = PlatformFacts(**self.outputs.model_dump(include=set(PlatformFacts.model_fields)))
        return self.with_spec(compile_pipeline(facts))

    def with_spec(self, spec: dict[str, Any]) -> "LocalPlatform":
        content = json.dumps(spec)
        digest = hashlib.sha256(content.encode()).hexdigest()
        uri = f"{self.outputs.artifact_bucket}/pipelines/{digest}.json"
        bucket, name = uri.removeprefix("gs://").split("/", 1)
        self.clients.storage.bucket(bucket).blob(name).upload_from_string(content, content_type="application/json")
        self.outputs = self.outputs.model_copy(update={"pipeline_spec_uri": uri, "pipeline_spec_digest": digest})
        return self

    def _make_pool(self, pool: PoolSpec) -> None:
        body = {
            "resourcePools": [
                {
                    "id": pool.pool_id,
                    "machineSpec": {"machineType": pool.machine.machine_type},
                    "diskSpec": {
                        "bootDiskType": pool.disk.boot_disk_type,
                        "bootDiskSizeGb": pool.disk.boot_disk_size_gb,
                    },
                    "replicaCount": str(pool.replica_count),
                }
            ],
            "resourceRuntimeSpec": {"serviceAccountSpec": {"enableCustomServiceAccount": True}},
        }
        path = f"/v1/{self.clients.location}/persistentResources?persistentResourceId={pool.persistent_resource_id}"
        self.cloud.json("POST", path, body)

    def rows(self, what: str = "COUNT(*)") -> list[tuple]:
        """The answer to a question about the feedback table."""
        statement = f"SELECT {what} FROM `{PROJECT}.{self.outputs.feedback_table}`"
        return [tuple(row.values()) for row in self.clients.bigquery.query_and_wait(statement)]

    def write_outputs(self, folder: Path) -> Path:
        path = folder / "outputs.json"
        path.write_text(self.outputs.model_dump_json())
        return path


def _image(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{REGION}-docker.pkg.dev/{PROJECT}/recsys/{name}@sha256:{digest}"
