import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Artifact, Context, Event, Execution, MetadataStore
from google.protobuf.field_mask_pb2 import FieldMask

from .conftest import PARENT, Vertex


@pytest.fixture(scope="module")
def store(vertex: Vertex) -> str:
    client = vertex.client("MetadataService")
    made = client.create_metadata_store(
        parent=PARENT, metadata_store=MetadataStore(description="tests"), metadata_store_id="tests"
    ).result()
    assert made.description == "tests"
    return f"{PARENT}/metadataStores/tests"


def test_contexts_artifacts_and_executions_hang_together(vertex: Vertex, store: str) -> None:
    client = vertex.client("MetadataService")
    experiment = client.create_context(
        parent=store,
        context=Context(display_name="experiment", schema_title="system.Experiment", schema_version="0.0.1"),
        context_id="experiment",
    )
    run = client.create_context(
        parent=store,
        context=Context(schema_title="system.ExperimentRun", schema_version="0.0.1", metadata={"lr": 0.1}),
        context_id="run",
    )
    client.add_context_children(context=experiment.name, child_contexts=[run.name])
    found = client.list_contexts(
        request={
            "parent": store,
            "filter": f'schema_title="system.ExperimentRun" AND parent_contexts:"{experiment.name}"',
        }
    )
    assert [each.name for each in found] == [run.name]
    artifact = client.create_artifact(
        parent=store, artifact=Artifact(uri="gs://b/m", schema_title="system.Model", schema_version="0.0.1")
    )
    execution = client.create_execution(
        parent=store, execution=Execution(schema_title="system.Run", state=Execution.State.RUNNING, display_name="fit")
    )
    client.add_context_artifacts_and_executions(
        context=run.name, artifacts=[artifact.name], executions=[execution.name]
    )
    client.add_execution_events(
        execution=execution.name, events=[Event(artifact=artifact.name, type_=Event.Type.OUTPUT)]
    )
    graph = client.query_context_lineage_subgraph(context=run.name)
    assert [each.name for each in graph.artifacts] == [artifact.name]
    assert [(each.artifact, each.type_.name) for each in graph.events] == [(artifact.name, "OUTPUT")]
    assert client.query_execution_inputs_and_outputs(execution=execution.name).artifacts[0].uri == "gs://b/m"
    assert client.query_artifact_lineage_subgraph(artifact=artifact.name).executions[0].display_name == "fit"
    inside = client.list_artifacts(request={"parent": store, "filter": f'in_context("{run.name}")'})
    assert [each.name for each in inside] == [artifact.name]
    with pytest.raises(exceptions.BadRequest, match="children"):
        client.delete_context(name=experiment.name)
    client.remove_context_children(context=experiment.name, child_contexts=[run.name])
    client.delete_context(name=experiment.name).result()


def test_an_update_takes_its_mask_and_refuses_a_stale_etag(vertex: Vertex, store: str) -> None:
    client = vertex.client("MetadataService")
    made = client.create_execution(parent=store, execution=Execution(schema_title="system.Run", metadata={"a": 1}))
    stale = made.etag
    made.metadata = {"a": 2}
    made.display_name = "not in the mask"
    changed = client.update_execution(execution=made, update_mask=FieldMask(paths=["metadata"]))
    assert changed.metadata["a"] == 2
    assert changed.display_name == ""
    assert changed.etag != stale
    with pytest.raises(exceptions.Conflict, match=stale):
        client.update_execution(execution=made, update_mask=FieldMask(paths=["metadata"]))


def test_a_missing_resource_is_made_where_the_update_allows_it(vertex: Vertex, store: str) -> None:
    client = vertex.client("MetadataService")
    artifact = Artifact(name=f"{store}/artifacts/made-by-update", display_name="x")
    made = client.update_artifact(request={"artifact": artifact, "allow_missing": True})
    assert client.get_artifact(name=made.name).display_name == "x"
    with pytest.raises(exceptions.NotFound):
        client.update_artifact(artifact=Artifact(name=f"{store}/artifacts/gone"), update_mask=FieldMask(paths=["uri"]))


def test_metadata_is_found_by_value(vertex: Vertex, store: str) -> None:
    client = vertex.client("MetadataService")
    for lr in (0.1, 0.2):
        client.create_execution(parent=store, execution=Execution(schema_title="search.Run", metadata={"lr": lr}))
    text = 'schema_title="search.Run" AND metadata.lr.number_value>0.15'
    assert [each.metadata["lr"] for each in client.list_executions(request={"parent": store, "filter": text})] == [0.2]


def test_a_store_that_is_deleted_takes_everything_along(vertex: Vertex) -> None:
    client = vertex.client("MetadataService")
    client.create_metadata_store(parent=PARENT, metadata_store=MetadataStore(), metadata_store_id="brief").result()
    store = f"{PARENT}/metadataStores/brief"
    client.create_context(parent=store, context=Context(), context_id="c")
    client.delete_metadata_store(name=store).result()
    with pytest.raises(exceptions.NotFound):
        client.get_context(name=f"{store}/contexts/c")
    with pytest.raises(exceptions.NotFound, match="brief"):
        client.create_context(parent=store, context=Context(), context_id="c")
