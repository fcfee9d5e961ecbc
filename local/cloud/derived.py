"""What is made of stored documents, kept until they change.

Owns: the kept values and their end. A value that was made while its document changed is used once and not kept, so that
nobody is told of a state that was over before they asked.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Value = TypeVar("Value")
Key = tuple[str, str]  # kind and name

_MOST = 10_000


class Derived:
    """Thread-safe. Values are shared by all who ask: nobody may change them."""

    def __init__(self) -> None:
        self._values: dict[Key, dict[Callable[..., Any], Any]] = {}
        self._changes = 0
        self._lock = threading.Lock()

    def of(self, key: Key, make: Callable[[Any], Value], read: Callable[[], Any]) -> Value:
        """`make(read())`, kept by the key and by what makes it: `make` must be the same object each time."""
        kept = self._values.get(key)
        if kept is not None and make in kept:
            return kept[make]
        seen = self._changes
        value = make(read())
        with self._lock:
            if self._changes == seen:
                if len(self._values) >= _MOST:
                    self._values = {}
                self._values.setdefault(key, {})[make] = value
        return value

    def forget(self, keys: Iterable[Key]) -> None:
        """These documents have changed: call it before whoever changed them is told so."""
        with self._lock:
            self._changes += 1
            for key in keys:
                self._values.pop(key, None)

    def forget_under(self, kind: str, prefix: str) -> None:
        with self._lock:
            self._changes += 1
            self._values = {
                key: kept for key, kept in self._values.items() if key[0] != kind or not key[1].startswith(prefix)
            }
