from tests.unit.infra.deploy import deploy


def test_vertex_ais_agent_is_created_and_granted_its_role_before_anything_runs() -> None:
    deployment = deploy()
    grant = deployment.one("IAMMember", "agents-aiplatform-agent")

    assert deployment.one("ServiceIdentity").inputs["service"] == "aiplatform.googleapis.com"
    assert grant.inputs["role"] == "roles/aiplatform.serviceAgent"
    assert grant.inputs["member"] == "serviceAccount:service-1@gcp-sa-aiplatform.iam.gserviceaccount.com"
    assert "agents-aiplatform-agent" in deployment.dependencies(deployment.one("colab/schedule:Schedule"))
