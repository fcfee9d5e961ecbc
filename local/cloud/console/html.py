"""Pages and files as answers: templates, and the headers that keep a page and what it shows apart.

All text is escaped by the templates. A page runs the console's own script and nothing else, is framed by nobody, and
sends nothing elsewhere. Whatever users have stored is only ever handed out as a download without a type of its own.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.cloud.call import Response
from local.cloud.console import words
from local.cloud.console.sessions import PATH
from local.cloud.errors import not_found

_HERE = Path(__file__).parent
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_FILE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "content-type": "application/octet-stream",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_STATIC_TYPES = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


def page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """A template as an answer."""
    text = _environment().get_template(template).render(values)
    return Response(text.encode(), status, {**_PAGE_HEADERS, **(headers or {})}, "text/html; charset=utf-8")


def redirect(to: str, headers: dict[str, str] | None = None) -> Response:
    return Response(None, 303, {**_PAGE_HEADERS, **(headers or {}), "location": to, "content-length": "0"})


def as_download(response: Response, name: str) -> Response:
    """The same bytes as a file to save, whatever they are and whatever type they claim."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    disposition = f"attachment; filename=\"{plain or 'object'}\"; filename*=UTF-8''{quote(name, safe='')}"
    for dropped in ("content-language", "last-modified"):
        response.headers.pop(dropped, None)
    response.headers |= {**_FILE_HEADERS, "content-disposition": disposition}
    return response


def static(name: str) -> Response:
    """A file of the page's own; its address changes with its content."""
    if name not in _STATIC_TYPES:
        raise not_found(f"The console has no file {name!r}")
    headers = _PAGE_HEADERS | {"cache-control": "private, max-age=86400"}
    return Response((_HERE / "static" / name).read_bytes(), 200, headers, _STATIC_TYPES[name])


def _address(name: str) -> str:
    digest = hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]
    return f"{PATH}/static/{name}?{digest}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.globals |= {"static": _address, "path": PATH}
    return environment
