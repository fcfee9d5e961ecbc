import json

import pytest

from contracts.table_schemas import DRIFT_HOURLY, FEEDBACK, REQUESTS, TableSchema
from infra.warehouse import table_json
from tests.unit.infra.deploy import deploy

DAY_MS = 86_400_000


def test_both_datasets_lie_in_the_stacks_region() -> None:
    datasets = deploy().of_type("Dataset")

    assert {record.inputs["datasetId"]: record.inputs["location"] for record in datasets} == {
        "recsys_logs": "us-central1",
        "drift": "us-central1",
    }


def test_a_replaced_dataset_is_deleted_before_its_successor_of_the_same_id_is_created() -> None:
    assert all(record.delete_before_replace for record in deploy().of_type("Dataset"))


@pytest.mark.parametrize(
    ("name", "schema", "partitioning", "clustering"),
    [
        (
            "recsys_logs-requests",
            REQUESTS,
            {"type": "DAY", "field": "logged_at", "expirationMs": 730 * DAY_MS},
            ["user_id"],
        ),
        (
            "recsys_logs-feedback",
            FEEDBACK,
            {"type": "DAY", "field": "logged_at", "expirationMs": 730 * DAY_MS},
            ["user_id"],
        ),
        ("drift-hourly", DRIFT_HOURLY, {"type": "HOUR", "field": "logged_at", "expirationMs": 90 * DAY_MS}, None),
    ],
)
def test_a_table_has_its_contracts_columns_partitions_and_expiry(
    name: str, schema: TableSchema, partitioning: dict[str, object], clustering: list[str] | None
) -> None:
    table = deploy().one("Table", f"warehouse-{name}").inputs

    assert [column["name"] for column in json.loads(table["schema"])] == [column.name for column in schema.columns]
    assert table["timePartitioning"] == partitioning
    assert table.get("clusterings") == clustering
    assert table["tableId"] == schema.name


def test_a_column_without_description_has_none_in_the_schema() -> None:
    first = json.loads(table_json(FEEDBACK))[0]

    assert first == {"name": "user_id", "type": "STRING", "mode": "REQUIRED"}


def test_partitions_expire_as_the_configuration_says() -> None:
    deployment = deploy(config={"recsys-training:retention": {"logsDays": 10, "driftDays": 2}})

    expiries = {
        record.inputs["tableId"]: record.inputs["timePartitioning"]["expirationMs"] / DAY_MS
        for record in deployment.of_type("Table")
        if "view" not in record.inputs
    }
    assert expiries == {"requests": 10, "feedback": 10, "hourly": 2}


def test_protected_tables_and_datasets_cannot_be_deleted() -> None:
    prod, dev = deploy(stack="prod"), deploy()

    for record in prod.of_type("Table"):
        guarded = "view" not in record.inputs
        assert (record.protect, record.inputs["deletionProtection"]) == (guarded, guarded)
    for record in prod.of_type("Dataset"):
        assert (record.protect, record.inputs["deleteContentsOnDestroy"]) == (True, False)
    for record in dev.of_type("Table"):
        assert (record.protect, record.inputs["deletionProtection"]) == (False, False)
    for record in dev.of_type("Dataset"):
        assert (record.protect, record.inputs["deleteContentsOnDestroy"]) == (False, True)


def test_prod_refuses_queries_of_whole_tables_and_dev_does_not() -> None:
    for stack, wanted in (("prod", True), ("dev", None)):
        tables = [record.inputs for record in deploy(stack=stack).of_type("Table") if "view" not in record.inputs]
        assert {table.get("requirePartitionFilter") for table in tables} == {wanted}


def test_the_training_view_waits_for_its_table_and_is_in_standard_sql() -> None:
    deployment = deploy()
    view = deployment.one("Table", "warehouse-recsys_logs-training_events")

    assert view.inputs["view"]["useLegacySql"] is False
    assert "`acme-recsys-dev.recsys_logs.feedback`" in view.inputs["view"]["query"]
    assert "warehouse-recsys_logs-feedback" in deployment.dependencies(view)
