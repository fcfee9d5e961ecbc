"""The compiled pipeline's object in the bucket."""

from tests.unit.infra.deploy import deploy


def test_the_successor_is_stored_before_the_pipeline_that_submissions_read_is_deleted() -> None:
    stored = deploy().one("BucketObject", "pipeline-object")

    assert stored.create_before_delete
    assert not stored.delete_before_replace
