"""The faults in force on one cloud.

A rule's n-th matching event is struck or not by a draw from the seed, the rule's number and n alone: the same seed,
the same rules and the same sequence of requests give the same faults, whatever else happens. Rules survive a restart;
the counts of what they have met begin anew with it, and with each new seed.
"""

import errno
import hashlib
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from local.cloud.clock import Clock
from local.cloud.errors import ApiError, not_found
from local.cloud.faults.kinds import (
    DiskFull,
    Drop,
    Error,
    Fault,
    IamDelay,
    Latency,
    OnRequests,
    Preempt,
    StockOut,
    read,
)
from local.cloud.store import Store

_KIND = "fault"
_STATE = "fault.state"
_OWN_COMMANDS = "/_local/"
_MOST_REMEMBERED = 1000


@dataclass
class Rule:
    """A fault in force. `met`: the events that it was asked about; `struck`: those that it hit; `due` is when one on
    the clock comes next; `claimed` the bytes written since a disk-full.
    """

    id: str
    fault: Fault
    met: int = 0
    struck: int = 0
    claimed: int = 0
    due: datetime | None = None

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, **self.fault.told(), "met": self.met, "struck": self.struck}


@dataclass(frozen=True, slots=True)
class Injection:
    """What is done to one request. `error` or `drop` is set with the moment of it."""

    delay_seconds: float = 0.0
    error: ApiError | None = None
    drop: bool = False
    after: bool = False


NOTHING = Injection()


@dataclass
class Faults:
    """Thread-safe. Who holds the lock never waits for the store: it is asked from within transactions."""

    store: Store
    clock: Clock
    seed: int = 0
    _rules: list[Rule] = field(default_factory=list)
    _history: "deque[dict[str, Any]]" = field(default_factory=lambda: deque(maxlen=_MOST_REMEMBERED))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.seed = int((self.store.get(_STATE, "seed") or {}).get("value", 0))
        for name, body in self.store.list(_KIND):
            self._rules.append(self._begun(Rule(name, read(body))))
        self._rules.sort(key=lambda rule: int(rule.id))

    # Commands

    def add(self, fault: Fault) -> dict[str, Any]:
        with self.store.transaction(), self._lock:
            rule = self._begun(Rule(str(self._next_number()), fault))
            self.store.put(_KIND, rule.id, fault.told(), parent="")
            self._rules = [*self._rules, rule]
            return rule.shown()

    def clear(self, rule_id: str = "") -> None:
        """End one rule, or all. After all, rules are numbered from 1 again. Raises NOT_FOUND."""
        with self.store.transaction(), self._lock:
            gone = [rule for rule in self._rules if rule_id in ("", rule.id)]
            if rule_id and not gone:
                raise not_found(f"There is no fault {rule_id!r}: list them with GET /_local/faults")
            for rule in gone:
                self.store.delete(_KIND, rule.id)
            self._rules = [rule for rule in self._rules if rule not in gone]
            if not rule_id:
                self.store.delete(_STATE, "number")
                self._history.clear()

    def sow(self, seed: int) -> None:
        """Begin all draws anew from a seed."""
        with self.store.transaction(), self._lock:
            self.store.put(_STATE, "seed", {"value": seed}, parent="")
            self.seed = seed
            self._history.clear()
            for rule in self._rules:
                rule.met = rule.struck = rule.claimed = 0

    def shown(self) -> dict[str, Any]:
        with self._lock:
            rules, history = [rule.shown() for rule in self._rules], list(self._history)
        return {"seed": self.seed, "faults": rules, "history": history}

    # What the cloud asks

    def on_request(self, method: str, path: str) -> Injection:
        """What is to be done to a request; all rules that it meets add up, the first error or drop counts."""
        if not self._rules or path.startswith(_OWN_COMMANDS):
            return NOTHING
        delay, end = 0.0, NOTHING
        with self._lock:
            for rule in self._rules:
                fault = rule.fault
                if isinstance(fault, OnRequests) and _meets(fault, method, path) and self._strikes(rule, fault.rate):
                    self._remember(rule, method=method, path=path)
                    if isinstance(fault, Latency):
                        delay += fault.seconds + fault.spread * self._draw(rule, "spread")
                    elif end is NOTHING:
                        end = _ending(rule, fault)
        return Injection(delay, end.error, end.drop, end.after) if delay or end is not NOTHING else NOTHING

    def is_stocked_out(self, location: str, machines: set[str]) -> bool:
        """Whether machines of these types cannot be had in a region now."""
        with self._lock:
            for rule in self._of(StockOut):
                fault = rule.fault
                wanted = fnmatchcase(location, fault.location) and any(
                    fnmatchcase(machine, fault.machine) for machine in machines
                )
                if wanted and self._strikes(rule, 1.0):
                    self._remember(rule, location=location)
                    return True
        return False

    def claim_disk(self, size: int) -> None:
        """Ask for room for object content. Raises OSError (ENOSPC) where there is none."""
        if not self._rules:
            return
        with self._lock:
            for rule in self._of(DiskFull):
                rule.met += 1
                if rule.claimed + size > rule.fault.free_bytes:
                    rule.struck += 1
                    self._remember(rule, bytes=size)
                    raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (fault {rule.id})")
                rule.claimed += size

    def iam_delay_seconds(self) -> float:
        with self._lock:
            return max((rule.fault.seconds for rule in self._of(IamDelay)), default=0.0)

    def due_preemptions(self) -> list[Preempt]:
        """The pre-emptions on the clock that are due now."""
        now, due = self.clock.now(), []
        with self._lock:
            for rule in self._of(Preempt):
                if rule.due is not None and now >= rule.due:
                    rule.due = now + timedelta(seconds=rule.fault.every_seconds or 0)
                    rule.struck += 1
                    due.append(rule.fault)
        return due

    def draw(self, what: str) -> float:
        """A number from 0 to 1, without 1, of the seed and a name."""
        return _draw(self.seed, what)

    # Their parts

    def _of(self, model: type[Any]) -> list[Any]:
        return [rule for rule in self._rules if isinstance(rule.fault, model)]

    def _strikes(self, rule: Rule, rate: float) -> bool:
        rule.met += 1
        times = getattr(rule.fault, "times", None)
        if (times is not None and rule.struck >= times) or self._draw(rule, "strike") >= rate:
            return False
        rule.struck += 1
        return True

    def _draw(self, rule: Rule, what: str) -> float:
        return _draw(self.seed, f"{rule.id}/{rule.met}/{what}")

    def _remember(self, rule: Rule, **event: Any) -> None:
        self._history.append({"fault": rule.id, "met": rule.met, **event})

    def _begun(self, rule: Rule) -> Rule:
        if isinstance(rule.fault, Preempt) and rule.fault.every_seconds:
            rule.due = self.clock.now() + timedelta(seconds=rule.fault.every_seconds)
        return rule

    def _next_number(self) -> int:
        number = int((self.store.get(_STATE, "number") or {}).get("value", 0)) + 1
        self.store.put(_STATE, "number", {"value": number}, parent="")
        return number


def _draw(seed: int, what: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}".encode()).digest()[:8]) / 2**64


def _meets(fault: OnRequests, method: str, path: str) -> bool:
    return fault.method in ("*", method) and fnmatchcase(path, fault.path)


def _ending(rule: Rule, fault: Fault) -> Injection:
    if isinstance(fault, Error):
        message = f"An injected fault: {fault.status}, {fault.when} the work (fault {rule.id})"
        return Injection(error=ApiError(fault.status, message), after=fault.when == "after")
    if isinstance(fault, Drop):
        return Injection(drop=True, after=fault.when == "after")
    return NOTHING
