"""Vertex Experiments: a run's parameters and metrics, written as the aiplatform SDK writes them, so that it can read
them.

Owns: the contexts of the experiment and of the run in the project's metadata store. Does not own: what is logged. All
calls happen in a thread of their own: a slow or absent service warns and never holds training up.

Source: google.cloud.aiplatform.metadata (system.Experiment, system.ExperimentRun; metadata keys _params, _metrics,
_state).
"""

import hashlib
import queue
import re
import threading
from collections.abc import Callable
from typing import Any

_EXPERIMENT = "system.Experiment"
_RUN = "system.ExperimentRun"
_SCHEMA_VERSION = "0.0.1"
_CALL_SECONDS = 20.0
_FINISH_SECONDS = 30.0
_NAME_LIMIT = 121  # leaves room for the suffix that the SDK gives a run's tensorboard artifact
_DIGEST_LETTERS = 12
_UNSAFE = re.compile(r"[^a-z0-9-]")

Parameter = float | int | str


def run_context_id(experiment: str, run_id: str) -> str:
    """The id of a run's context; letters that Vertex refuses become hyphens. One that must be cut ends in a digest, so
    that two runs never share it.
    """
    whole = f"{experiment}-{run_id}"
    name = _UNSAFE.sub("-", whole.lower())
    if len(name) <= _NAME_LIMIT:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LETTERS]
    return f"{name[: _NAME_LIMIT - _DIGEST_LETTERS - 1]}-{digest}"


class ExperimentRun:
    """One run of an experiment. Everything is queued; `finish` waits a bounded time for the queue."""

    def __init__(
        self, *, project: str, region: str, endpoint: str, experiment: str, run_id: str, warn: Callable[[str], None]
    ) -> None:
        self._store = f"projects/{project}/locations/{region}/metadataStores/default"
        self._endpoint = endpoint or f"https://{region}-aiplatform.googleapis.com"
        self._experiment, self._run_id, self._warn = experiment, run_id, warn
        self._context = f"{self._store}/contexts/{run_context_id(experiment, run_id)}"
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._parameters: dict[str, Parameter] = {}
        self._metrics: dict[str, float] = {}
        self._thread = threading.Thread(target=self._work, name="experiment", daemon=True)
        self._thread.start()

    def start(self, parameters: dict[str, Parameter]) -> None:
        self._parameters = parameters
        self._queue.put(self._metadata("RUNNING"))

    def observe(self, name: str, value: float, step: int) -> None:
        """Keeps the metric's last value, which is sent when the run finishes."""
        self._metrics[name] = value
        self._metrics["step"] = float(step)

    def finish(self, state: str) -> None:
        """Sends metrics and state (COMPLETE or FAILED), and waits for them."""
        self._queue.put(self._metadata(state))
        self._queue.put(None)
        self._thread.join(_FINISH_SECONDS)
        if self._thread.is_alive():
            self._warn(
                f"the experiment was not logged: {self._endpoint} did not answer in {_FINISH_SECONDS:.0f} seconds"
            )

    def _metadata(self, state: str) -> dict[str, Any]:
        """The whole metadata of the run: Vertex replaces a Struct as a whole, and nobody else writes this one."""
        return {"_params": dict(self._parameters), "_metrics": dict(self._metrics), "_state": state}

    def _work(self) -> None:
        try:
            client = self._client()
            self._create(client)
            while (metadata := self._queue.get()) is not None:
                self._update(client, metadata)
        except Exception as error:
            self._warn(f"the experiment is not logged: {type(error).__name__}: {str(error).split(chr(10))[0]}")

    def _client(self) -> Any:
        from google.cloud.aiplatform_v1.services.metadata_service import MetadataServiceClient

        from train.storage import default_credentials

        credentials, _ = default_credentials(anonymous_allowed=self._endpoint.startswith("http://"))
        options = {"api_endpoint": self._endpoint}
        return MetadataServiceClient(credentials=credentials, transport="rest", client_options=options)

    def _create(self, client: Any) -> None:
        """Makes the store, the experiment and the run where they are missing, and puts the run below the experiment."""
        experiment = f"{self._store}/contexts/{self._experiment}"
        self._ensure(client, self._experiment, self._experiment, _EXPERIMENT, {"experiment_deleted": False})
        self._ensure(client, self._context.rsplit("/", 1)[1], self._run_id, _RUN, self._metadata("RUNNING"))
        client.add_context_children(
            context=experiment, child_contexts=[self._context], timeout=_CALL_SECONDS, retry=None
        )

    def _ensure(self, client: Any, context_id: str, title: str, schema: str, metadata: dict[str, Any]) -> None:
        from google.api_core.exceptions import AlreadyExists, Conflict, NotFound

        context = {
            "display_name": title,
            "schema_title": schema,
            "schema_version": _SCHEMA_VERSION,
            "metadata": metadata,
        }
        request = {"parent": self._store, "context": context, "context_id": context_id}
        try:
            client.create_context(request=request, timeout=_CALL_SECONDS, retry=None)
        except (AlreadyExists, Conflict):
            return
        except NotFound:
            store, name = self._store.rsplit("/metadataStores/", 1)
            made = client.create_metadata_store(
                parent=store, metadata_store={}, metadata_store_id=name, timeout=_CALL_SECONDS
            )
            made.result(timeout=_CALL_SECONDS)
            client.create_context(request=request, timeout=_CALL_SECONDS, retry=None)

    def _update(self, client: Any, metadata: dict[str, Any]) -> None:
        context = {"name": self._context, "metadata": metadata}
        client.update_context(context=context, update_mask={"paths": ["metadata"]}, timeout=_CALL_SECONDS, retry=None)
