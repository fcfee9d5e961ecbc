"""The metadata store: contexts, executions and artifacts, and how they hang together.

Owns: their REST methods and the edges between them. Experiments of the Vertex AI SDK live here, and so does what
pipelines record of their runs. Does not own: metadata schemas, which are taken at their word.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.metadataStores
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.edges import Edges
from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.resources import Collection, Resource, done, new_id, refuse_outside, without_output_only
from local.cloud.call import Call
from local.cloud.errors import ApiError, failed_precondition, invalid_argument
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_STORE = "projects/*/locations/*/metadataStores/*"
_NAME = re.compile(r"projects/[^/\s\"']+/locations/[^\s\"')]+")
_ID = r"[a-z0-9][a-z0-9-]{0,127}"
_MOST_PARENTS = 10


class Metadata:
    """All metadata stores of one cloud."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self.stores = Collection(cloud, "MetadataStore")
        self.contexts = Collection(cloud, "Context", with_etag=True)
        self.executions = Collection(cloud, "Execution", with_etag=True)
        self.artifacts = Collection(cloud, "Artifact", with_etag=True)
        self.edges = Edges(cloud.store)

    def routes(self) -> list[Route]:
        location = "projects/*/locations/*"
        may = "aiplatform.metadataStores"
        stores = [
            Route("POST", f"/v1/{{parent={location}}}/metadataStores", self._create_store, f"{may}.create"),
            Route("GET", f"/v1/{{parent={location}}}/metadataStores", self._list_stores, f"{may}.list"),
            Route("GET", f"/v1/{{name={_STORE}}}", self._get_store, f"{may}.get"),
            Route("DELETE", f"/v1/{{name={_STORE}}}", self._delete_store, f"{may}.delete"),
        ]
        kinds = [
            *self._rows("contexts", self.contexts),
            *self._rows("executions", self.executions),
            *self._rows("artifacts", self.artifacts),
        ]
        return [*stores, *kinds, *self._edge_rows()]

    def _rows(self, plural: str, kind: Collection) -> list[Route]:
        parent, name = f"/v1/{{parent={_STORE}}}/{plural}", f"/v1/{{name={_STORE}/{plural}/*}}"
        may = f"aiplatform.{plural}"
        return [
            Route("POST", parent, lambda call: self._create(call, kind, plural), f"{may}.create"),
            Route("GET", parent, lambda call: self._list(call, kind, plural), f"{may}.list"),
            Route("GET", name, lambda call: self.shown(kind, kind.get(call.params["name"])), f"{may}.get"),
            Route("PATCH", name, lambda call: self._patch(call, kind), f"{may}.update"),
            Route("DELETE", name, lambda call: self._delete(call, kind), f"{may}.delete"),
        ]

    def _edge_rows(self) -> list[Route]:
        context, execution = f"/v1/{{context={_STORE}/contexts/*}}", f"/v1/{{execution={_STORE}/executions/*}}"
        artifact = f"/v1/{{artifact={_STORE}/artifacts/*}}"
        adds = "aiplatform.contexts.addContextArtifactsAndExecutions"
        return [
            Route("POST", f"{context}:addContextArtifactsAndExecutions", self._add_members, adds),
            Route(
                "POST", f"{context}:addContextChildren", self._add_children, "aiplatform.contexts.addContextChildren"
            ),
            Route("POST", f"{context}:removeContextChildren", self._remove_children, "aiplatform.contexts.update"),
            Route(
                "GET",
                f"{context}:queryContextLineageSubgraph",
                lambda call: self._subgraph(*self.edges.members(self._known(self.contexts, call.params["context"]))),
                "aiplatform.contexts.queryContextLineageSubgraph",
            ),
            Route(
                "POST", f"{execution}:addExecutionEvents", self._add_events, "aiplatform.executions.addExecutionEvents"
            ),
            Route(
                "GET",
                f"{execution}:queryExecutionInputsAndOutputs",
                lambda call: self._subgraph([], [self._known(self.executions, call.params["execution"])]),
                "aiplatform.executions.queryExecutionInputsAndOutputs",
            ),
            Route(
                "GET",
                f"{artifact}:queryArtifactLineageSubgraph",
                lambda call: self._subgraph([self._known(self.artifacts, call.params["artifact"])], []),
                "aiplatform.artifacts.get",
            ),
        ]

    def now(self) -> str:
        return self._cloud.clock.timestamp()

    def default_store(self, location: str) -> str:
        """The name of a location's default store, made on its first use."""
        name = f"{location}/metadataStores/default"
        if self.stores.find(name) is None:
            self.stores.create(name, {"state": {"diskUtilizationBytes": "0"}})
        return name

    def shown(self, kind: Collection, resource: Resource) -> Resource:
        shown = kind.shown(self._with_parents(resource))
        if "parentContexts" in shown:
            shown["parentContexts"] = [self._cloud.projects.with_number(name) for name in shown["parentContexts"]]
        return shown

    def _with_parents(self, resource: Resource) -> Resource:
        parents = self.edges.parents(resource["name"])
        return {**resource, "parentContexts": parents} if parents else resource

    def _create_store(self, call: Call) -> dict[str, Any]:
        body = canonical("MetadataStore", call.object(), "metadata_store")
        short = call.query.get("metadataStoreId") or new_id()
        found = Violations()
        found.matches(_ID, short, "metadataStoreId", "must hold at most 128 lowercase letters, digits and hyphens")
        found.refuse()
        wanted = {**without_output_only(body, "state"), "state": {"diskUtilizationBytes": "0"}}
        store = self.stores.create(f"{call.params['parent']}/metadataStores/{short}", wanted)
        return done(call, "CreateMetadataStore", self.stores.shown(store), "MetadataStore")

    def _list_stores(self, call: Call) -> dict[str, Any]:
        return self.stores.page(call, "metadataStores")

    def _get_store(self, call: Call) -> dict[str, Any]:
        return self.stores.shown(self.stores.get(call.params["name"]))

    def _delete_store(self, call: Call) -> dict[str, Any]:
        name = self.stores.get(call.params["name"])["name"]
        for kind in (self.contexts, self.executions, self.artifacts):
            for resource in kind.all(name):
                kind.remove(resource["name"])
        self.edges.forget(name)
        self.stores.remove(name)
        return done(call, "DeleteMetadataStore", None)

    def _create(self, call: Call, kind: Collection, plural: str) -> dict[str, Any]:
        body = canonical(kind.message, call.object(), kind.message.lower())
        short = call.query.get(f"{kind.message.lower()}Id") or new_id()
        found = Violations()
        found.matches(
            _ID, short, f"{kind.message.lower()}Id", "must hold at most 128 lowercase letters, digits and hyphens"
        )
        found.labels(body.get("labels"))
        found.unless(
            not body.get("schemaVersion") or body.get("schemaTitle"), "schemaTitle", "is required with schemaVersion"
        )
        found.refuse()
        store = self.stores.get(call.params["parent"])["name"]
        return self.shown(kind, kind.create(f"{store}/{plural}/{short}", without_output_only(body, "parentContexts")))

    def _list(self, call: Call, kind: Collection, plural: str) -> dict[str, Any]:
        names = _NAME.sub(lambda match: self._cloud.projects.with_id(match[0]), call.query.get("filter", ""))
        call.query["filter"] = names
        functions = {"in_context": lambda item, name: self.edges.has_member(name, item["name"])}
        page = kind.page(call, plural, functions=functions, render=self._with_parents)
        return {**page, plural: [self.shown(kind, each) for each in page[plural]]} if plural in page else page

    def _patch(self, call: Call, kind: Collection) -> dict[str, Any]:
        body = canonical(kind.message, call.object(), kind.message.lower())
        name = call.params["name"]
        if kind.find(name) is None and call.flag("allowMissing"):
            return self.shown(kind, kind.create(name, without_output_only(body, "parentContexts")))
        body.pop("parentContexts", None)
        return self.shown(
            kind, kind.patch(call, body, fixed=("schemaTitle", "schemaVersion") if call.query.get("updateMask") else ())
        )

    def _delete(self, call: Call, kind: Collection) -> dict[str, Any]:
        resource = kind.get(call.params["name"])
        etag = call.query.get("etag")
        if etag and etag != resource["etag"]:
            raise ApiError(409, f"etag {etag!r} is not the current one of {resource['name']}", "ABORTED")
        if self.edges.has_children(resource["name"]) and not call.flag("force"):
            raise failed_precondition(f"Context {resource['name']} has children: remove them first, or pass force.")
        kind.remove(resource["name"])
        self.edges.forget(resource["name"])
        return done(call, "Delete", None)

    def _add_members(self, call: Call) -> dict[str, Any]:
        body = canonical("AddContextArtifactsAndExecutionsRequest", call.object(), "request")
        context = self._known(self.contexts, call.params["context"])
        self._refuse_foreign(context, artifacts=body.get("artifacts", []), executions=body.get("executions", []))
        artifacts = [self._known(self.artifacts, name) for name in body.get("artifacts", [])]
        executions = [self._known(self.executions, name) for name in body.get("executions", [])]
        self.edges.add_members(context, [*artifacts, *executions])
        return {}

    def _add_children(self, call: Call) -> dict[str, Any]:
        parent, children = self._family(call)
        for child in children:
            if parent not in (parents := self.edges.parents(child)) and len(parents) >= _MOST_PARENTS:
                raise invalid_argument([("childContexts", f"{child} would have more than {_MOST_PARENTS} parents")])
        with self._cloud.store.transaction():
            for child in children:
                self.edges.add_parent(parent, child)
        return {}

    def _remove_children(self, call: Call) -> dict[str, Any]:
        parent, children = self._family(call)
        for child in children:
            self.edges.remove_parent(parent, child)
        return {}

    def _family(self, call: Call) -> tuple[str, list[str]]:
        parent = self._known(self.contexts, call.params["context"])
        body = canonical("AddContextChildrenRequest", call.object(), "request")
        self._refuse_foreign(parent, childContexts=body.get("childContexts", []))
        children = [self._known(self.contexts, name) for name in body.get("childContexts", [])]
        if parent in children:
            raise invalid_argument([("childContexts", f"{parent} cannot be its own child")])
        return parent, children

    def _add_events(self, call: Call) -> dict[str, Any]:
        body = canonical("AddExecutionEventsRequest", call.object(), "request")
        execution = self._known(self.executions, call.params["execution"])
        self._refuse_foreign(execution, **{"events.artifact": [e.get("artifact", "") for e in body.get("events", [])]})
        for index, event in enumerate(body.get("events", [])):
            if event.get("type") not in {"INPUT", "OUTPUT"}:
                raise invalid_argument(
                    [(f"events[{index}].type", f"{event.get('type')!r} is neither INPUT nor OUTPUT")]
                )
            artifact = self._known(self.artifacts, event.get("artifact", ""))
            now = self._cloud.clock.timestamp()
            self.edges.add_event(execution, artifact, {**event, "eventTime": event.get("eventTime", now)})
        return {}

    def _subgraph(self, artifacts: Iterable[str], executions: Iterable[str]) -> dict[str, Any]:
        """What is given, and all executions and artifacts that events lead to from there."""
        seen_artifacts, seen_executions, events = self.edges.reachable(artifacts, executions)
        found = {
            "artifacts": [
                self.shown(self.artifacts, each) for name in seen_artifacts if (each := self.artifacts.find(name))
            ],
            "executions": [
                self.shown(self.executions, each) for name in seen_executions if (each := self.executions.find(name))
            ],
            "events": [self._shown_event(event) for event in events],
        }
        return {key: items for key, items in found.items() if items}

    def _shown_event(self, event: Resource) -> Resource:
        with_number = self._cloud.projects.with_number
        return {**event, "artifact": with_number(event["artifact"]), "execution": with_number(event["execution"])}

    def _refuse_foreign(self, name: str, **fields: list[str]) -> None:
        """What is joined to a resource must be of its own store."""
        for field, names in fields.items():
            refuse_outside(self._cloud, field, names, "/".join(name.split("/")[:6]))

    def _known(self, kind: Collection, name: str) -> str:
        """The kept name of a resource that must exist."""
        return kind.get(name)["name"]
