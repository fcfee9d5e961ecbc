"""What the plan says that a stack costs a month."""

import pytest

from plan.changes import BUCKET, DATASET, POOL, Change
from plan.costs import lines, text


def pool(
    *, region: str = "us-central1", machine: str = "g2-standard-8", most: str = "", accelerators: int = 1
) -> Change:
    machine_spec = {"machineType": machine, "acceleratorType": "NVIDIA_L4", "acceleratorCount": accelerators}
    return Change(
        op="same",
        type=POOL,
        name="pool",
        new={
            "name": "warm",
            "location": region,
            "resourcePools": [
                {
                    "machineSpec": machine_spec if accelerators else {"machineType": machine},
                    "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
                    "replicaCount": "1",
                    **({"autoscalingSpec": {"minReplicaCount": "1", "maxReplicaCount": most}} if most else {}),
                }
            ],
        },
    )


def test_a_pool_of_fixed_size_costs_its_hours() -> None:
    (line,) = lines([pool()], max_minutes=60)
    assert line.low == line.high == pytest.approx(24.20 / 24 * 730, abs=0.5)
    assert "billed idle or not" in line.note


def test_an_autoscaled_pool_costs_from_its_fewest_to_its_most_replicas() -> None:
    (line,) = lines([pool(most="3")], max_minutes=60)
    assert line.low is not None
    assert line.high == pytest.approx(3 * line.low)
    assert "1 to 3 replicas" in line.note


def test_break_even_is_where_jobs_on_demand_fill_the_day() -> None:
    """1440 minutes hold 20.6 jobs of 60 minutes with 10 minutes of cold start: at as many, both cost the same."""
    (line,) = lines([pool()], max_minutes=60)
    assert "cheaper below 21 jobs a day" in line.note
    assert f"costs {24.20 * 70 / 1440:.2f} USD" in line.note


def test_a_pool_without_accelerators_has_no_break_even() -> None:
    (line,) = lines([pool(machine="n1-standard-4", accelerators=0)], max_minutes=60)
    assert "jobs a day" not in line.note


def test_an_unknown_price_is_said_and_not_left_out() -> None:
    (line,) = lines([pool(region="asia-east1")], max_minutes=60)
    assert (line.low, line.high) == (None, None)
    assert "asia-east1" in text([line])[0]
    assert "not known" in text([line])[0]


def test_storage_is_told_by_the_hundred_gb() -> None:
    bucket = Change(op="same", type=BUCKET, name="b", new={"name": "acme", "location": "US-CENTRAL1"})
    assert "2.00 USD  for each 100 GB" in text(lines([bucket], max_minutes=None))[0]


def test_a_dataset_is_told_by_what_its_queries_read() -> None:
    dataset = Change(op="same", type=DATASET, name="d", new={"datasetId": "logs", "location": "us-central1"})
    (line,) = lines([dataset], max_minutes=None)
    assert (line.what, line.low) == ("dataset logs", None)
    assert "queries 6.25 USD for each TiB that they read, after the first of a month" in line.note
    assert "no list price of tables in us-central1 is known here" in line.note
    elsewhere = Change(op="same", type=DATASET, name="d", new={"datasetId": "logs", "location": "asia-east1"})
    assert lines([elsewhere], max_minutes=None)[0].note == "no list price of tables in asia-east1 is known here"
