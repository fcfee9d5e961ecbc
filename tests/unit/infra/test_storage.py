from tests.unit.infra.deploy import deploy


def test_the_bucket_is_private_versioned_and_recoverable() -> None:
    bucket = deploy().one("Bucket", "artifacts-bucket").inputs

    assert bucket["name"] == "acme-recsys-dev-artifacts"
    assert bucket["location"] == "US-CENTRAL1"
    assert bucket["uniformBucketLevelAccess"] is True
    assert bucket["publicAccessPrevention"] == "enforced"
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 604_800}


def test_staging_checkpoints_and_overwritten_versions_expire() -> None:
    retention = {"stagingDays": 7, "checkpointsDays": 14}
    rules = (
        deploy(config={"recsys-training:retention": retention})
        .one("Bucket", "artifacts-bucket")
        .inputs["lifecycleRules"]
    )

    assert [rule["action"] for rule in rules] == [{"type": "Delete"}] * 3
    assert [rule["condition"] for rule in rules] == [
        {"age": 7, "matchesPrefixes": ["staging/"]},
        {"age": 14, "matchesPrefixes": ["checkpoints/"]},
        {"daysSinceNoncurrentTime": 30, "withState": "ARCHIVED"},
    ]


def test_the_stack_files_keep_staging_for_90_and_checkpoints_for_180_days() -> None:
    for stack in ("dev", "prod"):
        staging, checkpoints, _ = deploy(stack=stack).one("Bucket", "artifacts-bucket").inputs["lifecycleRules"]
        assert (staging["condition"]["age"], checkpoints["condition"]["age"]) == (90, 180)


def test_a_protected_bucket_can_neither_be_deleted_nor_emptied_by_destroy() -> None:
    prod, dev = deploy(stack="prod").one("Bucket", "artifacts-bucket"), deploy().one("Bucket", "artifacts-bucket")

    assert (prod.protect, prod.inputs["forceDestroy"]) == (True, False)
    assert (dev.protect, dev.inputs["forceDestroy"]) == (False, True)


def test_how_long_what_is_deleted_can_be_brought_back_is_configured() -> None:
    retention = {"versionsDays": 3, "softDeleteDays": 0}
    bucket = deploy(config={"recsys-training:retention": retention}).one("Bucket", "artifacts-bucket").inputs

    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 0}
    assert bucket["lifecycleRules"][2]["condition"]["daysSinceNoncurrentTime"] == 3
