from tests.unit.infra.deploy import deploy


def test_the_apis_that_the_platform_calls_are_enabled_and_left_on() -> None:
    services = deploy().of_type("projects/service:Service")

    assert {record.inputs["service"] for record in services} == {
        "aiplatform.googleapis.com",
        "artifactregistry.googleapis.com",
        "bigquery.googleapis.com",
        "compute.googleapis.com",
        "iam.googleapis.com",
        "logging.googleapis.com",
        "monitoring.googleapis.com",
        "storage.googleapis.com",
    }
    assert all(record.inputs["disableOnDestroy"] is False for record in services)


def test_what_needs_an_api_waits_for_it() -> None:
    deployment = deploy()
    needs = {
        "Bucket": "services-storage",
        "Dataset": "services-bigquery",
        "Repository": "services-artifactregistry",
        "Account": "services-iam",
        "AiPersistentResource": "services-aiplatform",
    }

    for suffix, api in needs.items():
        for record in deployment.of_type(suffix):
            assert api in deployment.dependencies(record), record.name


def test_ci_without_keys_needs_two_more_apis() -> None:
    config = {"recsys-training:federation": {"githubRepository": "acme/recsys"}}
    services = {record.inputs["service"] for record in deploy(config=config).of_type("projects/service:Service")}

    assert {"iamcredentials.googleapis.com", "sts.googleapis.com"} <= services
