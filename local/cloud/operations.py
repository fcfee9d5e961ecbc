"""Long-running operations, for every service.

Owns: their records, their end, the routes on them and what those need. Does not own: the work. An operation that was
running when the cloud died ends with ABORTED at the next start, unless its service has declared it `resumable` and
takes it up itself.

What a caller needs depends on what an operation is about, its `kind`: `run.operations` where the service has
permissions of that name, else a collection, `aiplatform.models`, whose `get` lets one see, await and forget an
operation and whose `delete` lets one cancel it (https://cloud.google.com/vertex-ai/docs/general/iam-permissions).
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from local.cloud import filters
from local.cloud.background import Background
from local.cloud.call import Call
from local.cloud.clock import Clock
from local.cloud.errors import ApiError, aborted, not_found
from local.cloud.paging import page_of
from local.cloud.routing import Route
from local.cloud.store import Store

_KIND = "operation"
_MAX_WAIT_SECONDS = 60.0
_LISTED_BY_DEFAULT = "aiplatform"
_UNKNOWN = "unknown.operations"  # of a record that an older version has left: the operator's
_EVERYTHING = "projects/-"


class Operations:
    def __init__(self, store: Store, clock: Clock, background: Background) -> None:
        self._store = store
        self._clock = clock
        self._background = background
        self._ended = threading.Condition()

    def create(
        self,
        parent: str,
        *,
        kind: str,
        on: str = "",
        metadata_type: str = "",
        resumable: bool = False,
        **metadata: Any,
    ) -> str:
        """A running operation under `parent` ("" gives `operations/ID`); its name.

        `on` is the resource whose policies count for it, by default `parent`. `metadata_type` is the message's full
        name, `google.cloud.aiplatform.v1.CreatePersistentResourceOperationMetadata`.
        """
        name = f"{parent}/operations/{secrets.randbits(62)}".lstrip("/")
        now = self._clock.timestamp()
        generic = {"createTime": now, "updateTime": now}
        typed = {"@type": f"type.googleapis.com/{metadata_type}"} if metadata_type else {}
        operation = {"name": name, "metadata": {**typed, "genericMetadata": generic, **metadata}, "done": False}
        record = {"operation": operation, "resumable": resumable, "kind": kind, "on": on or parent}
        self._store.put(_KIND, name, record, parent=parent)
        return name

    def done(
        self,
        parent: str,
        response: dict[str, Any],
        *,
        kind: str,
        on: str = "",
        response_type: str = "",
        metadata_type: str = "",
        **metadata: Any,
    ) -> dict[str, Any]:
        """An operation that has already ended well, ready to be answered: clients do not poll it."""
        with self._store.transaction():
            name = self.create(parent, kind=kind, on=on, metadata_type=metadata_type, **metadata)
            return self.succeed(name, response, response_type=response_type)

    def run(
        self,
        parent: str,
        work: Callable[[str], dict[str, Any]],
        *,
        kind: str,
        response_type: str = "",
        metadata_type: str = "",
        **metadata: Any,
    ) -> dict[str, Any]:
        """Start `work(name)` in the background; it returns the response or raises ApiError. The running operation."""
        name = self.create(parent, kind=kind, metadata_type=metadata_type, **metadata)

        def follow() -> None:
            try:
                self.succeed(name, work(name), response_type=response_type)
            except ApiError as error:
                self.fail(name, error)
            except Exception as error:
                self.fail(name, ApiError(500, f"{type(error).__name__}: {error}"))
                raise

        self._background.run(follow)
        return self.get(name)

    def succeed(self, name: str, response: dict[str, Any], *, response_type: str = "") -> dict[str, Any]:
        typed = {"@type": f"type.googleapis.com/{response_type}"} if response_type else {}
        return self._end(name, {"response": {**typed, **response}})

    def fail(self, name: str, error: ApiError) -> dict[str, Any]:
        return self._end(name, {"error": error.rpc_status()})

    def get(self, name: str) -> dict[str, Any]:
        return self._record(name)["operation"]

    def cancel(self, name: str) -> None:
        """Best effort, as Google documents: one that has ended stays as it is."""
        if not self.get(name)["done"]:
            self.fail(name, ApiError(499, f"Operation {name} was cancelled"))

    def wait(self, name: str, seconds: float) -> dict[str, Any]:
        """The operation when it has ended, or as it is after `seconds`."""
        deadline = time.monotonic() + min(seconds, _MAX_WAIT_SECONDS)
        with self._ended:
            while not (operation := self.get(name))["done"] and (left := deadline - time.monotonic()) > 0:
                self._ended.wait(min(left, 1.0))
        return operation

    def end_interrupted(self) -> None:
        """At start: what was running and is not resumable died with the last process."""
        for name, record in self._store.list(_KIND):
            if not record["operation"]["done"] and not record["resumable"]:
                self.fail(
                    name, aborted(f"Operation {name} was interrupted by a restart of the local cloud: call again")
                )

    def routes(self) -> list[Route]:
        """On operations of every service, wherever their names begin."""
        rows = []
        for version in ("v1", "v1beta1", "v1alpha1", "v2"):
            for template in _NAMES:
                name = f"/{version}/{{name={template}}}"
                rows += [
                    Route("GET", name, self._get_route),
                    Route("POST", f"{name}:wait", self._wait_route),
                    Route("POST", f"{name}:cancel", self._cancel_route),
                    Route("DELETE", name, self._delete_route),
                ]
            rows.append(Route("GET", f"/{version}/{{name=projects/*/locations/*}}/operations", self._list_route))
        return rows

    def _get_route(self, call: Call) -> dict[str, Any]:
        return self._allowed(call, "get")["operation"]

    def _wait_route(self, call: Call) -> dict[str, Any]:
        self._allowed(call, "get")
        timeout = call.query.get("timeout") or call.object().get("timeout") or f"{_MAX_WAIT_SECONDS}s"
        return self.wait(call.params["name"], float(str(timeout).rstrip("s") or 0))

    def _cancel_route(self, call: Call) -> dict[str, Any]:
        self._allowed(call, "cancel")
        self.cancel(call.params["name"])
        return {}

    def _delete_route(self, call: Call) -> dict[str, Any]:
        self._allowed(call, "delete")
        self._store.delete(_KIND, call.params["name"])
        return {}

    def _list_route(self, call: Call) -> dict[str, Any]:
        """Those of the services whose operations the caller may list; there must be one."""
        parent = call.params["name"]
        records = self._store.list(_KIND, parent)
        services = {_service_of(record) for _, record in records} | {_LISTED_BY_DEFAULT}
        visible = {service for service in services if call.sees(f"{service}.operations.list", parent)}
        if not visible:
            call.require(f"{_LISTED_BY_DEFAULT}.operations.list", parent)
        selects = filters.compiled(call.query.get("filter", ""))
        shown = [(name, record["operation"]) for name, record in records if _service_of(record) in visible]
        return page_of(call, "operations", [each for each in shown if selects(each[1])])

    def _allowed(self, call: Call, verb: str) -> dict[str, Any]:
        """The record of the call's operation, if the caller may do that to it."""
        record = self._record(call.params["name"])
        call.require(_permission(record.get("kind", _UNKNOWN), verb), record.get("on") or _EVERYTHING)
        return record

    def _record(self, name: str) -> dict[str, Any]:
        record = self._store.get(_KIND, name)
        if record is None:
            raise not_found(f"Operation {name} not found")
        return record

    def _end(self, name: str, outcome: dict[str, Any]) -> dict[str, Any]:
        with self._ended:
            with self._store.transaction():
                record = self._record(name)
                operation = record["operation"]
                if not operation["done"]:
                    operation["metadata"]["genericMetadata"]["updateTime"] = self._clock.timestamp()
                    operation |= {"done": True, **outcome}
                    parent = name.rpartition("/operations/")[0] if "/operations/" in name else ""
                    self._store.put(_KIND, name, record, parent=parent)
            self._ended.notify_all()
            return operation


def _service_of(record: dict[str, Any]) -> str:
    return record.get("kind", _UNKNOWN).partition(".")[0]


def _permission(kind: str, verb: str) -> str:
    """For `get`, `cancel` or `delete` of an operation of that kind."""
    if kind.endswith(".operations"):
        return f"{kind}.{verb}"
    return f"{kind}.delete" if verb == "cancel" else f"{kind}.get"


_NAMES = (
    "operations/*",
    "projects/*/locations/*/operations/*",
    "projects/*/locations/*/*/*/operations/*",
    "projects/*/locations/*/*/*/*/*/operations/*",
)
