from datetime import timedelta

import pytest

from local.cloud.app import Cloud
from local.cloud.errors import ApiError

SA = "ct-pipeline@acme-recsys.iam.gserviceaccount.com"


def _bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def enforcing(tmp_path, clock):
    cloud = Cloud(tmp_path / "cloud", iam="enforce", clock=clock)
    cloud.store.put("iam.serviceAccount", SA, {"email": SA, "uniqueId": "1"}, parent="projects/acme-recsys")
    yield cloud
    cloud.stop()


def test_the_operators_token_is_random_kept_and_only_the_users(enforcing, tmp_path):
    file = enforcing.identity.operator_token_file
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text()) >= 43
    again = Cloud(tmp_path / "cloud", iam="enforce")
    assert again.identity.principal(_bearer(file.read_text()), {}).vouched
    again.stop()


@pytest.mark.parametrize(
    "headers", [{}, _bearer(""), _bearer("local"), _bearer("ya29.x.99999999999.y"), {"authorization": "Basic x"}]
)
def test_a_wrong_or_missing_token_is_refused_where_iam_is_enforced(enforcing, headers):
    with pytest.raises(ApiError, match="operator-token") as refused:
        enforcing.identity.principal(headers, {})
    assert refused.value.code == 401


def test_any_token_is_the_operator_where_iam_is_audited(cloud):
    assert cloud.identity.principal(_bearer("local"), {}).email == "operator@local.test"


def test_a_jobs_token_is_its_accounts_and_ends_with_the_job(enforcing):
    identity = enforcing.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    token, seconds = enforcing.identity.access_token(identity.secret)
    assert 3000 < seconds <= 3600
    caller = enforcing.identity.principal(_bearer(token), {})
    assert (caller.email, caller.job) == (SA, "jobs/1")
    enforcing.identity.revoke("jobs/1")
    with pytest.raises(ApiError):
        enforcing.identity.principal(_bearer(token), {})
    with pytest.raises(ApiError, match="job that it belonged to is over"):
        enforcing.identity.access_token(identity.secret)


def test_a_jobs_token_ends_after_an_hour(enforcing, clock):
    identity = enforcing.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    token, _ = enforcing.identity.access_token(identity.secret)
    clock.advance(timedelta(minutes=61))
    with pytest.raises(ApiError):
        enforcing.identity.principal(_bearer(token), {})


def test_a_jobs_token_survives_a_restart(enforcing, tmp_path):
    identity = enforcing.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    token, _ = enforcing.identity.access_token(identity.secret)
    again = Cloud(tmp_path / "cloud", iam="enforce")
    assert again.identity.principal(_bearer(token), {}).email == SA
    again.stop()


def test_a_token_cannot_be_stretched(enforcing):
    identity = enforcing.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    token, _ = enforcing.identity.access_token(identity.secret)
    head, expiry, signature = token.rsplit(".", 2)
    with pytest.raises(ApiError):
        enforcing.identity.principal(_bearer(f"{head}.{int(expiry) + 9999}.{signature}"), {})


def test_the_clouds_own_commands_need_the_operators_token_in_every_mode(cloud):
    with pytest.raises(ApiError) as refused:
        cloud.identity.require_operator(cloud.identity.principal(_bearer("local"), {}))
    assert refused.value.code == 401
    job = cloud.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    token, _ = cloud.identity.access_token(job.secret)
    with pytest.raises(ApiError, match="is not the operator"):
        cloud.identity.require_operator(cloud.identity.principal(_bearer(token), {}))


def test_tokens_that_are_good_no_longer_are_forgotten(enforcing, clock):
    token, _ = enforcing.identity.issue_token(SA, seconds=60)
    enforcing.identity.issue(job="jobs/1", email=SA, project="acme-recsys")
    enforcing.identity.sweep()
    assert enforcing.identity.principal(_bearer(token), {}).email == SA
    clock.advance(timedelta(seconds=62))
    enforcing.identity.sweep()
    assert [body["job"] for _, body in enforcing.store.list("identity.job")] == ["jobs/1"]


def test_what_a_killed_cloud_had_issued_for_its_own_requests_is_forgotten_at_the_next_start(enforcing):
    enforcing.identity.issue_in_passing(email=SA, project="acme-recsys")
    enforcing.start("http://127.0.0.1:1")
    assert enforcing.store.list("identity.job") == []
