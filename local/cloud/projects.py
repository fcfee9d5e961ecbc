"""Projects: any id is one from its first use on, with a number that follows from the id.

Owns: ids and numbers and the translation between them. Does not own: the Resource Manager API (control/).
"""

import hashlib
import re
import threading
from typing import Any

from local.cloud.clock import Clock
from local.cloud.errors import ApiError, already_exists, invalid_argument
from local.cloud.store import Store

_KIND = "project"
_ID = re.compile(r"(?:[a-z][a-z0-9.-]{0,61}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")


class Projects:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._number_by_id: dict[str, str] = {}
        self._id_by_number: dict[str, str] = {}
        for project_id, body in store.list(_KIND):
            self._remember(project_id, body["projectNumber"])

    def id_of(self, id_or_number: str) -> str:
        """The id. A number that no project has is returned as it is; `get` refuses it."""
        return self._id_by_number.get(id_or_number, id_or_number)

    def number_of(self, id_or_number: str) -> str:
        """The number, twelve digits as a string."""
        return self._number_by_id.get(id_or_number) or self.get(id_or_number)["projectNumber"]

    def known(self, project_id: str) -> bool:
        """Whether the project has been used; asking does not make it."""
        return project_id in self._number_by_id

    def all(self) -> list[tuple[str, dict[str, Any]]]:
        return self._store.list(_KIND)

    def with_id(self, name: str) -> str:
        """A resource name with its project by id, however it was written."""
        collection, _, rest = name.partition("/")
        project, slash, tail = rest.partition("/")
        return f"projects/{self.id_of(project)}{slash}{tail}" if collection == "projects" else name

    def with_number(self, name: str) -> str:
        """A resource name with its project by number, as some services answer."""
        collection, _, rest = name.partition("/")
        project, slash, tail = rest.partition("/")
        return f"projects/{self.number_of(project)}{slash}{tail}" if collection == "projects" else name

    def get(self, id_or_number: str) -> dict[str, Any]:
        """The project {projectId, projectNumber, createTime}, made if it was never used. Raises for what is no
        project id.
        """
        project_id = self.id_of(id_or_number)
        if project_id.isdigit():
            raise ApiError(403, f"Project '{project_id}' not found or permission denied.")
        return self._store.get(_KIND, project_id) or self._create(project_id, _number_from(project_id))

    def register(self, project_id: str, number: str) -> dict[str, Any]:
        """Give a project a number of one's choice, before its first use."""
        if not re.fullmatch(r"[1-9][0-9]{5,18}", number):
            raise invalid_argument([("projectNumber", f"{number!r} is not a number of 6 to 19 digits")])
        if self._number_by_id.get(project_id, number) != number or self.id_of(number) not in (number, project_id):
            raise already_exists(f"Project '{project_id}' or number {number} is already in use")
        return self._store.get(_KIND, project_id) or self._create(project_id, number)

    def _create(self, project_id: str, number: str) -> dict[str, Any]:
        if not _ID.fullmatch(project_id):
            rule = "is not a project id: 6 to 30 lowercase letters, digits and hyphens, beginning with a letter"
            raise invalid_argument([("project", f"{project_id!r} {rule}")])
        body = {"projectId": project_id, "projectNumber": number, "createTime": self._clock.timestamp()}
        self._store.put(_KIND, project_id, body)
        self._remember(project_id, number)
        return body

    def _remember(self, project_id: str, number: str) -> None:
        with self._lock:
            self._number_by_id[project_id] = number
            self._id_by_number[number] = project_id


def _number_from(project_id: str) -> str:
    digest = int.from_bytes(hashlib.sha256(project_id.encode()).digest()[:8], "big")
    return str(100_000_000_000 + digest % 900_000_000_000)
