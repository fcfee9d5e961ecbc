"""Tensorboards: experiments, runs, time series and their points.

Owns: their REST methods, for scalars. Blobs and tensors are kept as they are written, but cannot be exported.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.tensorboards
"""

from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.resources import Collection, Resource, done, new_id, refuse_outside, without_output_only
from local.cloud.call import Call
from local.cloud.errors import invalid_argument, not_found
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_TENSORBOARD = "projects/*/locations/*/tensorboards/*"
_POINT = "aiplatform.TensorboardTimeSeries.point"
_SHORT_ID = r"[a-z0-9][a-z0-9-]{0,127}"
_MOST_POINTS = 1000


class Tensorboards:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._boards = Collection(cloud, "Tensorboard", with_etag=True)
        self._experiments = Collection(cloud, "TensorboardExperiment", with_etag=True)
        self.runs = Collection(cloud, "TensorboardRun", with_etag=True)
        self.series = Collection(cloud, "TensorboardTimeSeries", with_etag=True)

    def routes(self) -> list[Route]:
        experiment, run = f"{_TENSORBOARD}/experiments/*", f"{_TENSORBOARD}/experiments/*/runs/*"
        writes = "aiplatform.tensorboardRuns.write"
        return [
            *self._rows("projects/*/locations/*", "tensorboards", self._boards, slow=True),
            *self._rows(_TENSORBOARD, "experiments", self._experiments),
            *self._rows(experiment, "runs", self.runs),
            *self._rows(run, "timeSeries", self.series),
            Route(
                "POST",
                f"/v1/{{parent={experiment}}}/runs:batchCreate",
                self._create_runs,
                "aiplatform.tensorboardRuns.create",
            ),
            Route(
                "POST",
                f"/v1/{{parent={experiment}}}:batchCreate",
                self._create_many_series,
                "aiplatform.tensorboardTimeSeries.create",
            ),
            Route("POST", f"/v1/{{tensorboardRun={run}}}:write", self._write_run, writes),
            Route("POST", f"/v1/{{tensorboardExperiment={experiment}}}:write", self._write_experiment, writes),
            Route(
                "GET", f"/v1/{{series={run}/timeSeries/*}}:read", self._read, "aiplatform.tensorboardTimeSeries.read"
            ),
            Route(
                "GET",
                f"/v1/{{tensorboard={_TENSORBOARD}}}:batchRead",
                self._read_many,
                "aiplatform.tensorboardTimeSeries.batchRead",
            ),
            Route("GET", f"/v1/{{tensorboard={_TENSORBOARD}}}:readSize", self._size, "aiplatform.tensorboards.get"),
        ]

    def _rows(self, above: str, plural: str, kind: Collection, *, slow: bool = False) -> list[Route]:
        """The five methods of one kind; a tensorboard's own are long-running operations."""
        parent, name = f"/v1/{{parent={above}}}/{plural}", f"/v1/{{name={above}/{plural}/*}}"
        may = f"aiplatform.{kind.message[0].lower()}{kind.message[1:].removesuffix('s')}s"
        return [
            Route("POST", parent, lambda call: self._create(call, kind, plural, slow=slow), f"{may}.create"),
            Route("GET", parent, lambda call: kind.page(call, _list_field(kind, plural)), f"{may}.list"),
            Route("GET", name, lambda call: kind.shown(kind.get(call.params["name"])), f"{may}.get"),
            Route("PATCH", name, lambda call: self._patch(call, kind, slow=slow), f"{may}.update"),
            Route("DELETE", name, lambda call: self._delete(call, kind), f"{may}.delete"),
        ]

    def _create(self, call: Call, kind: Collection, plural: str, *, slow: bool) -> dict[str, Any]:
        body = canonical(kind.message, call.object(), kind.message.lower())
        short = call.query.get(f"{kind.message[0].lower()}{kind.message[1:]}Id", "")
        if kind is self._boards:
            self._check_board(body)
        made = kind.shown(self._make(kind, call.params["parent"], plural, short, body))
        return done(call, "CreateTensorboard", made, "Tensorboard") if slow else made

    def _make(self, kind: Collection, parent: str, plural: str, short: str, body: Resource) -> Resource:
        self._require_parent(kind, parent)
        if short or kind in (self._experiments, self.runs):
            found = Violations()
            rule = "must hold at most 128 lowercase letters, digits and hyphens"
            found.matches(_SHORT_ID, short, f"{kind.message[0].lower()}{kind.message[1:]}Id", rule)
            found.refuse()
        extra: Resource = {}
        if kind is self._boards:
            extra = {"blobStoragePathPrefix": f"cloud-ai-platform-{new_id()}"}
        if kind is self.series:
            self._check_series(parent, body)
        wanted = without_output_only(body, "blobStoragePathPrefix", "runCount")
        return kind.create(f"{parent}/{plural}/{short or new_id()}", {**wanted, **extra})

    def _require_parent(self, kind: Collection, parent: str) -> None:
        above = {self._experiments: self._boards, self.runs: self._experiments, self.series: self.runs}
        for child, owner in above.items():
            if kind is child:
                owner.get(parent)

    def _check_board(self, body: Resource) -> None:
        found = Violations()
        found.unless(body.get("displayName"), "displayName", "is required")
        found.labels(body.get("labels"))
        found.refuse()

    def _check_series(self, run: str, body: Resource) -> None:
        found = Violations()
        found.unless(body.get("displayName"), "displayName", "is required")
        found.unless(body.get("valueType"), "valueType", "is required")
        taken = {each.get("displayName") for each in self.series.all(run)}
        found.unless(
            body.get("displayName") not in taken, "displayName", f"{body.get('displayName')!r} is taken in this run"
        )
        found.refuse()

    def _patch(self, call: Call, kind: Collection, *, slow: bool) -> dict[str, Any]:
        body = canonical(kind.message, call.object(), kind.message.lower())
        changed = kind.shown(kind.patch(call, body))
        return done(call, "UpdateTensorboard", changed, "Tensorboard") if slow else changed

    def _delete(self, call: Call, kind: Collection) -> dict[str, Any]:
        name = kind.get(call.params["name"])["name"]
        with self._cloud.store.transaction():
            for below in (self._experiments, self.runs, self.series):
                for each in below.all():
                    if each["name"].startswith(f"{name}/"):
                        below.remove(each["name"])
            self._cloud.store.delete_under(_POINT, f"{name}/")
            kind.remove(name)
        return done(call, "Delete", None)

    def _create_runs(self, call: Call) -> dict[str, Any]:
        body = canonical("BatchCreateTensorboardRunsRequest", call.object(), "request")
        with self._cloud.store.transaction():
            made = [
                self._make(
                    self.runs,
                    call.params["parent"],
                    "runs",
                    each.get("tensorboardRunId", ""),
                    each.get("tensorboardRun", {}),
                )
                for each in body.get("requests", [])
            ]
        return {"tensorboardRuns": [self.runs.shown(each) for each in made]}

    def _create_many_series(self, call: Call) -> dict[str, Any]:
        body = canonical("BatchCreateTensorboardTimeSeriesRequest", call.object(), "request")
        runs = [each.get("parent", "") for each in body.get("requests", [])]
        refuse_outside(self._cloud, "requests.parent", runs, call.params["parent"])
        with self._cloud.store.transaction():
            made = []
            for each in body.get("requests", []):
                run = self.runs.get(each.get("parent", ""))["name"]
                short, series = each.get("tensorboardTimeSeriesId", ""), each.get("tensorboardTimeSeries", {})
                made.append(self._make(self.series, run, "timeSeries", short, series))
        return {"tensorboardTimeSeries": [self.series.shown(each) for each in made]}

    def _write_run(self, call: Call) -> dict[str, Any]:
        body = canonical("WriteTensorboardRunDataRequest", call.object(), "request")
        self._write(call.params["tensorboardRun"], body)
        return {}

    def _write_experiment(self, call: Call) -> dict[str, Any]:
        body = canonical("WriteTensorboardExperimentDataRequest", call.object(), "request")
        runs = [each.get("tensorboardRun", "") for each in body.get("writeRunDataRequests", [])]
        refuse_outside(self._cloud, "writeRunDataRequests.tensorboardRun", runs, call.params["tensorboardExperiment"])
        for each in body.get("writeRunDataRequests", []):
            self._write(each.get("tensorboardRun", ""), each)
        return {}

    def _write(self, run: str, request: Resource) -> None:
        name = self.runs.get(run)["name"]
        with self._cloud.store.transaction():
            for data in request.get("timeSeriesData", []):
                series = f"{name}/timeSeries/{data.get('tensorboardTimeSeriesId', '')}"
                held = self.series.get(series)
                if data.get("valueType", held["valueType"]) != held["valueType"]:
                    raise invalid_argument(
                        [("timeSeriesData.valueType", f"{data['valueType']!r} is not {held['valueType']!r}")]
                    )
                for point in data.get("values", []):
                    step = int(point.get("step", 0))
                    self._cloud.store.put(_POINT, f"{held['name']}/points/{step:019d}", point, parent=held["name"])

    def _read(self, call: Call) -> dict[str, Any]:
        most = call.number("maxDataPoints") or _MOST_POINTS
        return {"timeSeriesData": self._data(call.params["series"], most)}

    def _read_many(self, call: Call) -> dict[str, Any]:
        names = call.query_lists.get("timeSeries", [])
        board = self._boards.get(call.params["tensorboard"])["name"]
        found = [self.series.get(name) for name in names]
        if any(not each["name"].startswith(f"{board}/") for each in found):
            raise not_found(f"a time series is not one of {board}")
        return {"timeSeriesData": [self._data(each["name"], _MOST_POINTS) for each in found]}

    def _data(self, name: str, most: int) -> dict[str, Any]:
        """The points of a series in order of step; evenly thinned out where there are more than asked for."""
        series = self.series.get(name)
        points = [body for _, body in self._cloud.store.list(_POINT, series["name"])]
        if len(points) > most:
            points = (
                [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]
                if most > 1
                else points[-1:]
            )
        short = series["name"].rsplit("/", 1)[-1]
        return {"tensorboardTimeSeriesId": short, "valueType": series["valueType"], "values": points}

    def _size(self, call: Call) -> dict[str, Any]:
        board = self._boards.get(call.params["tensorboard"])["name"]
        points = sum(name.startswith(f"{board}/") for name, _ in self._cloud.store.list(_POINT))
        return {"storageSizeByte": str(points * 64)}


def _list_field(kind: Collection, plural: str) -> str:
    return (
        plural
        if plural == "tensorboards"
        else f"{kind.message[0].lower()}{kind.message[1:]}" + ("" if plural == "timeSeries" else "s")
    )
