"""Changes of persistent resources that take time: making, rebooting, growing, deleting.

Owns: the operation of each change, when it is over, and that it goes on after a restart of the cloud. Does not own:
what becomes of the resource (persistent_resources.py says it with the change's end).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from local.cloud.aiplatform.resources import Resource, kind_of, location_of, proto
from local.cloud.call import Call
from local.cloud.errors import ApiError

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_KIND = "aiplatform.PersistentResource.change"
_TICK_SECONDS = 0.1

Verb = Literal["Create", "Reboot", "Update", "Delete"]
End = Callable[["Change"], Resource | None]


@dataclass(frozen=True)
class Change:
    """`until` is in milliseconds of the cloud's clock."""

    name: str
    verb: Verb
    operation: str
    response_type: str
    until: int


class PoolChanges:
    """`may_end` says whether a change that is due can end; `end` makes the end true of the resource and returns it, or
    raises why the change has failed. The store's transaction is the only lock, since callers may be in one.
    """

    def __init__(self, cloud: "Cloud", *, may_end: Callable[[Change], bool], end: End) -> None:
        self._cloud = cloud
        self._may_end = may_end
        self._end = end
        self._open = {name: Change(**body) for name, body in cloud.store.list(_KIND)}
        cloud.on_start.append(lambda: cloud.background.every(_TICK_SECONDS, self.advance, "pools"))
        cloud.on_clock_jump.append(self.advance)

    def begin(self, call: Call, name: str, verb: Verb, seconds: float) -> dict[str, Any]:
        """The operation of a change that takes so long; it has ended where that is no time at all."""
        message = "" if verb == "Delete" else proto(call, "PersistentResource")
        metadata = "DeleteOperationMetadata" if verb == "Delete" else f"{verb}PersistentResourceOperationMetadata"
        operations = self._cloud.operations
        with self._cloud.store.transaction():
            operation = operations.create(
                location_of(name), kind=kind_of(call), metadata_type=proto(call, metadata), resumable=True
            )
            until = self._cloud.clock.now() + timedelta(seconds=seconds)
            change = Change(name, verb, operation, message or "google.protobuf.Empty", int(until.timestamp() * 1000))
            self._cloud.store.put(_KIND, name, asdict(change), parent="")
            self._open[name] = change
            if seconds == 0:
                self.advance()
            return operations.get(operation)

    def advance(self) -> None:
        """End the changes that are due."""
        if not self._open:
            return
        with self._cloud.store.transaction():
            now = self._cloud.clock.millis()
            for change in list(self._open.values()):
                if change.until <= now and self._may_end(change):
                    self._conclude(change)

    def _conclude(self, change: Change) -> None:
        operations = self._cloud.operations
        try:
            resource = self._end(change)
            operations.succeed(change.operation, resource or {}, response_type=change.response_type)
        except ApiError as error:
            operations.fail(change.operation, error)
        self._cloud.store.delete(_KIND, change.name)
        self._open.pop(change.name, None)
