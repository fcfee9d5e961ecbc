"""What a handler is given and what it gives back.

Owns: `Call` and `Response`. Does not own: how either travels (asgi.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.cloud.errors import MOST_JSON_BYTES, invalid_argument, too_large
from local.cloud.identity import Principal
from local.cloud.validation import as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud
    from local.cloud.routing import Route


@dataclass(slots=True)
class Call:
    """One request, routed and authenticated.

    `params` are the template's captures, percent-decoded, projects by id. `body` is the parsed JSON of a route that
    does not stream, None where the request had none; `stream` yields the bytes of a route that does.
    """

    cloud: "Cloud"
    route: "Route"
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    query_lists: dict[str, list[str]]
    headers: Mapping[str, str]
    caller: Principal
    url_base: str
    body: Any = None
    stream: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def principal(self) -> str:
        """The caller's e-mail address."""
        return self.caller.email

    def require(self, permission: str, resource: str) -> None:
        """Raises PERMISSION_DENIED unless the caller has the permission on the resource."""
        self.cloud.access.require(self.caller, permission, resource)

    def may(self, permission: str, resource: str) -> bool:
        """What testIamPermissions answers, in every mode."""
        return self.cloud.access.allows(self.caller, permission, resource)

    def sees(self, permission: str, resource: str) -> bool:
        """Whether a list shows what this permission is for: all of it where nobody is refused anything."""
        return self.cloud.access.tolerates(self.caller, permission, resource)

    def whole(self) -> bytes:
        """A streamed body that is no media, in one piece. Raises 413 for one that is too large for that."""
        body = bytearray()
        for chunk in self.stream:
            body += chunk
            if len(body) > MOST_JSON_BYTES:
                raise too_large()
        return bytes(body)

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object; an absent one is the empty object, as for protos."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise invalid_argument([("body", f"a JSON object is expected, not {type(self.body).__name__}")])
        return self.body

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean query parameter."""
        value = self.query.get(name)
        return default if value is None else value.lower() == "true"

    def number(self, name: str) -> int | None:
        """An integer query parameter, None where it is absent. Raises INVALID_ARGUMENT for anything else."""
        value = self.query.get(name)
        if value is None or value == "":
            return None
        number = as_int(value)
        if number is None:
            raise invalid_argument([(name, f"{value!r} is not an integer")])
        return number


@dataclass(slots=True)
class Response:
    """An answer that is more than a JSON object with status 200.

    `body` may be JSON (dict or list), bytes, None for an empty answer, or an iterator of byte chunks, which is read
    in the handlers' threads and closed when the client leaves.
    """

    body: "dict[str, Any] | list[Any] | bytes | Iterator[bytes] | None" = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/octet-stream"


def no_content() -> Response:
    return Response(status=204)
