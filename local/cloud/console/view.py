"""What a reader has chosen to see: the query of the page's address, and addresses that differ from it in one thing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from local.cloud.console.sessions import PATH

_MOST_PAGES = 100_000


@dataclass(frozen=True)
class View:
    """Names are as the API has them; "" chooses nothing. Pages count from 1."""

    run: str = ""
    task: str = ""
    job: str = ""
    bucket: str = ""
    prefix: str = ""
    after: str = ""
    kind: str = ""
    board: str = ""
    access: str = ""
    runs: int = 1
    jobs: int = 1
    resources: int = 1
    experiments: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """What it does not know is left out, and what is no page number is the first page."""
        chosen: dict[str, Any] = {}
        for field in fields(cls):
            given = query.get(field.name, "")
            if field.type is int or field.type == "int":
                chosen[field.name] = min(max(int(given), 1), _MOST_PAGES) if given.isascii() and given.isdigit() else 1
            else:
                chosen[field.name] = given
        return cls(**chosen)

    def link(self, anchor: str, **changes: Any) -> str:
        """The address of this view with some things changed, at a section of the page."""
        view = replace(self, **changes)
        chosen = {field.name: getattr(view, field.name) for field in fields(view)}
        query = urlencode({key: value for key, value in chosen.items() if value not in ("", 1)})
        return f"{PATH}{'?' if query else ''}{query}#{anchor}"


@dataclass(frozen=True)
class Pages:
    """Where a page stands in its list."""

    number: int
    size: int
    total: int

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        return max(1, -(-self.total // self.size))

    @classmethod
    def of(cls, number: int, size: int, total: int) -> "Pages":
        """A number beyond the last page is the last page."""
        return cls(min(number, max(1, -(-total // size))), size, total)
