import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import (
    Scalar,
    Tensorboard,
    TensorboardExperiment,
    TensorboardRun,
    TensorboardTimeSeries,
    TimeSeriesData,
    TimeSeriesDataPoint,
)
from google.protobuf.field_mask_pb2 import FieldMask

from .conftest import PARENT, Vertex, violations


def test_curves_are_written_and_read_back(vertex: Vertex) -> None:
    client = vertex.client("TensorboardService")
    board = client.create_tensorboard(parent=PARENT, tensorboard=Tensorboard(display_name="curves")).result()
    assert board.blob_storage_path_prefix
    experiment = client.create_tensorboard_experiment(
        parent=board.name, tensorboard_experiment=TensorboardExperiment(), tensorboard_experiment_id="exp"
    )
    run = client.create_tensorboard_run(
        parent=experiment.name, tensorboard_run=TensorboardRun(display_name="run"), tensorboard_run_id="run"
    )
    series = client.create_tensorboard_time_series(
        parent=run.name,
        tensorboard_time_series=TensorboardTimeSeries(display_name="loss", value_type="SCALAR"),
    )
    points = [TimeSeriesDataPoint(step=step, scalar=Scalar(value=1.0 / step)) for step in range(1, 21)]
    data = TimeSeriesData(tensorboard_time_series_id=series.name.rsplit("/", 1)[-1], value_type="SCALAR", values=points)
    client.write_tensorboard_run_data(tensorboard_run=run.name, time_series_data=[data])
    read = client.read_tensorboard_time_series_data(tensorboard_time_series=series.name).time_series_data
    assert [(point.step, point.scalar.value) for point in read.values][:2] == [(1, 1.0), (2, 0.5)]
    thin = client.read_tensorboard_time_series_data(
        request={"tensorboard_time_series": series.name, "max_data_points": 3}
    )
    assert [point.step for point in thin.time_series_data.values] == [1, 11, 20] or len(
        thin.time_series_data.values
    ) == 3
    assert [each.name for each in client.list_tensorboard_runs(parent=experiment.name)] == [run.name]
    assert [each.display_name for each in client.list_tensorboard_time_series(parent=run.name)] == ["loss"]
    changed = client.update_tensorboard(
        tensorboard=Tensorboard(name=board.name, description="d"), update_mask=FieldMask(paths=["description"])
    ).result()
    assert (changed.description, changed.display_name) == ("d", "curves")
    client.delete_tensorboard(name=board.name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_tensorboard_run(name=run.name)


def test_a_tensorboard_without_a_name_is_refused(vertex: Vertex) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        vertex.client("TensorboardService").create_tensorboard(parent=PARENT, tensorboard=Tensorboard())
    assert list(violations(refused)) == ["displayName"]
