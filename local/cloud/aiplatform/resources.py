"""What all of Vertex AI's resources have in common: names, times, etags, lists, operations.

Owns: the documents of one collection and how they are listed and answered. Names are kept with the project's id and
answered with its number, as Vertex AI does; requests may use either.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud import filters
from local.cloud.call import Call
from local.cloud.errors import aborted, invalid_argument, not_found
from local.cloud.masks import mask_paths
from local.cloud.paging import last_name, page_size, page_token

if TYPE_CHECKING:
    from local.cloud.app import Cloud

Resource = dict[str, Any]

PROTO_PACKAGE = "google.cloud.aiplatform"
_MOST_REMEMBERED = 16
_OUTPUT_ONLY = ("name", "createTime", "updateTime", "etag")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The names that a filter selects, in an order, at a version of the store's kind."""

    version: int
    names: list[str]


class Collection:
    """The resources of one message type. `with_etag`: the message has an etag that changes with it."""

    def __init__(self, cloud: "Cloud", message: str, *, with_etag: bool = False) -> None:
        self.cloud = cloud
        self.message = message
        self._kind = f"aiplatform.{message}"
        self._with_etag = with_etag
        self._chosen: dict[tuple[str, str, str], _Chosen] = {}

    def create(self, name: str, body: Resource) -> Resource:
        """Raises ALREADY_EXISTS where the name is taken."""
        now = self.cloud.clock.timestamp()
        resource = {**body, "name": name, "createTime": now, "updateTime": now}
        return self.cloud.store.create(self._kind, name, self._marked(resource), parent=self._parent(name))

    def find(self, name: str) -> Resource | None:
        return self.cloud.store.get(self._kind, self.cloud.projects.with_id(name))

    def get(self, name: str) -> Resource:
        found = self.find(name)
        if found is None:
            raise not_found(f"The {self.message} '{name}' does not exist.")
        return found

    def update(self, name: str, change: Callable[[Resource], None], *, etag: str = "") -> Resource:
        """Change a resource in one transaction. Raises ABORTED for an etag that is not the resource's."""
        with self.cloud.store.transaction():
            resource = self.get(name)
            if etag and etag != resource.get("etag"):
                raise aborted(f"etag {etag!r} is not the current one of {name}: read it again and repeat the change")
            change(resource)
            resource["updateTime"] = self.cloud.clock.timestamp()
            kept = self._marked(resource)
            return self.cloud.store.put(self._kind, resource["name"], kept, parent=self._parent(resource["name"]))

    def patch(self, call: Call, body: Resource, *, fixed: Iterable[str] = ()) -> Resource:
        """Apply an update mask (all that `body` has, where there is none); `fixed` fields cannot be named."""
        paths = mask_paths(call.query.get("updateMask")) or [[key] for key in body if key not in _OUTPUT_ONLY]
        frozen = {*_OUTPUT_ONLY, *fixed}
        wrong = [".".join(path) for path in paths if path[0] in frozen]
        if wrong:
            raise invalid_argument([("updateMask", f"{', '.join(wrong)} cannot be changed")])

        def change(resource: Resource) -> None:
            for path in paths:
                _copy(resource, body, path)

        return self.update(call.params["name"], change, etag=body.get("etag", ""))

    def remove(self, name: str) -> None:
        resource = self.get(name)
        self.cloud.store.delete(self._kind, resource["name"])

    def all(self, parent: str | None = None) -> list[Resource]:
        """Those under a parent (a location of `-` is any), in order of name."""
        if parent is not None and "/-" in parent:
            head, _, tail = parent.partition("/-")
            names = self.cloud.store.list(self._kind)
            return [body for name, body in names if name.startswith(f"{head}/") and tail in name]
        return [body for _, body in self.cloud.store.list(self._kind, parent)]

    def page(
        self,
        call: Call,
        field: str,
        *,
        render: Callable[[Resource], Resource] = dict,
        functions: Mapping[str, filters.Function] | None = None,
        items: Iterable[Resource] | None = None,
        filtered: Callable[[Resource], Resource] | None = None,
    ) -> dict[str, Any]:
        """One page of what the call's filter selects, in the order that it asks for, newest first by default.

        `filtered` is what a filter sees of a resource, where that is not what `render` answers.
        """
        version, size = self.cloud.store.version(self._kind), page_size(call, default=100, most=1000)
        asked = (call.params.get("parent", ""), call.query.get("filter", ""), call.query.get("orderBy", ""))
        after, chosen = last_name(call), self._chosen.get(asked)
        if after is None or items is not None or chosen is None or chosen.version != version:
            selects = filters.compiled(asked[1], functions) if asked[1] else None
            candidates = self.all(call.params.get("parent")) if items is None else items
            seen = filtered or render
            selected = [item for item in candidates if selects is None or selects(seen(item))]
            found = {item["name"]: item for item in _ordered(selected, asked[2])}
            chosen = _Chosen(version, list(found))
            if items is None:
                self._remember(asked, chosen)
        else:
            found = {}
        start = _position_after(chosen.names, after)
        names = chosen.names[start : start + size]
        page = [item for name in names if (item := found.get(name) or self.find(name))]
        answer: dict[str, Any] = {field: [self.shown(render(item)) for item in page]} if page else {}
        if start + size < len(chosen.names):
            answer["nextPageToken"] = page_token(names[-1])
        return answer

    def _remember(self, asked: tuple[str, str, str], chosen: "_Chosen") -> None:
        """What a first page has found, for the pages that follow it: they need not look at everything again."""
        self._chosen.pop(asked, None)
        for oldest in list(self._chosen)[: len(self._chosen) + 1 - _MOST_REMEMBERED]:
            self._chosen.pop(oldest, None)
        if len(chosen.names) > 1:
            self._chosen[asked] = chosen

    def shown(self, resource: Resource) -> Resource:
        """As it is answered: with the project's number in its name."""
        return {**resource, "name": self.cloud.projects.with_number(resource["name"])}

    def _parent(self, name: str) -> str | None:
        """Under what `all` finds a resource, where that is not its name's own parent."""

    def _marked(self, resource: Resource) -> Resource:
        if self._with_etag:
            content = json.dumps({**resource, "etag": ""}, sort_keys=True).encode()
            resource["etag"] = hashlib.sha256(content).hexdigest()[:16]
        return resource


def new_id() -> str:
    """A number as Vertex AI gives one to a resource."""
    return str(secrets.randbelow(8 * 10**18) + 10**18)


def version_of(call: Call) -> str:
    """The API version in the call's path."""
    return "v1beta1" if "/v1beta1/" in call.path else "v1"


def proto(call: Call, message: str) -> str:
    """The full name of a message in the version that was called."""
    return f"{PROTO_PACKAGE}.{version_of(call)}.{message}"


def done(call: Call, method: str, resource: Resource | None, message: str = "", *, parent: str = "") -> dict[str, Any]:
    """The operation of `method` (`CreatePersistentResource`), which has ended with `resource`, or with nothing."""
    response_type = proto(call, message) if resource is not None else "google.protobuf.Empty"
    name = parent or call.params.get("parent") or location_of(call.params["name"])
    return call.cloud.operations.done(
        name,
        resource or {},
        kind=kind_of(call),
        response_type=response_type,
        metadata_type=proto(call, f"{method}OperationMetadata"),
    )


def kind_of(call: Call) -> str:
    """The collection that a call is about, as its route's permission names it: `aiplatform.models`."""
    return (call.route.permission or "").rpartition(".")[0]


def location_of(name: str) -> str:
    """`projects/P/locations/L` of any name below it."""
    return "/".join(name.split("/")[:4])


def refuse_outside(cloud: "Cloud", field: str, names: Iterable[str], parent: str) -> None:
    """Names in a body must lie below the resource that the path names, for which the caller's rights were checked."""
    above = f"{cloud.projects.with_id(parent)}/"
    wrong = [name for name in names if not cloud.projects.with_id(str(name)).startswith(above)]
    if wrong:
        raise invalid_argument([(field, f"{name!r} is not below {parent}") for name in wrong])


def without_output_only(body: Resource, *more: str) -> Resource:
    """What of a request's resource the caller may decide."""
    return {key: value for key, value in body.items() if key not in {*_OUTPUT_ONLY, *more}}


def _copy(target: Resource, source: Resource, path: list[str]) -> None:
    *above, last = path
    for key in above:
        source = source.get(key, {})
        target = target.setdefault(key, {})
    if last in source:
        target[last] = source[last]
    else:
        target.pop(last, None)


def _ordered(items: list[Resource], order_by: str) -> list[Resource]:
    keys = [part.split() for part in order_by.split(",") if part.strip()] or [["createTime", "desc"]]
    for path, *direction in reversed(keys):
        items.sort(key=lambda item: _sort_key(filters.field_value(item, path)), reverse=direction[:1] == ["desc"])
    return items


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, "")
    return (1, value) if isinstance(value, int | float) else (2, str(value))


def _position_after(names: list[str], name: str | None) -> int:
    """Where the page after the item of that name begins."""
    if name is None:
        return 0
    if name in names:
        return names.index(name) + 1
    raise invalid_argument([("pageToken", f"{name!r} is in the list no more: begin again without a token")])
