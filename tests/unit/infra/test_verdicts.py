"""The settings and the local cloud judge alike what the provider's plan lets through: neither is made from the other.

The local cloud's own verdicts on the recorded values are held by tests/contract/test_refusals.py.
"""

import itertools
import json
from typing import Any

import pytest

from infra import machines, settings
from infra.settings import RefusedSettings
from local.cloud.aiplatform.machines import DISK_TYPES, MACHINE_TYPES, check_disk, check_machine
from local.cloud.validation import Violations
from tests.contract.provider_replay import DATA
from tests.contract.test_refusals import REFUSED
from tests.unit.infra.deploy import deploy

POOL, SCHEDULES = "recsys-training:trainingPool", "recsys-training:schedules"
ACCELERATORS = sorted({name for machine in machines.MACHINES.values() for name in machine.accelerators})
ROWS = json.loads((DATA / "plan_time_validation.json").read_text())

# Of each recorded value that a stack file can hold, how the file says it, and the key that is refused.
SAID: dict[tuple[str, str, str], tuple[dict[str, Any], str]] = {
    ("AiPersistentResource", "name", '"Warm_Pool"'): ({POOL: {"persistentResourceId": "Warm_Pool"}}, POOL),
    ("AiPersistentResource", "name", '"aaaaaaaa..(64)"'): ({POOL: {"persistentResourceId": "a" * 64}}, POOL),
    ("AiPersistentResource", "location", "null"): ({"gcp:region": None}, "gcp:region"),
    ("AiPersistentResource", "resourcePools.0.replicaCount", '"abc"'): ({POOL: {"replicas": "abc"}}, POOL),
    ("AiPersistentResource", "resourcePools.0.replicaCount", '"0"'): ({POOL: {"replicas": 0}}, POOL),
    ("AiPersistentResource", "resourcePools.0.machineSpec.machineType", "null"): (
        {POOL: {"machineType": ""}},
        f"{POOL}.machineType",
    ),
    ("AiPersistentResource", "resourcePools.0.machineSpec.acceleratorType", '"NVIDIA_NOPE"'): (
        {POOL: {"acceleratorType": "NVIDIA_NOPE"}},
        f"{POOL}.accelerator",
    ),
    ("AiPersistentResource", "resourcePools.0.diskSpec.bootDiskType", '"pd-nope"'): (
        {POOL: {"bootDiskType": "pd-nope"}},
        f"{POOL}.bootDiskType",
    ),
    ("AiPersistentResource", "resourcePools.0.diskSpec.bootDiskSizeGb", "1"): (
        {POOL: {"bootDiskSizeGb": 1}},
        f"{POOL}.bootDiskSizeGb",
    ),
    ("AiPersistentResource", "resourcePools.0.autoscalingSpec.minReplicaCount", '"9"'): (
        {POOL: {"minReplicas": 9}},
        POOL,
    ),
    ("AiPersistentResource", "resourcePools.0.autoscalingSpec.maxReplicaCount", "null"): (
        {POOL: {"maxReplicas": None}},
        POOL,
    ),
    ("Schedule", "cron", '"every day"'): ({SCHEDULES: {"cron": "every day"}}, f"{SCHEDULES}[0].cron"),
    ("Schedule", "maxConcurrentRunCount", '"x"'): ({SCHEDULES: {"maxConcurrentRuns": "x"}}, SCHEDULES),
    ("Schedule", "startTime", '"tomorrow"'): ({SCHEDULES: {"startTime": "tomorrow"}}, f"{SCHEDULES}[0].startTime"),
    ("Bucket", "name", '"Bad_Name"'): ({"gcp:project": "Bad_Name"}, "gcp:project"),
    ("Bucket", "location", "null"): ({"gcp:region": None}, "gcp:region"),
    ("Bucket", "softDeletePolicy.retentionDurationSeconds", "5"): (
        {"recsys-training:retention": {"softDeleteDays": 5}},
        "recsys-training:retention.softDeleteDays",
    ),
    ("IAMMember", "member", '"a@b.c"'): ({"recsys-training:submitters": ["a@b.c"]}, "recsys-training:submitters[0]"),
    ("IAMMember", "member", '"serviceAccount:"'): (
        {"recsys-training:submitters": ["serviceAccount:"]},
        "recsys-training:submitters[0]",
    ),
    ("Subnetwork", "ipCidrRange", '"10.0.0.1/24"'): (
        {"recsys-training:network": {"enabled": True, "subnetRange": "10.0.0.1/24"}},
        "recsys-training:network.subnetRange",
    ),
    ("CryptoKey", "rotationPeriod", '"10s"'): (
        {"recsys-training:encryption": {"ownKeys": True, "rotationDays": 0}},
        "recsys-training:encryption.rotationDays",
    ),
}


def row_key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["type"].rpartition(":")[2], row["change"], json.dumps(row["value"])


@pytest.mark.parametrize("row", [row for row in ROWS if row_key(row) in SAID], ids=lambda row: ":".join(row_key(row)))
def test_a_value_that_google_refuses_is_refused_by_the_settings(row: dict[str, Any], image_lock: str) -> None:
    said, key = SAID[row_key(row)]
    with pytest.raises(RefusedSettings) as refused:
        deploy(settings.load, config={"recsys-training:imagesLock": image_lock} | said)
    assert any(problem.key.startswith(key) for problem in refused.value.problems), refused.value.problems


def test_each_of_them_is_recorded_and_refused_by_the_plan_or_by_google() -> None:
    recorded = {row_key(row): row for row in ROWS}
    only_ours = {("AiPersistentResource", "location", "null"), ("Bucket", "location", "null")}  # Google has a default
    for key in SAID.keys() - only_ours:
        assert recorded[key]["check_failures"] or key in REFUSED, key


def pairs() -> list[tuple[str, str, int]]:
    asked = [("", 0), *itertools.product(ACCELERATORS, (1, 2, 3, 4, 8, 16))]
    return [(machine, *each) for machine in sorted(machines.MACHINES) for each in asked]


def test_both_take_the_same_accelerators_with_each_machine() -> None:
    different = []
    for machine, accelerator, count in pairs():
        spec = {"machineType": machine, "acceleratorType": accelerator, "acceleratorCount": count}
        found = Violations()
        check_machine(found, {key: value for key, value in spec.items() if value}, "spec")
        ours = machines.accelerator_rule(machine, accelerator, count) is None
        if ours is bool(found.found):
            different.append((machine, accelerator, count, found.found))
    assert not different
    assert len(pairs()) > 2000


def test_both_take_the_same_boot_disks_with_each_machine() -> None:
    different = []
    for machine, disk in itertools.product(sorted(machines.MACHINES), (*DISK_TYPES, "pd-balanced")):
        found = Violations()
        check_disk(found, {"bootDiskType": disk}, "disk", machine)
        if (machines.disk_rule(machine, disk) is None) is bool(found.found):
            different.append((machine, disk, found.found))
    assert not different


def test_the_settings_know_no_machine_that_vertex_ai_does_not_train_on() -> None:
    assert machines.MACHINES.keys() <= MACHINE_TYPES


def test_what_else_vertex_ai_trains_on_is_left_out_by_series() -> None:
    """Without a list price or a table of regions; TPUs, since the trainer does not run on them."""
    series = {name.partition("-")[0] for name in MACHINE_TYPES - machines.MACHINES.keys()}
    assert series == {"n4", "m1", "g4", "a4", "a4x", "a3", "ct5lp", "ct6e", "tpu7x", "cloud"}
    assert {name for name in MACHINE_TYPES - machines.MACHINES.keys() if name.startswith("a3-")} == {"a3-ultragpu-8g"}
