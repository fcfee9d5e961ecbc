"""Which handler answers a path.

Owns: routes as rows of a table, the services that they belong to, and the matching of paths. Templates are written as
Google's HTTP annotations are (https://github.com/googleapis/googleapis/blob/master/google/api/http.proto):
`/v1/{parent=projects/*/locations/*}/customJobs`, `/v1/{name=projects/*/topics/*}:publish`, `/b/{bucket}/o/{object}`,
`{rest=**}` at the end for any number of segments.

A service answers under its own prefixes (`/aiplatform/v1beta1/…`, as clients send that are given one endpoint per
service) and, where `bare`, without a prefix (as clients send when only the host is replaced); bare paths of all
services share one tree.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from local.cloud.call import Call, Response

Handler = Callable[["Call"], "dict[str, Any] | Response"]

_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]*))?\}")
_VERB = re.compile(r":([a-zA-Z]\w*)$")


@dataclass(frozen=True, slots=True)
class Route:
    """A row: `permission` is what the caller needs on the resource, None where the API asks for none.

    `streams`: the handler reads the body itself from `call.stream`. `public`: answered without a token.
    """

    method: str
    template: str
    handler: Handler
    permission: str | None = None
    streams: bool = field(default=False, kw_only=True)
    public: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Service:
    """Routes that share prefixes. `versions` names the versions that a template's own stands for: {"v1": ("v1",
    "v1beta1")}.
    """

    name: str
    routes: Sequence[Route]
    prefixes: Sequence[str]
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bare: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    service: Service
    route: Route
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Leaf:
    service: Service
    route: Route
    captures: tuple[tuple[str, int, int | None], ...]  # name, first segment, one past the last (None: all that is left)


class _Node:
    """A segment of the tree. `leaves` by (method, verb)."""

    __slots__ = ("any_one", "any_rest", "leaves", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.any_one: _Node | None = None
        self.any_rest: _Node | None = None
        self.leaves: dict[tuple[str, str], _Leaf] = {}


class Router:
    """All routes in one tree. `project_id` turns a project number into its id; other text it leaves alone."""

    def __init__(self, services: Iterable[Service], project_id: Callable[[str], str]) -> None:
        self._root = _Node()
        self._project_id = project_id
        self.services = tuple(services)
        for service in self.services:
            for route in service.routes:
                for path in _paths(service, route.template):
                    self._add(service, route, path)

    def match(self, method: str, raw_path: str) -> Match | None:
        """The route of a percent-encoded path; a verb may follow the last segment after a colon."""
        segments = [unquote(segment) for segment in raw_path.strip("/").split("/")]
        last = raw_path.rsplit("/", 1)[-1]
        verb = _VERB.search(last)
        leaf = None
        if verb:
            trimmed = [*segments[:-1], unquote(last[: verb.start()])]
            leaf = _find(self._root, trimmed, 0, (method, verb.group(1)))
            segments = trimmed if leaf else segments
        leaf = leaf or _find(self._root, segments, 0, (method, ""))
        if leaf is None:
            return None
        for index, segment in enumerate(segments[:-1]):
            if segment == "projects":
                segments[index + 1] = self._project_id(segments[index + 1])
        return Match(leaf.service, leaf.route, {name: "/".join(segments[a:b]) for name, a, b in leaf.captures})

    def _add(self, service: Service, route: Route, path: str) -> None:
        segments, verb, captures = _compile(path)
        node = self._root
        for segment in segments:
            if segment == "*":
                node.any_one = node.any_one or _Node()
                node = node.any_one
            elif segment == "**":
                node.any_rest = node.any_rest or _Node()
                node = node.any_rest
            else:
                node = node.literals.setdefault(segment, _Node())
        held = node.leaves.setdefault((route.method, verb), _Leaf(service, route, captures))
        if held.route is not route:
            raise ValueError(f"{route.method} {path} is declared by both {held.service.name!r} and {service.name!r}")


def _paths(service: Service, template: str) -> Iterable[str]:
    first, slash, rest = template.lstrip("/").partition("/")
    versions = service.versions.get(first, (first,))
    prefixes = [*service.prefixes, ""] if service.bare else service.prefixes
    for prefix in dict.fromkeys(prefixes):
        for version in versions:
            yield f"{prefix}/{version}{slash}{rest}"


def _compile(path: str) -> tuple[list[str], str, tuple[tuple[str, int, int | None], ...]]:
    """The segments of a template, its verb ("" for none) and where its variables lie."""
    names: list[str] = []

    def mark(variable: re.Match[str]) -> str:
        names.append(variable.group(1))
        return "{" + (variable.group(2) or "*") + "}"

    marked = _VARIABLE.sub(mark, path.strip("/"))
    verb = _VERB.search(marked.rsplit("/", 1)[-1])
    if verb:
        marked = marked[: -len(verb.group(0))]
    segments: list[str] = []
    captures: list[tuple[str, int, int | None]] = []
    start = 0
    for segment in marked.split("/"):
        if segment.startswith("{"):
            start = len(segments)
        segments.append(segment.strip("{}"))
        if segment.endswith("}"):
            end = None if segments[-1] == "**" else len(segments)
            captures.append((names[len(captures)], start, end))
    return segments, verb.group(1) if verb else "", tuple(captures)


def _find(node: _Node, segments: Sequence[str], at: int, wanted: tuple[str, str]) -> _Leaf | None:
    if at == len(segments):
        return node.leaves.get(wanted)
    literal = node.literals.get(segments[at])
    if literal and (leaf := _find(literal, segments, at + 1, wanted)):
        return leaf
    if node.any_one and segments[at] and (leaf := _find(node.any_one, segments, at + 1, wanted)):
        return leaf
    return node.any_rest.leaves.get(wanted) if node.any_rest else None
