"""Audit logs: which accesses are logged, and that nobody changes what is kept of them."""

from typing import Any

import pytest

from tests.unit.infra.deploy import Deployment, deploy
from tests.unit.infra.test_settings import refusal

AUDIT, DAY = "recsys-training:auditLogs", 86_400


def audited(stack: str = "dev", **changes: Any) -> Deployment:
    return deploy(stack=stack, config={AUDIT: changes})


def logged(deployment: Deployment) -> dict[str, list[str]]:
    return {
        record.inputs["service"]: [each["logType"] for each in record.inputs["auditLogConfigs"]]
        for record in deployment.of_type("IAMAuditConfig")
    }


@pytest.mark.parametrize(
    ("reads", "writes", "kinds"),
    [
        (True, True, ["ADMIN_READ", "DATA_READ", "DATA_WRITE"]),
        (True, False, ["ADMIN_READ", "DATA_READ"]),
        (False, True, ["DATA_WRITE"]),
    ],
)
def test_the_accesses_that_the_file_names_are_logged(reads: bool, writes: bool, kinds: list[str]) -> None:  # noqa: FBT001
    found = logged(audited(dataReads=reads, dataWrites=writes))

    assert found == {"storage.googleapis.com": kinds, "bigquery.googleapis.com": kinds}


def test_nothing_is_logged_where_the_file_says_so() -> None:
    deployment = audited(dataReads=False, dataWrites=False)

    assert logged(deployment) == {}
    assert [record.name for record in deployment.of_type("Bucket")] == ["artifacts-bucket"]


def test_what_is_kept_cannot_be_changed_and_goes_when_its_days_are_over() -> None:
    deployment = audited("prod")
    bucket = deployment.one("Bucket", "audit-records-bucket")

    assert bucket.inputs["retentionPolicy"] == {"retentionPeriod": str(365 * DAY), "isLocked": False}
    [rule] = bucket.inputs["lifecycleRules"]
    assert (rule["action"], rule["condition"]) == ({"type": "Delete"}, {"age": 400})
    assert "versioning" not in bucket.inputs
    assert bucket.inputs["publicAccessPrevention"] == "enforced"
    assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert bucket.inputs["softDeletePolicy"] == {"retentionDurationSeconds": 7 * DAY}
    assert bucket.protect
    assert bucket.inputs["forceDestroy"] is False
    assert {"services-storage", "services-logging"} <= deployment.dependencies(bucket)
    assert bucket.inputs["labels"] == {"platform": "recsys-training", "environment": "prod"}


def test_a_lock_is_asked_for_by_name() -> None:
    locked = audited("prod", locked=True).one("Bucket", "audit-records-bucket").inputs

    assert locked["retentionPolicy"]["isLocked"] is True
    assert "retentionPolicy" not in audited(keptDays=30).one("Bucket", "audit-records-bucket").inputs
    assert "retentionPolicy" not in audited("prod").one("Bucket", "artifacts-bucket").inputs


def test_the_sink_adds_to_its_bucket_and_does_not_log_itself() -> None:
    deployment = audited(keptDays=30)
    sink, grant = deployment.one("ProjectSink").inputs, deployment.one("BucketIAMMember", "audit-records-sink-writes")

    assert sink["destination"] == "storage.googleapis.com/acme-recsys-dev-records"
    assert "cloudaudit.googleapis.com%2Fdata_access" in sink["filter"]
    assert 'NOT protoPayload.resourceName:"projects/_/buckets/acme-recsys-dev-records"' in sink["filter"]
    assert grant.inputs["role"].endswith("/roles/recsysRecordsWriter")
    assert grant.inputs["member"].endswith("@gcp-sa-logging.iam.gserviceaccount.com")
    assert "identity-recsysRecordsWriter" in deployment.dependencies(grant)
    role = deployment.one("IAMCustomRole", "identity-recsysRecordsWriter").inputs
    assert role["permissions"] == ["storage.objects.create"]


def test_the_audit_configuration_waits_for_its_apis() -> None:
    deployment = audited()

    for record in deployment.of_type("IAMAuditConfig"):
        assert {"services-storage", "services-bigquery", "services-logging"} <= deployment.dependencies(record)


def test_what_is_kept_is_encrypted_like_all_that_is_stored() -> None:
    deployment = deploy(config={AUDIT: {"keptDays": 30}, "recsys-training:encryption": {"ownKeys": True}})

    for record in deployment.of_type("Bucket"):
        assert record.inputs["encryption"]["defaultKmsKeyName"].endswith("/cryptoKeys/storage")
        assert "encryption-storage-agent" in deployment.dependencies(record)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keptDays": -1}, "auditLogs.keptDays = -1: a bucket's retention has at most 36500 days"),
        ({"lockedDays": 40_000}, "auditLogs.lockedDays = 40000: a bucket's retention has at most 36500 days"),
        (
            {"keptDays": 30, "lockedDays": 31},
            "auditLogs.lockedDays = 31: nothing can be deleted before it, and keptDays deletes after 30",
        ),
        ({"locked": True}, "auditLogs.locked = True: locks a retention of lockedDays, and there is none"),
        ({"dataWrites": False, "keptDays": 30}, "auditLogs.keptDays = 30: keeps what is logged, and nothing is"),
    ],
)
def test_days_that_contradict_one_another_are_refused(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(**{AUDIT: changes})
