"""Workload identity, budgets, Cloud Run, Eventarc, Artifact Registry: what is declared is kept, checked and changed."""

import uuid

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound

from tests.contract.google_clients import unique

IMAGE = "europe-west1-docker.pkg.dev/p/r/i@sha256:" + "0" * 64


@pytest.fixture
def parent():
    return f"projects/acme-{uuid.uuid4().hex[:8]}"


def fields_of(error):
    return [each["field"] for each in error["error"]["details"][0]["fieldViolations"]]


# Workload identity


def test_a_deleted_pool_stays_marked_and_can_be_brought_back(cloud_server, parent):
    pools = f"/iam/v1/{parent}/locations/global/workloadIdentityPools"
    done = cloud_server.json("POST", f"{pools}?workloadIdentityPoolId=github", {"displayName": "GitHub"})
    assert cloud_server.json("GET", f"/v1/{done['name']}") == done
    assert done["response"]["state"] == "ACTIVE"
    assert cloud_server.json("GET", f"{pools}/github:listAttestationRules") == {}
    deleted = cloud_server.json("DELETE", f"{pools}/github")["response"]
    assert (deleted["state"], "expireTime" in deleted) == ("DELETED", True)
    assert cloud_server.json("GET", f"{pools}/github")["state"] == "DELETED"
    assert cloud_server.json("GET", pools) == {}
    assert len(cloud_server.json("GET", f"{pools}?showDeleted=true")["workloadIdentityPools"]) == 1
    cloud_server.json("POST", f"{pools}?workloadIdentityPoolId=github", {}, status=409)
    cloud_server.json("PATCH", f"{pools}/github?updateMask=displayName", {"displayName": "x"}, status=400)
    assert "expireTime" not in cloud_server.json("POST", f"{pools}/github:undelete", {})["response"]


def test_a_provider_changes_by_mask_within_its_rules(cloud_server, parent):
    pools = f"/v1/{parent}/locations/global/workloadIdentityPools"
    cloud_server.json("POST", f"{pools}?workloadIdentityPoolId=github", {})
    providers = f"{pools}/github/providers"
    body = {
        "oidc": {"issuerUri": "https://issuer.example.com"},
        "attributeMapping": {"google.subject": "assertion.sub"},
    }
    made = cloud_server.json("POST", f"{providers}?workloadIdentityPoolProviderId=oidc", body)["response"]
    change = {"attributeCondition": "assertion.ref == 'main'", "disabled": True}
    changed = cloud_server.json("PATCH", f"/v1/{made['name']}?updateMask=attributeCondition", change)["response"]
    assert changed["attributeCondition"] == change["attributeCondition"]
    assert "disabled" not in changed
    for wrong, field in (
        ({"oidc": {"issuerUri": "http://plain.example.com"}}, "oidc.issuerUri"),
        ({"attributeMapping": {"attribute.x": "assertion.x"}}, "attributeMapping"),
        ({"saml": {"idpMetadataXml": "<x/>"}}, "oidc"),
    ):
        path = f"{providers}?workloadIdentityPoolProviderId=wrong"
        assert fields_of(cloud_server.json("POST", path, body | wrong, status=400)) == [field]


# Budgets


def test_a_budget_is_completed_and_changed_by_a_nested_mask(google_clients):
    budgets = google_clients.client("google.cloud.billing.budgets_v1", "BudgetServiceClient")
    account = "billingAccounts/012345-6789AB-CDEF01"
    body = {
        "display_name": "ct",
        "amount": {"specified_amount": {"currency_code": "EUR", "units": 500}},
        "threshold_rules": [{"threshold_percent": 0.5}],
    }
    made = budgets.create_budget(parent=account, budget=body)
    assert made.budget_filter.calendar_period.name == "MONTH"
    assert made.threshold_rules[0].spend_basis.name == "CURRENT_SPEND"
    change = {"name": made.name, "amount": {"specified_amount": {"units": 600}}, "display_name": "not in the mask"}
    changed = budgets.update_budget(budget=change, update_mask={"paths": ["amount.specified_amount.units"]})
    assert (changed.amount.specified_amount.units, changed.amount.specified_amount.currency_code) == (600, "EUR")
    assert changed.display_name == "ct"
    with pytest.raises(BadRequest, match="displayName: 61 characters"):
        budgets.create_budget(parent=account, budget=body | {"display_name": "x" * 61})
    budgets.delete_budget(name=made.name)
    with pytest.raises(NotFound):
        budgets.get_budget(name=made.name)


# Cloud Run


def test_a_run_job_and_a_service_are_declared_by_their_clients(google_clients):
    jobs = google_clients.client("google.cloud.run_v2", "JobsClient")
    template = {"template": {"containers": [{"image": IMAGE}], "max_retries": 3}}
    job_id = unique("job")
    made = jobs.create_job(parent=google_clients.location, job_id=job_id, job={"template": template}).result()
    assert (made.generation, made.terminal_condition.state.name) == (1, "CONDITION_SUCCEEDED")
    change = {"name": made.name, "template": template, "labels": {"env": "dev"}}
    changed = jobs.update_job(job=change).result()
    assert (changed.generation, changed.uid, dict(changed.labels)) == (2, made.uid, {"env": "dev"})
    services = google_clients.client("google.cloud.run_v2", "ServicesClient")
    service = {"ingress": 2, "template": {"containers": [{"image": IMAGE}]}}
    gate = services.create_service(parent=google_clients.location, service_id=unique("gate"), service=service).result()
    assert gate.ingress.name == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    assert gate.latest_ready_revision.endswith("-00001-loc")
    policy = services.get_iam_policy(request={"resource": gate.name})
    policy.bindings.add(role="roles/run.invoker", members=["user:a@example.com"])
    assert services.set_iam_policy(request={"resource": gate.name, "policy": policy}).etag != policy.etag
    assert [each.name for each in services.list_services(parent=google_clients.location)] == [gate.name]
    with pytest.raises(Conflict):
        jobs.create_job(parent=google_clients.location, job_id=job_id, job={"template": template})
    services.delete_service(name=gate.name).result()
    jobs.delete_job(name=made.name).result()
    with pytest.raises(NotFound):
        jobs.get_job(name=made.name)


@pytest.mark.parametrize(
    ("job_id", "body", "field"),
    [
        ("Bad_Id", {"template": {"template": {"containers": [{"image": IMAGE}]}}}, "jobId"),
        ("good", {"template": {"template": {}}}, "template.template.containers"),
        ("good", {}, "template"),
        ("good", {"template": {"template": {"containers": [{"image": ""}]}}}, "template.template.containers[0].image"),
    ],
)
def test_a_bad_run_job_is_refused_by_its_field(cloud_server, parent, job_id, body, field):
    path = f"/v2/{parent}/locations/europe-west1/jobs?jobId={job_id}"
    assert field in fields_of(cloud_server.json("POST", path, body, status=400))
    cloud_server.json("GET", f"/v2/{parent}/locations/europe-west1/jobs/{job_id}", status=404)


# Eventarc


def test_a_trigger_is_declared_by_its_client(google_clients):
    eventarc = google_clients.client("google.cloud.eventarc_v1", "EventarcClient")
    trigger = {
        "event_filters": [{"attribute": "type", "value": "google.cloud.pubsub.topic.v1.messagePublished"}],
        "destination": {"cloud_run": {"service": "gate", "region": "europe-west1"}},
        "labels": {"env": "dev"},
    }
    request = {"parent": google_clients.location, "trigger_id": "drift", "trigger": trigger}
    made = eventarc.create_trigger(request=request).result()
    assert made.uid
    change = {"name": made.name, "labels": {"env": "prod"}}
    changed = eventarc.update_trigger(trigger=change, update_mask={"paths": ["labels"]}).result()
    assert (dict(changed.labels), changed.uid) == ({"env": "prod"}, made.uid)
    trigger["event_filters"] = []
    with pytest.raises(BadRequest, match="eventFilters"):
        eventarc.create_trigger(request=request | {"trigger_id": "other", "trigger": trigger})
    eventarc.delete_trigger(name=made.name).result()
    with pytest.raises(NotFound):
        eventarc.get_trigger(name=made.name)


# Artifact Registry


def test_a_repository_is_made_by_google_s_client(google_clients):
    registry = google_clients.client("google.cloud.artifactregistry_v1", "ArtifactRegistryClient")
    request = {
        "parent": google_clients.location,
        "repository_id": unique("images"),
        "repository": {"format_": "DOCKER"},
    }
    made = registry.create_repository(request=request).result()
    assert made.format_.name == "DOCKER"
    change = {"name": made.name, "labels": {"env": "dev"}}
    changed = registry.update_repository(repository=change, update_mask={"paths": ["labels"]})
    assert dict(changed.labels) == {"env": "dev"}
    assert made.name in [each.name for each in registry.list_repositories(parent=google_clients.location)]
    registry.delete_repository(name=made.name).result()
