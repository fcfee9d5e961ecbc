"""Experiments and tensorboards: what runs have logged of themselves to the metadata store and to time series."""

from typing import TYPE_CHECKING, Any

from local.cloud.console.curves import Curve, curve
from local.cloud.console.view import Pages, View
from local.cloud.console.words import last, number

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_A_PAGE = 10
_MOST_METRICS = 6
_MOST_RUNS = 400
_MOST_BOARD_RUNS = 60
_MOST_SERIES = 24
_POINT = "aiplatform.TensorboardTimeSeries.point"


def experiments(cloud: "Cloud", view: View) -> dict[str, Any]:
    """The runs of all experiments, the newest first, and a curve of each metric over them."""
    contexts = cloud.vertex.metadata.contexts.all()
    runs = [each for each in contexts if each.get("schemaTitle") == "system.ExperimentRun"]
    runs.sort(key=lambda each: each["createTime"], reverse=True)
    pages = Pages.of(view.experiments, _A_PAGE, len(runs))
    shown = [_run(each) for each in runs[pages.start : pages.start + pages.size]]
    names = list(dict.fromkeys(name for run in shown for name in run["metrics"]))
    names.sort(key=lambda name: (name in ("step", "epoch"), "@" not in name, name))
    columns = names[:_MOST_METRICS]
    return {"runs": shown, "pages": pages, "columns": columns, "curves": _over_runs(runs, columns)}


def boards(cloud: "Cloud", view: View) -> dict[str, Any]:
    """The runs of all tensorboards, and the series of the chosen one, which is the newest where none is."""
    runs = cloud.vertex.tensorboards.runs.all()
    runs.sort(key=lambda each: each["createTime"], reverse=True)
    chosen = next((each for each in runs if each["name"] == view.board), runs[0] if runs else None)
    listed = [{"name": each["name"], "shown": each.get("displayName") or last(each["name"])} for each in runs]
    series = cloud.vertex.tensorboards.series.all(chosen["name"])[:_MOST_SERIES] if chosen else []
    drawn = [found for each in series if (found := _series(cloud, each))]
    return {"runs": listed[:_MOST_BOARD_RUNS], "chosen": chosen["name"] if chosen else "", "curves": drawn}


def _run(context: dict[str, Any]) -> dict[str, Any]:
    metadata = context.get("metadata", {})
    metrics, parameters = metadata.get("_metrics", {}), metadata.get("_params", {})
    return {
        **{"name": context["name"], "shown": context.get("displayName") or last(context["name"])},
        **{"state": str(metadata.get("_state", "")), "created": context["createTime"]},
        "metrics": metrics if isinstance(metrics, dict) else {},
        "parameters": [(key, number(value)) for key, value in parameters.items()]
        if isinstance(parameters, dict)
        else [],
    }


def _over_runs(runs: list[dict[str, Any]], names: list[str]) -> list[Curve]:
    """From the oldest to the newest of the last runs, where at least two of them have the metric."""
    found = []
    for name in names:
        values = [each.get("metadata", {}).get("_metrics", {}).get(name) for each in reversed(runs[:_MOST_RUNS])]
        points = [(float(at), float(each)) for at, each in enumerate(values, 1) if isinstance(each, int | float)]
        if len(points) > 1 and name not in ("step", "epoch"):
            found.append(curve(name, points))
    return found


def _series(cloud: "Cloud", series: dict[str, Any]) -> Curve | None:
    points = [
        (float(body.get("step", 0)), float(body["scalar"]["value"]))
        for _, body in cloud.store.list(_POINT, series["name"])
        if isinstance(body.get("scalar", {}).get("value"), int | float)
    ]
    return curve(series.get("displayName") or last(series["name"]), points) if points else None
