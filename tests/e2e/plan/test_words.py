"""What a plan says that a change does to capacity, money and data, each on a plan of the platform that is up."""

import json

import pytest

from contracts.table_schemas import REQUESTS
from infra.warehouse import table_json
from plan.page import sections
from tests.e2e.plan.deployed import NOW, PROJECT, Deployed

POOL = "training-pool-recsys-train-blue"
REPLACED = "Pool recsys-train-blue is REPLACED (deleted, then created)"
CANCELLED = "every job on it, running or queued, is cancelled"
ROTATE = "declare a successor"


def test_nothing_changes(dev: Deployed) -> None:
    assert "Nothing that is there changes" in dev.told()


@pytest.mark.parametrize(
    ("change", "why", "money"),
    [
        (
            {"machineType": "g2-standard-12"},
            "machine type g2-standard-8 → g2-standard-12",
            "24.20 USD a day becomes 28.",
        ),
        ({"replicas": 2, "minReplicas": 2, "maxReplicas": 2}, "replicas 1 → 2", "24.20 USD a day becomes 48.4"),
        ({"maxReplicas": 3}, "most replicas none → 3", "24.20 USD a day becomes 24.20 to 72.6"),
        ({"bootDiskSizeGb": 300}, "disk size in GB 100 → 300", "24.20 USD a day becomes 25."),
    ],
)
def test_a_change_of_the_pool_cancels_jobs_and_gives_accelerators_back(
    dev: Deployed, change: dict[str, object], why: str, money: str
) -> None:
    told = dev.told({"trainingPool": change})
    assert f"{REPLACED}: " in told
    assert why in told
    assert CANCELLED in told
    assert "1 x NVIDIA_L4 (1 replicas) go back to the market before" in told
    assert money in told
    assert ROTATE in told


def test_a_changed_maximum_of_an_autoscaled_pool_replaces_it_and_is_refused_where_it_is_protected(
    prod: Deployed,
) -> None:
    told = prod.told({"trainingPool": {"maxReplicas": 3}})
    assert f"{REPLACED}: most replicas 2 → 3" in told
    assert "It is protected: `up` refuses this plan" in told


def test_a_label_on_the_pool_replaces_it(dev: Deployed) -> None:
    told = dev.told(training_pool_recsys_train_blue={"labels": {"team": "ranking"}})
    assert f"{REPLACED}: label team none → ranking" in told
    assert CANCELLED in told


def test_default_labels_of_the_provider_are_refused_before_they_replace_the_pool(dev: Deployed) -> None:
    answer = dev.answer({"gcp:defaultLabels": {"team": "ranking"}})
    (error,) = answer["errors"]
    assert "gcp:defaultLabels" in error
    assert "replaces it and cancels the jobs on it. Remove it" in error
    assert sections(answer, now=NOW) == ""


def test_another_generation_without_the_old_one_deletes_the_pool_with_its_jobs(dev: Deployed) -> None:
    told = dev.told({"trainingPool": {"generation": "green"}})
    assert "Pool recsys-train-blue is DELETED" in told
    assert "1 x NVIDIA_L4 (1 replicas) go back to the market" in told
    assert "`retiringGeneration` keeps it meanwhile" in told


def test_a_declared_rotation_deletes_nothing(dev: Deployed) -> None:
    told = dev.told({"trainingPool": {"generation": "green", "retiringGeneration": "blue"}})
    assert "DELETED" not in told
    assert "REPLACED" not in told


def test_another_type_of_disk_replaces_a_pool(dev: Deployed) -> None:
    told = dev.told({"stepsPool": {"bootDiskType": "pd-ssd"}})
    assert "Pool recsys-steps-blue is REPLACED (deleted, then created): disk type pd-standard → pd-ssd" in told
    assert "5.40 USD a day becomes 5.89 USD a day" in told


def test_the_steps_pool_gives_machines_back(dev: Deployed) -> None:
    assert "1 x n1-standard-4 go back to the market before 1 x n1-standard-8" in dev.told(
        {"stepsPool": {"machineType": "n1-standard-8"}}
    )


def test_a_schedules_cron_pause_and_concurrency(dev: Deployed) -> None:
    cron = dev.told({"schedule": {"cron": "30 4 * * 1"}})
    assert "runs at TZ=Etc/UTC 0 3 * * * → TZ=Etc/UTC 30 4 * * 1" in cron
    assert "runs that were started go on as they are" in cron
    resumed = dev.told({"schedule": {"paused": False}})
    assert "it is resumed: it starts runs again, also where somebody paused it by hand" in resumed
    assert "its next runs are\n    Wed 2026-11-25 03:00 UTC" in resumed
    assert "queueing False → True" in dev.told({"schedule": {"allowQueueing": True}})


def test_a_paused_schedule_starts_nothing(prod: Deployed) -> None:
    told = prod.told({"schedule": {"paused": True}})
    assert "it is PAUSED: no run starts by itself until paused: false" in told
    assert "PAUSED, no run starts by itself; resumed, its next runs would be" in told


def test_another_image_is_another_pipeline_for_later_runs(dev: Deployed) -> None:
    dev.deploy_images("3")
    try:
        told = dev.told()
        assert "Schedule recsys-training" in told
        assert "is changed in place: later runs have another pipeline" in told
    finally:
        dev.deploy_images("1")


def test_a_shorter_lifecycle_tells_what_is_deleted_and_when(dev: Deployed) -> None:
    told = dev.told({"retention": {"stagingDays": 30}})
    assert "objects below staging/ are deleted after 30 days instead of 90, those in between within a day or so" in told
    assert "what goes can be brought back for 7 days" in told
    assert "objects below checkpoints/ are kept for 365 days instead of 180" in dev.told(
        {"retention": {"checkpointsDays": 365}}
    )


def test_shorter_retention_of_the_log_deletes_partitions(dev: Deployed) -> None:
    told = dev.told({"retention": {"logsDays": 30}})
    assert "Table requests is changed in place: rows are kept 730 days → 30 days" in told
    assert "OLDER PARTITIONS ARE DELETED at once" in told


def _schema(**changes: object) -> dict[str, str]:
    """The schema of `requests` with one column's keys changed, dropped (None) or added."""
    columns = {column["name"]: column for column in json.loads(table_json(REQUESTS))}
    for name, change in changes.items():
        columns[name] = change and {**columns.get(name, {"name": name, "mode": "NULLABLE"}), **change}  # type: ignore[dict-item]
    return {"schema": json.dumps([column for column in columns.values() if column])}


TABLE = "warehouse-recsys_logs-requests"


def told_of_table(dev: Deployed, **changes: object) -> str:
    return sections(dev.answer(resources={TABLE: _schema(**changes)}), now=NOW)


def test_an_added_column_loses_nothing(dev: Deployed) -> None:
    told = told_of_table(dev, device={"type": "STRING"})
    assert "Table requests is changed in place: column device (STRING) is added" in told
    assert "rows that are there have NULL in the new column; nothing is lost" in told


def test_a_dropped_column_loses_what_it_held(dev: Deployed) -> None:
    told = told_of_table(dev, model_version=None)
    assert "column model_version (STRING) is DROPPED" in told
    assert "what the dropped column held is LOST" in told


def test_another_type_of_a_column_loses_every_row(dev: Deployed) -> None:
    told = told_of_table(dev, request_id={"type": "INT64"})
    assert "Table requests is REPLACED: column request_id changes its type: STRING → INT64" in told
    assert "ALL OF ITS ROWS ARE LOST" in told
    assert "add a column of the new type beside the old one" in told


def test_another_location_of_a_dataset_loses_its_tables(dev: Deployed) -> None:
    told = dev.told(warehouse_drift={"location": "EU"})
    assert "Dataset drift is REPLACED (deleted, then created empty): location us-central1 → EU" in told
    assert "every table in it with its rows would be LOST" in told


def test_another_name_of_an_account_is_another_account(dev: Deployed) -> None:
    account = next(
        step for step in dev.answer()["steps"] if step["type"].endswith(":Account") and "pipeline" in str(step)
    )
    answer = dev.answer(resources={account["name"]: {"account_id": "recsys-renamed"}})
    told = sections(answer, now=NOW)
    assert "Service account is REPLACED: recsys-pipeline → recsys-renamed" in told
    assert "grants outside of this stack stay with recsys-pipeline" in told


def test_another_project_moves_nothing(dev: Deployed) -> None:
    told = dev.told({"gcp:project": "acme-recsys-else"})
    assert f"The project changes: {PROJECT} → acme-recsys-else" in told
    assert "nothing is moved" in told
    assert f"Bucket {PROJECT}-artifacts is REPLACED" in told


def test_another_region_empties_the_stack(dev: Deployed) -> None:
    told = dev.told({"gcp:region": "europe-west4"})
    assert "The region changes: us-central1 → europe-west4" in told
    assert "bucket and datasets cannot move" in told


def test_the_most_destructive_comes_first(dev: Deployed) -> None:
    told = dev.told({"schedule": {"cron": "30 4 * * 1"}, "trainingPool": {"bootDiskSizeGb": 300}})
    assert told.index(REPLACED) < told.index("Schedule recsys-training")
