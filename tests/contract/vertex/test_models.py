from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Model, ModelEvaluation, UploadModelRequest
from google.protobuf import json_format, struct_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from .conftest import BUCKET, PARENT, Vertex, violations


def upload(vertex: Vertex, short: str = "", *, parent_model: str = "", **fields: Any) -> Any:
    model = Model(**{"display_name": "ranker", "artifact_uri": f"gs://{BUCKET}/models/1", **fields})
    request = UploadModelRequest(parent=PARENT, model=model, model_id=short, parent_model=parent_model)
    return vertex.client("ModelService").upload_model(request=request).result()


def test_versions_are_numbered_and_aliases_move(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    first = upload(vertex, "ranker", labels={"run_id": "r1"}, version_aliases=["champion"], version_description="one")
    second = upload(vertex, parent_model=first.model, artifact_uri=f"gs://{BUCKET}/models/2", labels={"run_id": "r2"})
    assert (first.model_version_id, second.model_version_id) == ("1", "2")
    assert second.model == first.model
    name = f"{PARENT}/models/ranker"
    assert client.get_model(name=name).version_id == "1"
    assert client.get_model(name=f"{name}@2").labels["run_id"] == "r2"
    assert client.get_model(name=f"{name}@champion").version_id == "1"
    merged = client.merge_version_aliases(name=f"{name}@2", version_aliases=["champion", "default"])
    assert sorted(merged.version_aliases) == ["champion", "default"]
    assert list(client.get_model(name=f"{name}@1").version_aliases) == []
    assert client.get_model(name=name).version_id == "2"
    assert list(client.merge_version_aliases(name=f"{name}@2", version_aliases=["-champion"]).version_aliases) == [
        "default"
    ]
    with pytest.raises(exceptions.NotFound, match="champion"):
        client.get_model(name=f"{name}@champion")


def test_versions_are_listed_and_models_once(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    model = upload(vertex, "listed").model
    for _ in range(2):
        upload(vertex, parent_model=model, display_name="listed-too")
    versions = list(client.list_model_versions(request={"name": model, "page_size": 2}))
    assert sorted(each.version_id for each in versions) == ["1", "2", "3"]
    listed = [each for each in client.list_models(parent=PARENT) if each.name.endswith("/models/listed")]
    assert [each.version_id for each in listed] == ["1"]
    assert (
        len(list(client.list_models(request={"parent": PARENT, "filter": 'display_name="ranker" AND name:listed'})))
        == 1
    )


def test_a_version_is_changed_by_mask(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    name = upload(vertex, "patched").model
    changed = client.update_model(
        model=Model(name=f"{name}@1", description="new", labels={"a": "b"}, display_name="ignored"),
        update_mask=FieldMask(paths=["description", "labels"]),
    )
    assert (changed.description, dict(changed.labels), changed.display_name) == ("new", {"a": "b"}, "ranker")
    with pytest.raises(exceptions.BadRequest, match="artifactUri"):
        client.update_model(
            model=Model(name=name, artifact_uri="gs://x"), update_mask=FieldMask(paths=["artifact_uri"])
        )


def test_a_change_of_the_model_is_a_change_of_all_its_versions(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    name = upload(vertex, "shared").model
    upload(vertex, parent_model=name)
    read = client.get_model(name=f"{name}@2")
    read.name, read.display_name, read.labels = name, "renamed", {"team": "search"}
    client.update_model(model=read, update_mask=FieldMask(paths=["display_name", "labels"]))
    for version in ("1", "2"):
        found = client.get_model(name=f"{name}@{version}")
        assert (found.display_name, dict(found.labels)) == ("renamed", {"team": "search"})
    with pytest.raises(exceptions.Conflict, match="etag"):
        client.update_model(model=read, update_mask=FieldMask(paths=["display_name"]))


def test_the_default_version_is_not_deleted_by_itself_but_others_and_the_model_are(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    name = upload(vertex, "deleted").model
    upload(vertex, parent_model=name)
    with pytest.raises(exceptions.BadRequest, match="default version"):
        client.delete_model_version(name=f"{name}@1")
    client.delete_model_version(name=f"{name}@2").result()
    assert [each.version_id for each in client.list_model_versions(name=name)] == ["1"]
    client.delete_model(name=name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_model(name=name)


def test_evaluations_are_kept_with_their_version(vertex: Vertex) -> None:
    client = vertex.client("ModelService")
    name = upload(vertex, "evaluated").model
    metrics = json_format.ParseDict({"ndcg@10": 0.25, "baselines": {"most_popular": 0.05}}, struct_pb2.Value())
    evaluation = ModelEvaluation(
        display_name="full ranking", metrics=metrics, metrics_schema_uri="gs://google-cloud-aiplatform/schema/x.yaml"
    )
    made = client.import_model_evaluation(parent=f"{name}@1", model_evaluation=evaluation)
    assert "@1/evaluations/" in made.name
    assert client.get_model_evaluation(name=made.name).metrics["ndcg@10"] == 0.25
    assert [each.name for each in client.list_model_evaluations(parent=name)] == [made.name]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": ""}, "model.displayName"),
        ({"artifact_uri": "/tmp/model"}, "model.artifactUri"),
        ({"version_aliases": ["No Alias"]}, "model.versionAliases"),
    ],
)
def test_a_model_that_google_refuses_is_refused(vertex: Vertex, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        upload(vertex, **fields)
    assert list(violations(refused)) == [field]


def test_a_model_id_is_taken_once_and_a_parent_must_exist(vertex: Vertex) -> None:
    upload(vertex, "unique")
    with pytest.raises(exceptions.Conflict, match="unique"):
        upload(vertex, "unique")
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        upload(vertex, parent_model=f"{PARENT}/models/nowhere")
    with pytest.raises(exceptions.BadRequest, match="default alias"):
        vertex.client("ModelService").merge_version_aliases(
            name=f"{PARENT}/models/unique@1", version_aliases=["-default"]
        )
