"""One cloud: its state under a folder and the services on it.

Owns: what the parts share and the order in which they start and stop. Does not own: how it is served (server.py).
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from local.cloud import (
    admin,
    batch,
    bigquery,
    compute,
    control,
    discovery,
    dns,
    metadata_server,
    monitoring,
    scheduler,
    storage,
)
from local.cloud.aiplatform.vertex import Vertex
from local.cloud.background import Background
from local.cloud.clock import ManualClock
from local.cloud.console import service as console
from local.cloud.faults import api as fault_commands
from local.cloud.faults.faults import Faults
from local.cloud.iam import commands as access_commands
from local.cloud.iam.access import Access
from local.cloud.iam.google_accounts import implied_bindings
from local.cloud.iam.known_accounts import use_of
from local.cloud.iam.log import AccessLog
from local.cloud.iam.members import Members
from local.cloud.iam.roles import Roles, included_permissions
from local.cloud.identity import OPERATOR_EMAIL, Identity, Mode, Principal
from local.cloud.images import Images
from local.cloud.locations import location_routes
from local.cloud.logging import Logging
from local.cloud.operations import Operations
from local.cloud.policies import Policies
from local.cloud.projects import Projects
from local.cloud.pubsub import PubSub
from local.cloud.routing import Match, Router, Service
from local.cloud.store import Store

_LOG_SECONDS = 1.0
_SWEEP_SECONDS = 60.0


class Cloud:
    """`on_start` hooks run once the server listens (`url` is set), `on_stop` hooks in reverse order."""

    def __init__(self, root: Path, *, iam: Mode = "audit", clock: ManualClock | None = None) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root
        self.url = ""
        self.anyone = Principal(OPERATOR_EMAIL, vouched=False)
        self.on_start: list[Callable[[], None]] = []
        self.on_stop: list[Callable[[], None]] = []
        self.request_stop: Callable[[], None] = lambda: None
        self.unrouted: Callable[[str, str], Match | None] = lambda *_: None  # who answers a path that is no route
        self.on_clock_jump: list[Callable[[], None]] = []
        self.store = Store(root / "state.sqlite")
        self.clock = clock or ManualClock(self._clock_ahead())
        self.faults = Faults(self.store, self.clock)
        self.background = Background()
        self.identity = Identity(root, self.store, self.clock, iam, partial(use_of, self.store))
        self.on_start += [self.identity.forget_passing, self._start_sweep]
        self.projects = Projects(self.store, self.clock)
        self.operations = Operations(self.store, self.clock, self.background)
        self.policies = Policies(self.store, self.clock, self.faults.iam_delay_seconds)
        self.access = self._open_access(iam)
        self.images = Images(self.store, self.clock)
        self.objects = storage.open_objects(self)
        self.warehouse = bigquery.BigQuery.open(self)
        self.logging = Logging(self)
        self.pubsub = PubSub(self)
        self.vertex = Vertex(self)
        self.router = Router(self._services(), self.projects.id_of)

    def start(self, url: str) -> None:
        self.url = url
        for hook in self.on_start:
            hook()
        self.operations.end_interrupted()

    def stop(self) -> None:
        """End the services' work; the state stays on disk."""
        for hook in reversed(self.on_stop):
            hook()
        self.background.stop()
        self.store.close()

    def _open_access(self, mode: Mode) -> Access:
        log = AccessLog(self.root, self.clock)
        self.on_start.append(lambda: self.background.every(_LOG_SECONDS, log.flush, "access-log"))
        self.on_stop.append(log.flush)
        return Access(
            mode,
            bindings_of=lambda name: [
                *(self.policies.in_force(name) or ()),
                *implied_bindings(name, self.projects),
            ],
            project_of_bucket=lambda bucket: self.objects.buckets.owner(bucket),  # noqa: PLW0108 (objects open later)
            roles=Roles(lambda name: self.store.derived("iam.role", name, included_permissions)),
            members=Members(self.store),
            clock=self.clock,
            log=log,
        )

    def _start_sweep(self) -> None:
        self.background.every(_SWEEP_SECONDS, self.identity.sweep, "tokens")

    def move_clock(self, by: timedelta) -> None:
        """Make time pass, for good; a hook does what is due then."""
        self.clock.advance(by)
        self.store.put("clock", "ahead", {"seconds": self.clock.ahead.total_seconds()}, parent="")
        for hook in self.on_clock_jump:
            hook()

    def _clock_ahead(self) -> timedelta:
        return timedelta(seconds=(self.store.get("clock", "ahead") or {}).get("seconds", 0.0))

    def _services(self) -> list[Service]:
        local = [admin.service(), access_commands.service(), fault_commands.service(self), console.service(self)]
        core = [*local, metadata_server.service(), batch.service(), discovery.service()]
        data = [*storage.services(self), *bigquery.services(self)]
        events = [*self.pubsub.services(), *scheduler.services(self, self.pubsub.topics)]
        observed = [*self.logging.services(), *monitoring.services(self)]
        declared = [*control.services(self), *compute.services(self), *dns.services(self)]
        services = [*core, *data, *events, *observed, *declared, *self.vertex.services()]
        public = [prefix for service in services if service.bare for prefix in service.prefixes]
        versions = {"v1": ("v1", "v1beta1", "v1beta2", "v2")}
        shared = Service("locations", location_routes(self), prefixes=public, versions=versions)
        return [*services, shared, Service("operations", self.operations.routes(), prefixes=public)]
