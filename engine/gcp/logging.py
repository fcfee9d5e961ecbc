"""Cloud Logging: metrics made of log entries, and sinks that export them."""

# ruff: noqa: ARG002, RUF012 (tables of class attributes, and methods of one signature)
from __future__ import annotations

from engine.gcp.resource import Call, RestType, fill
from engine.values import UNKNOWN, Properties


class Metric(RestType):
    """A metric; its id is its name, and an update puts it under the name that it has then."""

    type_name = "gcp:logging/metric:Metric"
    noun = "Metric"
    service = "LOGGING"
    services = {"LOGGING"}
    identity = "{name}"
    collection = "projects/{project}/metrics"
    waits = frozenset()
    table = """
    bucketName str
    bucketOptions obj
      explicitBuckets obj some_of=buckets
        bounds floats required
      exponentialBuckets obj some_of=buckets
        growthFactor float required
        numFiniteBuckets int required
        scale float required
      linearBuckets obj some_of=buckets
        numFiniteBuckets int required
        offset float required
        width float required
    deletionPolicy str kept api=-
    description str
    disabled bool
    filter str required
    labelExtractors map
    metricDescriptor obj kept
      displayName str
      labels objset
        description str
        key str required replace
        valueType str replace default="STRING" check=in:BOOL,INT64,STRING
      metricKind str required check=in:DELTA,GAUGE,CUMULATIVE
      unit str default="1"
      valueType str required check=in:BOOL,INT64,DOUBLE,STRING,DISTRIBUTION,MONEY
    name str required auto
    project str kept replace api=-
    valueExtractor str
    """

    def path(self, identity: str, known: Properties) -> str:
        return fill("projects/{project}/metrics/{name!q}", known)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        if self.mask(prior, plan):
            call.api.call(self.service, "PUT", self.path(identity, plan), body=self.body(plan))
        return self.read_back(call, identity, plan)[1]


class ProjectSink(RestType):
    """A sink of a project; one of the same name that is there already is taken over, as the provider does."""

    type_name = "gcp:logging/projectSink:ProjectSink"
    noun = "ProjectSink"
    service = "LOGGING"
    services = {"LOGGING"}
    identity = "projects/{project}/sinks/{name}"
    collection = "projects/{project}/sinks"
    create_only = {"name"}
    follows_provider = False
    waits = frozenset()
    table = """
    bigqueryOptions obj kept
      usePartitionedTables bool required sent
    customWriterIdentity str api=-
    deletionPolicy str kept api=-
    description str
    destination str required
    disabled bool
    exclusions objs
      description str
      disabled bool default=false
      filter str required same=trimmed
      name str required
    filter str same=trimmed
    name str required replace auto
    project str kept replace api=-
    uniqueWriterIdentity bool default=true api=-
    writerIdentity str out
    """

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        if prior is not None and plan["uniqueWriterIdentity"] is True and not prior.get("uniqueWriterIdentity"):
            plan["writerIdentity"] = UNKNOWN

    def _query(self, plan: Properties) -> dict[str, str]:
        query = {"uniqueWriterIdentity": "true" if plan.get("uniqueWriterIdentity") else "false"}
        writer = plan.get("customWriterIdentity")
        return query | ({"customWriterIdentity": writer} if writer else {})

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = fill(self.identity, plan)
        found = call.api.find(self.service, identity)
        if found is None:
            call.api.call(
                self.service, "POST", fill(self.collection, plan), body=self.body(plan), query=self._query(plan)
            )
        else:
            self._patch(call, identity, self.outputs(found, plan), plan)
        return self.read_back(call, identity, plan)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        self._patch(call, identity, prior, plan)
        return self.read_back(call, identity, plan)[1]

    def _patch(self, call: Call, identity: str, prior: Properties, plan: Properties) -> None:
        """The provider names `exclusions` in every mask."""
        mask = {*self.mask(prior, plan), "exclusions"}
        query = {**self._query(plan), "updateMask": ",".join(sorted(mask))}
        body = {"filter": "", "disabled": False, "exclusions": []} | self.update_body(plan)
        call.api.call(self.service, "PATCH", identity, body=body, query=query)
