"""Cloud Logging: what is written to it, metrics and sinks.

Owns: the REST API v2 of entries that clients write, log-based metrics and sinks. What jobs write comes from
aiplatform/. Metrics count nothing here, and sinks export nothing.
Source: https://cloud.google.com/logging/docs/reference/v2/rest
"""

from typing import TYPE_CHECKING

from local.cloud.logging.entries import WrittenEntries
from local.cloud.logging.metrics import LogMetrics
from local.cloud.logging.sinks import Sinks
from local.cloud.routing import Service

if TYPE_CHECKING:
    from local.cloud.app import Cloud


class Logging:
    def __init__(self, cloud: "Cloud") -> None:
        self.written = WrittenEntries(cloud)
        self._metrics = LogMetrics(cloud)
        self._sinks = Sinks(cloud)

    def services(self) -> list[Service]:
        routes = [*self.written.routes(), *self._metrics.routes(), *self._sinks.routes()]
        return [Service("logging", routes, prefixes=("/logging",))]
