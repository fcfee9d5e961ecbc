"""Programs that several tests bring up."""

# One resource of each type that the engine applies, with the edges that a platform has.
EVERYTHING = """
services = gcp.projects.Service("api", service="aiplatform.googleapis.com", disable_on_destroy=False)
account = gcp.serviceaccount.Account("account", account_id="ct-pipeline", display_name="CT")
member = account.email.apply(lambda email: f"serviceAccount:{email}")
role = gcp.projects.IAMCustomRole("role", role_id="ctRole", title="CT", permissions=["aiplatform.customJobs.create"])
gcp.projects.IAMMember("project-member", project="acme-recsys", role=role.name, member=member)
gcp.serviceaccount.IAMMember(
    "account-member", service_account_id=account.name,
    role="roles/iam.serviceAccountUser", member="user:dev@example.com",
)
bucket = gcp.storage.Bucket("bucket", name="acme-artifacts", location="EU", labels={"team": "ml"})
gcp.storage.BucketIAMMember("bucket-member", bucket=bucket.name, role="roles/storage.objectAdmin", member=member)
gcp.storage.BucketObject("object", bucket=bucket.name, name="spec.json", content="{}")
dataset = gcp.bigquery.Dataset("dataset", dataset_id="logs", location="EU")
gcp.bigquery.DatasetIamMember(
    "dataset-member", dataset_id=dataset.dataset_id, role="roles/bigquery.dataViewer", member=member
)
gcp.bigquery.Table(
    "table", dataset_id=dataset.dataset_id, table_id="feedback", deletion_protection=False,
    schema=json.dumps([{"name": "user_id", "type": "STRING"}]),
)
repository = gcp.artifactregistry.Repository(
    "repository", repository_id="training", location="europe-west1", format="DOCKER"
)
gcp.artifactregistry.RepositoryIamMember(
    "repository-member", location="europe-west1", repository=repository.name,
    role="roles/artifactregistry.reader", member=member,
)
pool = gcp.vertex.AiPersistentResource(
    "pool", name="warm-pool", location="europe-west1", opts=Opts(depends_on=[services]),
    resource_pools=[{"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": "1"}],
)
gcp.vertex.AiMetadataStore("store", name="default", region="europe-west1")
gcp.colab.Schedule(
    "schedule", display_name="nightly", location="europe-west1", cron="0 3 * * *", max_concurrent_run_count="1",
    create_pipeline_job_request={"pipeline_job": {
        "pipeline_spec": '{"a":1}', "service_account": account.email,
        "runtime_config": {"gcs_output_directory": bucket.url.apply(lambda url: f"{url}/runs")},
    }},
    opts=Opts(depends_on=[pool]),
)
pulumi.export("bucket", bucket.url)
pulumi.export("token", pulumi.Output.secret("s3cr3t"))
"""

# A bucket with an object in it: two resources, one edge.
PAIR = """
bucket = gcp.storage.Bucket("bucket", name="acme-{name}", location="{location}")
gcp.storage.BucketObject("object", bucket=bucket.name, name="spec.json", content="{content}")
pulumi.export("url", bucket.url)
"""


def pair(name: str = "one", location: str = "EU", content: str = "first") -> str:
    return PAIR.format(name=name, location=location, content=content)
