import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.cloud.aiplatform.messages import canonical
from local.cloud.errors import ApiError
from local.cloud.messages_from_protos import TABLE, VERTEX_TABLE, build, build_vertex


@pytest.mark.slow
@pytest.mark.parametrize(("table", "build_anew"), [(VERTEX_TABLE, build_vertex), (TABLE, build)])
def test_the_table_is_what_google_s_protos_say(table: Path, build_anew: Callable[[], Any]) -> None:
    assert json.loads(table.read_text()) == json.loads(json.dumps(build_anew()))


def test_names_enums_and_numbers_take_their_canonical_form() -> None:
    body = {
        "display_name": "x",
        "jobSpec": {
            "worker_pool_specs": [
                {
                    "replica_count": 2.0,
                    "machineSpec": {"acceleratorType": 11, "accelerator_count": "1"},
                    "diskSpec": None,
                }
            ],
            "scheduling": {"strategy": 4, "timeout": "3.5s", "restartJobOnWorkerRestart": False},
        },
        "labels": {"Any_Key": "v"},
    }
    assert canonical("CustomJob", body, "custom_job") == {
        "displayName": "x",
        "jobSpec": {
            "workerPoolSpecs": [
                {"replicaCount": "2", "machineSpec": {"acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}}
            ],
            "scheduling": {"strategy": "SPOT", "timeout": "3.5s", "restartJobOnWorkerRestart": False},
        },
        "labels": {"Any_Key": "v"},
    }


def test_free_form_json_is_left_as_it_is() -> None:
    spec = {"snake_case": None, "number": 1.0, "nested": [{"x_y": 1}]}
    assert canonical("PipelineJob", {"pipelineSpec": spec}, "pipeline_job") == {"pipelineSpec": spec}


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"colour": 1}, "custom_job", 'Unknown name "colour"'),
        ({"displayName": 3}, "displayName", "(string), 3"),
        ({"jobSpec": {"workerPoolSpecs": {}}}, "jobSpec.workerPoolSpecs", "A list is expected"),
        ({"jobSpec": []}, "jobSpec", "Starting an object"),
        (
            {"jobSpec": {"scheduling": {"strategy": "FAST"}}},
            "jobSpec.scheduling.strategy",
            '(Scheduling.Strategy), "FAST"',
        ),
        ({"jobSpec": {"scheduling": {"timeout": "1 day"}}}, "jobSpec.scheduling.timeout", '"1 day"'),
        ({"createTime": "tomorrow"}, "createTime", '"tomorrow"'),
        (
            {"jobSpec": {"workerPoolSpecs": [{"replicaCount": "2.5"}]}},
            "jobSpec.workerPoolSpecs[0].replicaCount",
            '"2.5"',
        ),
    ],
)
def test_what_is_no_such_message_is_refused_with_the_field_and_the_value(
    body: dict[str, object], field: str, text: str
) -> None:
    with pytest.raises(ApiError) as refused:
        canonical("CustomJob", body, "custom_job")
    violation = refused.value.details[0]["fieldViolations"][0]
    assert violation["field"] == field
    assert text in violation["description"]
