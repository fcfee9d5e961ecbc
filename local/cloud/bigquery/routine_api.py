"""Calls on routines."""

from typing import Any

from local.cloud.bigquery.datasets import etag_of
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import DatasetRef
from local.cloud.bigquery.routines import Check, RoutineRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.call import Call, Response, no_content
from local.cloud.paging import page_of
from local.cloud.routing import Route

_LISTED = ("etag", "routineReference", "routineType", "creationTime", "lastModifiedTime", "language")


class RoutineApi:
    def __init__(self, bq: BigQuery) -> None:
        self._bq = bq

    def routes(self) -> list[Route]:
        many = "/projects/{project}/datasets/{dataset}/routines"
        one = f"{many}/{{routine}}"
        return [
            Route("GET", many, self.list, "bigquery.routines.list"),
            Route("POST", many, self.insert, "bigquery.routines.create"),
            Route("GET", one, self.get, "bigquery.routines.get"),
            Route("PUT", one, self.update, "bigquery.routines.update"),
            Route("DELETE", one, self.delete, "bigquery.routines.delete"),
        ]

    def list(self, call: Call) -> dict[str, Any]:
        """`filter` is `routineType:` and one type."""
        wanted = call.query.get("filter", "").removeprefix("routineType:").strip()
        found = self._bq.routines.of_dataset(DatasetRef(call.params["project"], call.params["dataset"]))
        items = [(name, body) for name, body in found if wanted in ("", body["routineType"])]
        full = bool(call.query.get("readMask"))

        def item(body: dict[str, Any]) -> dict[str, Any]:
            shown = _shown(body)
            return shown if full else {key: shown[key] for key in _LISTED if key in shown}

        return page_of(call, "routines", items, default=50, render=item)

    def insert(self, call: Call) -> dict[str, Any]:
        body = call.object()
        routine = (body.get("routineReference") or {}).get("routineId") or ""
        if not routine:
            raise problem("required", "Required parameter is missing: routineReference.routineId")
        ref = RoutineRef(call.params["project"], call.params["dataset"], routine)
        return _shown(self._bq.routines.create(ref, body, self._check(ref, call)))

    def _check(self, ref: RoutineRef, call: Call) -> Check:
        from local.cloud.bigquery.routine_functions import runs

        return runs(self._bq, ref, call.principal)

    def get(self, call: Call) -> dict[str, Any]:
        return _shown(self._bq.routines.get(_ref(call)))

    def update(self, call: Call) -> dict[str, Any]:
        ref, match = _ref(call), call.headers.get("if-match", "")
        check = self._check(ref, call)
        return _shown(self._bq.routines.replace(ref, call.object(), check, if_match=match))

    def delete(self, call: Call) -> Response:
        self._bq.routines.remove(_ref(call))
        return no_content()


def _ref(call: Call) -> RoutineRef:
    return RoutineRef(call.params["project"], call.params["dataset"], call.params["routine"])


def _shown(resource: dict[str, Any]) -> dict[str, Any]:
    return {"etag": etag_of(resource), **resource}
