"""A stack from nothing to nothing on a fake Google: up, up again, changes, destroy."""

from __future__ import annotations

import pytest

from engine.errors import EngineError
from tests.unit.engine.conftest import Workplace, ops
from tests.unit.engine.programs import EVERYTHING, pair

COUNT = 17  # the resources of EVERYTHING and the stack


def test_everything_is_created_then_left_alone_then_destroyed(workplace: Workplace) -> None:
    workplace.program(EVERYTHING)
    first = workplace.up()
    assert first.errors == []
    assert first.changes["create"] == COUNT
    assert first.outputs["bucket"] == "gs://acme-artifacts"
    writes = len(workplace.google.writes())
    second = workplace.up()
    assert second.changes == {"create": 0, "update": 0, "replace": 0, "delete": 0, "same": COUNT}
    assert len(workplace.google.writes()) == writes
    gone = workplace.destroy()
    assert gone.changes["delete"] == COUNT
    assert workplace.states() == []
    left = [name for name, thing in workplace.google.things.items() if not thing.get("deleted")]
    assert left == []
    assert all(not policy["bindings"] for policy in workplace.google.policies.values())


def test_a_destroyed_stack_comes_up_again_with_its_soft_deleted_role(workplace: Workplace) -> None:
    workplace.program(EVERYTHING).up()
    workplace.destroy()
    again = workplace.up()
    assert again.errors == []
    assert workplace.preview().changed is False


def test_a_preview_sends_no_write_and_writes_no_file(workplace: Workplace) -> None:
    result = workplace.program(EVERYTHING).preview()
    assert result.changes["create"] == COUNT
    assert workplace.google.writes() == []
    assert not (workplace.folder / "state").exists()


def test_a_resource_that_left_the_program_is_deleted_after_the_rest(workplace: Workplace) -> None:
    workplace.program(EVERYTHING).up()
    kept = 'bucket = gcp.storage.Bucket("bucket", name="acme-artifacts", location="EU", labels={"team": "ml"})'
    result = workplace.program(kept).up()
    assert ops(result)["bucket"] == "same"
    assert set(ops(result).values()) == {"same", "delete"}
    assert workplace.names() == {"bucket"}


def test_deletions_run_dependents_first(workplace: Workplace) -> None:
    workplace.program(EVERYTHING).up()
    before = len(workplace.google.writes())
    workplace.destroy(parallel=4)
    deletions = [line for line in workplace.google.writes()[before:] if line.startswith("DELETE")]

    def place(end: str) -> int:
        return next(index for index, line in enumerate(deletions) if line.endswith(end))

    assert place("/o/spec.json") < place("/b/acme-artifacts")
    assert place("/tables/feedback") < place("/datasets/logs")
    assert next(index for index, line in enumerate(deletions) if "/schedules/" in line) < place("/warm-pool")


def test_outputs_of_stack_and_state_agree_and_secrets_stay_hidden(workplace: Workplace) -> None:
    result = workplace.program(EVERYTHING).up()
    stack = next(state for state in workplace.states() if state["type"] == "pulumi:pulumi:Stack")
    assert stack["outputs"]["bucket"] == "gs://acme-artifacts"
    assert "ciphertext" in stack["outputs"]["token"]
    assert result.as_json()["outputs"]["token"] == "[secret]"
    assert "s3cr3t" not in workplace.state_path.read_text()


def test_slow_operations_are_waited_for(workplace: Workplace) -> None:
    workplace.google.slow_operations = 3
    assert workplace.program(EVERYTHING).up().errors == []
    assert workplace.state("pool")["outputs"]["state"] == "RUNNING"


def test_changed_content_is_an_update_of_the_object_alone(workplace: Workplace) -> None:
    workplace.program(pair(content="first")).up()
    result = workplace.program(pair(content="second")).up()
    assert ops(result) == {"bucket": "same", "object": "update"}
    assert workplace.google.contents["spec.json"] == b"second"


def test_two_runs_of_one_process_see_the_program_as_it_is_on_disk(workplace: Workplace) -> None:
    (workplace.folder / "settings.py").write_text('NAME = "acme-first"\n')
    workplace.program('from settings import NAME\ngcp.storage.Bucket("bucket", name=NAME, location="EU")')
    workplace.up()
    (workplace.folder / "settings.py").write_text('NAME = "acme-second-name"\n')
    assert ops(workplace.preview()) == {"bucket": "replace"}


def test_without_endpoints_up_and_destroy_refuse_and_preview_works(workplace: Workplace) -> None:
    workplace.environment = {key: value for key, value in workplace.environment.items() if "ENDPOINT" not in key}
    workplace.program(pair())
    assert workplace.preview().changes["create"] == 3
    for command in (workplace.up, workplace.destroy):
        with pytest.raises(EngineError, match="GOOGLE_<SERVICE>_CUSTOM_ENDPOINT"):
            command()


def test_an_endpoint_that_a_planned_type_needs_is_named_before_anything_is_applied(workplace: Workplace) -> None:
    del workplace.environment["GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT"]
    result = workplace.program(EVERYTHING).up()
    assert any("GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT" in error for error in result.errors)
    assert workplace.google.writes() == []


def test_a_type_without_a_table_is_planned_and_refused_before_anything_is_applied(workplace: Workplace) -> None:
    workplace.program(pair() + '\ngcp.pubsub.Schema("schema", name="events")')
    result = workplace.up()
    assert ops(result)["schema"] == "create"
    assert any("no table for gcp:pubsub/schema:Schema" in error for error in result.errors)
    assert workplace.google.writes() == []


def test_docker_images_are_planned_with_unknown_digest_and_not_applied(workplace: Workplace) -> None:
    workplace.program("""
import pulumi_docker_build as docker_build
image = docker_build.Image("trainer", tags=["t"], push=False, context={"location": "."})
pulumi.export("digest", image.digest)
""")
    plan = workplace.preview()
    assert ops(plan) == {"trainer": "create"}
    assert repr(plan.outputs["digest"]) == "UNKNOWN"
    assert any("builds no container images" in error for error in workplace.up().errors)


def test_the_plan_and_the_result_are_written_for_machines(workplace: Workplace) -> None:
    report = workplace.program(pair()).up().as_json()
    assert report["changes"] == {"create": 3, "update": 0, "replace": 0, "delete": 0, "same": 0}
    assert report["outputs"] == {"url": "gs://acme-one"}
    assert set(report["seconds"]) == {"plan", "apply"}
    step = next(step for step in report["steps"] if step["name"] == "bucket")
    assert step["op"] == "create"
    assert step["status"] == "done"
    assert step["urn"] == "urn:pulumi:local::shop::gcp:storage/bucket:Bucket::bucket"
