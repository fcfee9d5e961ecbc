"""Refresh: brings the state up to what is there. Nothing but the state is changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.display import Display, Silent
from engine.journal import Journal
from engine.outcome import Result
from engine.reading import Drift, write_drift
from engine.session import Options, Session


def refresh(
    options: Options,
    display: Display | None = None,
    confirm: Callable[[Result], bool] = lambda _: True,
    *,
    preview_only: bool = False,
    clear_pending_creates: bool = False,
) -> Result:
    """Read everything that the state holds; what differs is written into the state once it is confirmed.
    `clear_pending_creates`: creations that were interrupted are forgotten.
    """
    session = _Refresh(options, display or Silent())
    session.refuse_without_endpoints("refresh")
    with session.backend().lock():
        session.load()
        plan, drift = session.look()
        if not plan.ok or preview_only or not confirm(plan):
            return plan
        return session.write(plan, drift, clear_pending_creates=clear_pending_creates)


class _Refresh(Session):
    """The command of that name."""

    def look(self) -> tuple[Result, Drift]:
        started = time.monotonic()
        base = self.base()
        result = self.result("refresh-preview", base)
        result.outputs = base.outputs()
        self.display.begin("refresh-preview", self.options.stack)
        drift = self.drift()
        seconds = {"plan": time.monotonic() - started}
        return self.finish(result, drift.outcomes, [], seconds), drift

    def write(self, plan: Result, drift: Drift, *, clear_pending_creates: bool) -> Result:
        base = self.base()
        if clear_pending_creates:
            base.pending = []
        backend = self.backend()
        backend.prepare()
        backend.keep_backup()
        journal = Journal(backend, base, self.secrets)
        write_drift(journal, drift)
        journal.flush()
        result = self.result("refresh", base)
        result.outputs = base.outputs()
        self.display.begin("refresh", self.options.stack)
        return self.finish(result, drift.outcomes, [], plan.seconds)
