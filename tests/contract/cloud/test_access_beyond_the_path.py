"""What a call touches beyond the resource that its path names, tried by principals with few rights."""

import uuid

import pytest
import requests

PROJECT, OTHER = "acme-beyond", "acme-elsewhere"
PARENT = f"projects/{PROJECT}/locations/europe-west1"
ELSEWHERE = f"projects/{OTHER}/locations/europe-west1"
DATA, SECRETS = "acme-beyond-data", "acme-elsewhere-data"


@pytest.fixture(scope="module")
def cloud(cloud_server):
    cloud_server.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": DATA})
    cloud_server.json("POST", f"/storage/v1/b?project={OTHER}", {"name": SECRETS})
    return cloud_server


@pytest.fixture
def account(cloud):
    return cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def grant(cloud, account):
    def grant(*roles, project=PROJECT):
        cloud.grant(project, {role: [f"serviceAccount:{account}"] for role in roles})

    return grant


@pytest.fixture
def call(cloud, account):
    return as_(cloud, account)


def as_(cloud, principal):
    token = cloud.token_of(principal)

    def call(method, path, body=None, **options):
        headers = {"authorization": f"Bearer {token}", **options.pop("headers", {})}
        return requests.request(method, f"{cloud.url}{path}", json=body, headers=headers, timeout=30, **options)

    return call


def refusal(answer, status=403):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


# Long-running operations


def an_operation(cloud, parent=PARENT):
    return cloud.json("POST", f"/v1/{parent}/tensorboards", {"displayName": "x"})["name"]


def test_an_operation_is_seen_by_whoever_may_see_what_it_made(cloud, call, grant):
    name = an_operation(cloud)
    for method, path in (("GET", name), ("POST", f"{name}:wait"), ("DELETE", name)):
        assert "aiplatform.tensorboards.get" in refusal(call(method, f"/v1/{path}", {} if method == "POST" else None))
    assert "aiplatform.tensorboards.delete" in refusal(call("POST", f"/v1/{name}:cancel", {}))
    grant("roles/aiplatform.viewer")
    assert call("GET", f"/ui/{name}").json()["done"] is True
    assert call("GET", f"/v1/{name}").json()["done"] is True
    refusal(call("POST", f"/v1/{name}:cancel", {}))
    assert call("DELETE", f"/v1/{name}").status_code == 200


def test_operations_are_listed_for_whoever_may_list_them(cloud, call, grant):
    name = an_operation(cloud)
    assert "aiplatform.operations.list" in refusal(call("GET", f"/v1/{PARENT}/operations"))
    grant("roles/aiplatform.viewer")
    assert name in [each["name"] for each in call("GET", f"/v1/{PARENT}/operations").json()["operations"]]
    refusal(call("GET", f"/v1/{ELSEWHERE}/operations"))


def test_an_operation_without_a_project_in_its_name_is_guarded_by_the_project_that_it_is_about(cloud, call, grant):
    enabled = cloud.json("POST", f"/serviceusage/v1/projects/{PROJECT}/services/aiplatform.googleapis.com:enable", {})
    assert "serviceusage.operations.get" in refusal(call("GET", f"/v1/{enabled['name']}"))
    grant("roles/serviceusage.serviceUsageViewer")
    assert call("GET", f"/v1/{enabled['name']}").json()["done"] is True


# Names in bodies


@pytest.fixture
def user(grant):
    grant("roles/aiplatform.user", "roles/pubsub.editor", "roles/cloudscheduler.admin", "roles/bigquery.admin")


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("verb", ["batchCancel", "batchDelete"])
def test_a_batch_of_pipeline_jobs_reaches_its_own_location_only(call, verb):
    answer = call("POST", f"/v1/{PARENT}/pipelineJobs:{verb}", {"names": [f"{ELSEWHERE}/pipelineJobs/nightly"]})
    assert f"{ELSEWHERE}/pipelineJobs/nightly" in refusal(answer, 400)


@pytest.mark.usefixtures("user")
def test_a_model_is_no_version_of_another_projects(cloud, call):
    theirs = cloud.json("POST", f"/v1/{ELSEWHERE}/models:upload", {"model": {"displayName": "m"}})["response"]["model"]
    answer = call("POST", f"/v1/{PARENT}/models:upload", {"model": {"displayName": "m"}, "parentModel": theirs})
    assert "parentModel" in refusal(answer, 400)


@pytest.mark.usefixtures("user")
def test_lineage_stays_in_its_own_store(cloud, call):
    for parent in (PARENT, ELSEWHERE):
        cloud.call("POST", f"/v1/{parent}/metadataStores?metadataStoreId=default", {})
    store, theirs = f"{PARENT}/metadataStores/default", f"{ELSEWHERE}/metadataStores/default"
    short = uuid.uuid4().hex
    for kind, key in (("contexts", "contextId"), ("executions", "executionId")):
        cloud.json("POST", f"/v1/{store}/{kind}?{key}={short}", {})
    artifact = cloud.json("POST", f"/v1/{theirs}/artifacts?artifactId={short}", {"uri": "gs://secret"})["name"]
    context = cloud.json("POST", f"/v1/{theirs}/contexts?contextId={short}", {})["name"]
    paths = {
        f"contexts/{short}:addContextArtifactsAndExecutions": {"artifacts": [artifact]},
        f"contexts/{short}:addContextChildren": {"childContexts": [context]},
        f"executions/{short}:addExecutionEvents": {"events": [{"artifact": artifact, "type": "INPUT"}]},
    }
    for path, body in paths.items():
        assert "is not below" in refusal(call("POST", f"/v1/{store}/{path}", body), 400)


@pytest.mark.usefixtures("user")
def test_points_are_written_below_their_own_experiment_only(cloud, call):
    board = cloud.json("POST", f"/v1/{PARENT}/tensorboards", {"displayName": "x"})["response"]["name"]
    cloud.json("POST", f"/v1/{board}/experiments?tensorboardExperimentId=mine", {})
    run = f"{ELSEWHERE}/tensorboards/1/experiments/e/runs/r"
    body = {"writeRunDataRequests": [{"tensorboardRun": run, "timeSeriesData": []}]}
    assert run in refusal(call("POST", f"/v1/{board}/experiments/mine:write", body), 400)
    many = {"requests": [{"parent": run, "tensorboardTimeSeries": {"displayName": "x", "valueType": "SCALAR"}}]}
    assert run in refusal(call("POST", f"/v1/{board}/experiments/mine:batchCreate", many), 400)


def custom_job(**spec):
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": {"imageUri": "i"}}
    return {"displayName": "x", "jobSpec": {"workerPoolSpecs": [pool], **spec}}


@pytest.mark.usefixtures("user")
def test_a_job_names_no_tensorboard_and_no_closed_network_of_another_project(cloud, call):
    job = custom_job(tensorboard=f"{ELSEWHERE}/tensorboards/1")
    assert "jobSpec.tensorboard" in refusal(call("POST", f"/v1/{PARENT}/customJobs", job), 400)
    network = f"projects/{OTHER}/global/networks/shared"
    job = custom_job(network=network)
    assert "compute.networks.use" in refusal(call("POST", f"/v1/{PARENT}/customJobs", job))
    number = cloud.json("GET", f"/crm/v1/projects/{PROJECT}")["projectNumber"]
    agent = f"serviceAccount:service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    cloud.grant(OTHER, {"roles/compute.networkUser": [agent]})
    answer = call("POST", f"/v1/{PARENT}/customJobs", job)
    assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("user")
def test_a_job_on_a_pool_with_an_account_needs_the_right_to_act_as_it(cloud, call):
    runner = cloud.account(PROJECT, "sa-pool-runner")
    pool, short = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1"}, f"p{uuid.uuid4().hex[:8]}"
    body = {"resourcePools": [pool]}
    body["resourceRuntimeSpec"] = {"serviceAccountSpec": {"enableCustomServiceAccount": True, "serviceAccount": runner}}
    cloud.json("POST", f"/v1/{PARENT}/persistentResources?persistentResourceId={short}", body)
    answer = call("POST", f"/v1/{PARENT}/customJobs", custom_job(persistentResourceId=short))
    assert f"serviceAccounts/{runner}" in refusal(answer)
    policy = {"bindings": [{"role": "roles/iam.serviceAccountUser", "members": ["allAuthenticatedUsers"]}]}
    cloud.json("POST", f"/iam/v1/projects/{PROJECT}/serviceAccounts/{runner}:setIamPolicy", {"policy": policy})
    job = call("POST", f"/v1/{PARENT}/customJobs", custom_job(persistentResourceId=short))
    assert "actAs" not in job.text


@pytest.mark.usefixtures("user")
def test_a_subscription_needs_the_right_to_attach_to_its_topic(cloud, call, grant):
    topic = f"projects/{OTHER}/topics/secrets"
    cloud.call("PUT", f"/v1/{topic}", {})
    path = f"/v1/projects/{PROJECT}/subscriptions/s{uuid.uuid4().hex[:8]}"
    assert "pubsub.topics.attachSubscription" in refusal(call("PUT", path, {"topic": topic}))
    grant("roles/pubsub.subscriber", project=OTHER)
    assert call("PUT", path, {"topic": topic}).status_code == 200


@pytest.mark.usefixtures("user")
def test_dead_letters_go_only_where_pubsubs_own_account_may_publish(cloud, call):
    topic, dead = (f"projects/{PROJECT}/topics/t{uuid.uuid4().hex[:8]}" for _ in range(2))
    for each in (topic, dead):
        cloud.json("PUT", f"/v1/{each}", {})
    path, letters = (f"/v1/projects/{PROJECT}/subscriptions/s{uuid.uuid4().hex[:8]}" for _ in range(2))
    policy = {"deadLetterTopic": dead, "maxDeliveryAttempts": 5}
    call("PUT", path, {"topic": topic, "deadLetterPolicy": policy})
    call("PUT", letters, {"topic": dead})
    call("POST", f"/v1/{topic}:publish", {"messages": [{"data": "YmFk"}]})
    now = {"maxMessages": 1, "returnImmediately": True}
    for _ in range(7):
        [received] = call("POST", f"{path}:pull", now).json()["receivedMessages"]
        call("POST", f"{path}:modifyAckDeadline", {"ackIds": [received["ackId"]], "ackDeadlineSeconds": 0})
    assert received["deliveryAttempt"] == 7
    assert call("POST", f"{letters}:pull", now).json() == {}


@pytest.mark.usefixtures("user")
def test_a_scheduled_message_goes_to_a_topic_of_the_jobs_own_project(call):
    target = {"topicName": f"projects/{OTHER}/topics/secrets", "data": "eA=="}
    job = {"name": f"{PARENT}/jobs/j{uuid.uuid4().hex[:8]}", "schedule": "0 3 * * *", "pubsubTarget": target}
    assert "pubsubTarget.topicName" in refusal(call("POST", f"/v1/{PARENT}/jobs", job), 400)


def test_the_logs_of_another_project_are_read_under_no_other_name(cloud, call, grant):
    entry = {"logName": f"projects/{OTHER}/logs/x", "resource": {"type": "global"}, "textPayload": "hush"}
    cloud.json("POST", "/v2/entries:write", {"entries": [entry]})
    grant("roles/logging.viewer")
    for name in (f"folders/{OTHER}", f"organizations/{OTHER}", f"//logging.googleapis.com/projects/{OTHER}"):
        answer = call("POST", "/v2/entries:list", {"resourceNames": [f"projects/{PROJECT}", name]})
        assert name in refusal(answer, 400)


def policy_of(cloud, account, role, *members):
    policy = {"bindings": [{"role": role, "members": list(members)}]}
    cloud.json("POST", f"/iam/v1/projects/{PROJECT}/serviceAccounts/{account}:setIamPolicy", {"policy": policy})


@pytest.mark.usefixtures("user")
def test_a_call_as_an_account_is_turned_elsewhere_only_by_those_who_may_act_as_it(cloud, account, call):
    caller = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    name = f"{PARENT}/jobs/j{uuid.uuid4().hex[:8]}"
    http = {"uri": "https://storage.googleapis.com/x", "oauthToken": {"serviceAccountEmail": caller}}
    cloud.json("POST", f"/v1/{PARENT}/jobs", {"name": name, "schedule": "0 3 * * *", "httpTarget": http})
    topic = f"projects/{PROJECT}/topics/t{uuid.uuid4().hex[:8]}"
    subscription = f"projects/{PROJECT}/subscriptions/s{uuid.uuid4().hex[:8]}"
    cloud.json("PUT", f"/v1/{topic}", {})
    push = {"pushEndpoint": "https://run.googleapis.com/x", "oidcToken": {"serviceAccountEmail": caller}}
    cloud.json("PUT", f"/v1/{subscription}", {"topic": topic, "pushConfig": push})

    def changes():
        job = {"httpTarget": {"uri": "https://storage.googleapis.com/y"}}
        yield call("PATCH", f"/v1/{name}?updateMask=httpTarget.uri", job)
        endpoint = {"pushConfig": {"pushEndpoint": "https://run.googleapis.com/y"}}
        body = {"subscription": endpoint, "updateMask": "pushConfig.pushEndpoint"}
        yield call("PATCH", f"/v1/{subscription}", body)

    for answer in changes():
        assert f"serviceAccounts/{caller}" in refusal(answer)
    policy_of(cloud, caller, "roles/iam.serviceAccountUser", f"serviceAccount:{account}")
    for answer in changes():
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/v2/{parent}/jobs?jobId=", "/v2/{parent}/services?serviceId="])
def test_whoever_deploys_may_act_as_what_is_deployed(cloud, account, call, grant, path):
    grant("roles/run.admin")
    runner = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    inner = {"serviceAccount": runner, "containers": [{"image": "europe-docker.pkg.dev/p/r/i"}]}
    body = {"template": {"template": inner} if "jobs" in path else inner}
    where = path.format(parent=PARENT) + f"d{uuid.uuid4().hex[:8]}"
    assert f"serviceAccounts/{runner}" in refusal(call("POST", where, body))
    policy_of(cloud, runner, "roles/iam.serviceAccountUser", f"serviceAccount:{account}")
    assert call("POST", where, body).status_code == 200


def test_a_subscription_is_detached_by_those_who_may_do_it_to_its_topic(cloud, call, grant):
    grant("roles/pubsub.editor")
    topic = f"projects/{OTHER}/topics/t{uuid.uuid4().hex[:8]}"
    subscription = f"projects/{PROJECT}/subscriptions/s{uuid.uuid4().hex[:8]}"
    cloud.json("PUT", f"/v1/{topic}", {})
    cloud.json("PUT", f"/v1/{subscription}", {"topic": topic})
    assert f"pubsub.googleapis.com/{topic}" in refusal(call("POST", f"/v1/{subscription}:detach", {}))
    grant("roles/pubsub.editor", project=OTHER)
    assert call("POST", f"/v1/{subscription}:detach", {}).status_code == 200


# Objects


def put(cloud, bucket, name, data=b"x"):
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    return cloud.json("POST", path, data=data)


def test_copies_and_compositions_need_the_right_to_read_their_sources(cloud, call, grant):
    put(cloud, SECRETS, "secret")
    put(cloud, DATA, "mine")
    grant("roles/storage.objectAdmin")
    for path in ("copyTo", "rewriteTo"):
        answer = call("POST", f"/storage/v1/b/{SECRETS}/o/secret/{path}/b/{DATA}/o/copy", {})
        assert "storage.objects.get" in refusal(answer)
    mine = call("POST", f"/storage/v1/b/{DATA}/o/mine/rewriteTo/b/{DATA}/o/copy", {})
    assert mine.json()["done"] is True


def test_a_resumable_upload_overwrites_only_what_its_beginner_may_delete(cloud, call, grant):
    grant("roles/storage.objectCreator")
    name = uuid.uuid4().hex
    begun = call("POST", f"/upload/storage/v1/b/{DATA}/o?uploadType=resumable&name={name}", {})
    put(cloud, DATA, name, b"first")
    session = begun.headers["location"].removeprefix(cloud.url)
    finished = cloud.call("PUT", session, data=b"second")  # by anyone: the session is its beginner's
    assert "storage.objects.delete" in finished.json()["error"]["message"]
    assert cloud.call("GET", f"/storage/v1/b/{DATA}/o/{name}?alt=media").content == b"first"


def test_restoring_over_a_live_object_needs_the_right_to_delete_it(cloud, call, grant):
    name = uuid.uuid4().hex
    generation = put(cloud, DATA, name, b"old")["generation"]
    cloud.call("DELETE", f"/storage/v1/b/{DATA}/o/{name}")
    put(cloud, DATA, name, b"new")
    role = {"roleId": f"r{uuid.uuid4().hex[:8]}"}
    role["role"] = {"includedPermissions": ["storage.objects.restore", "storage.objects.create"]}
    made = cloud.json("POST", f"/iam/v1/projects/{PROJECT}/roles", role)["name"]
    grant(made)
    path = f"/storage/v1/b/{DATA}/o/{name}/restore?generation={generation}"
    assert "storage.objects.delete" in refusal(call("POST", path))


# Accounts and roles


def test_a_deleted_or_disabled_accounts_token_stops_working_at_once(cloud, account, grant):
    grant("roles/storage.admin")
    call = as_(cloud, account)
    listing, path = f"/storage/v1/b/{DATA}/o", f"/iam/v1/projects/{PROJECT}/serviceAccounts/{account}"
    assert call("GET", listing).status_code == 200
    cloud.json("POST", f"{path}:disable", {})
    assert call("GET", listing).status_code == 401
    cloud.json("POST", f"{path}:enable", {})
    assert call("GET", listing).status_code == 200
    cloud.json("DELETE", path)
    assert call("GET", listing).status_code == 401
    no_token = cloud.json("POST", "/_local/access/tokens", {"principal": account}, status=404)
    assert account in no_token["error"]["message"]
    cloud.account(PROJECT, account.partition("@")[0])
    assert call("GET", listing).status_code == 401  # another account of the same name


def test_an_account_is_named_by_its_unique_id_too(cloud, call, grant):
    target = cloud.account(PROJECT, f"sa-{uuid.uuid4().hex[:12]}")
    unique = cloud.json("GET", f"/iam/v1/projects/{PROJECT}/serviceAccounts/{target}")["uniqueId"]
    policy = {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": ["allAuthenticatedUsers"]}]}
    cloud.json("POST", f"/iam/v1/projects/{PROJECT}/serviceAccounts/{target}:setIamPolicy", {"policy": policy})
    body = {"scope": ["https://www.googleapis.com/auth/cloud-platform"]}
    for project in ("-", PROJECT):
        answer = call("POST", f"/v1/projects/{project}/serviceAccounts/{unique}:generateAccessToken", body)
        assert answer.status_code == 200, answer.text
    refusal(call("DELETE", f"/iam/v1/projects/-/serviceAccounts/{unique}"))
    grant("roles/iam.serviceAccountAdmin")
    assert call("GET", f"/iam/v1/projects/-/serviceAccounts/{unique}").json()["email"] == target
    assert call("DELETE", f"/iam/v1/projects/-/serviceAccounts/{unique}").status_code == 200
    assert call("POST", f"/iam/v1/projects/-/serviceAccounts/{unique}:undelete", {}).status_code == 200


def test_another_projects_custom_role_grants_nothing(cloud, call, grant):
    body = {"roleId": f"r{uuid.uuid4().hex[:8]}", "role": {"includedPermissions": ["storage.objects.list"]}}
    theirs = cloud.json("POST", f"/iam/v1/projects/{OTHER}/roles", body)["name"]
    ours = cloud.json("POST", f"/iam/v1/projects/{PROJECT}/roles", body)["name"]
    grant(theirs)
    refusal(call("GET", f"/storage/v1/b/{DATA}/o"))
    grant(ours)
    assert call("GET", f"/storage/v1/b/{DATA}/o").status_code == 200


def test_explain_takes_a_projects_number(cloud, account, grant):
    grant("roles/aiplatform.user")
    number = cloud.json("GET", f"/crm/v1/projects/{PROJECT}")["projectNumber"]
    asked = {"principal": account, "permission": "aiplatform.models.list"}
    asked["resource"] = f"projects/{number}/locations/europe-west1"
    assert cloud.json("POST", "/_local/access/explain", asked)["granted"] is True


def test_a_projects_viewers_are_its_policys_viewers_with_their_groups_and_conditions(cloud):
    bucket, alice, bob = f"acme-{uuid.uuid4().hex}", "alice@acme.example", "bob@other.example"
    group = f"{uuid.uuid4().hex}@acme.example"
    cloud.json("POST", f"/storage/v1/b?project={PROJECT}", {"name": bucket})
    cloud.json("PUT", "/_local/access/groups", {"group": group, "members": [f"user:{alice}"]})
    policy = cloud.json("POST", f"/crm/v1/projects/{PROJECT}:getIamPolicy", {})
    past = {"title": "past", "expression": 'request.time < timestamp("2001-01-01T00:00:00Z")'}
    added = [
        {"role": "roles/viewer", "members": [f"group:{group}"]},
        {"role": "roles/viewer", "members": [f"user:{bob}"], "condition": past},
    ]
    wanted = {"version": 3, "bindings": [*policy.get("bindings", []), *added]}
    cloud.json("POST", f"/crm/v1/projects/{PROJECT}:setIamPolicy", {"policy": wanted})
    assert as_(cloud, alice)("GET", f"/storage/v1/b/{bucket}/o").status_code == 200
    refusal(as_(cloud, bob)("GET", f"/storage/v1/b/{bucket}/o"))
