"""Lists in pages.

Owns: page tokens and sizes. A token names the last item of its page, so items that come or go between pages shift
nothing.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from local.cloud.call import Call
from local.cloud.errors import invalid_argument


def page_of(
    call: Call,
    field: str,
    items: Iterable[tuple[str, dict[str, Any]]],
    *,
    default: int = 100,
    most: int = 1000,
    render: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """`{field: […], nextPageToken}` of named items in order of name; an empty list is left out, as protos print it."""
    size = page_size(call, default=default, most=most)
    after = last_name(call)
    page: list[tuple[str, dict[str, Any]]] = []
    for name, item in items:
        if after is not None and name <= after:
            continue
        if len(page) == size:
            return {field: [render(each) for _, each in page], "nextPageToken": page_token(page[-1][0])}
        page.append((name, item))
    return {field: [render(each) for _, each in page]} if page else {}


def stored_page(
    call: Call,
    field: str,
    kind: str,
    parent: str,
    *,
    default: int = 100,
    most: int = 1000,
    render: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """As `page_of`, of all stored resources of a kind under a parent; no more of them are read than are answered."""
    size = page_size(call, default=default, most=most)
    items = call.cloud.store.list(kind, parent, after=last_name(call) or "", limit=size + 1)
    return page_of(call, field, items, default=default, most=most, render=render)


def page_size(call: Call, *, default: int, most: int) -> int:
    """`pageSize` or `maxResults`; 0 and absent give the default, too large ones the most."""
    name = "pageSize" if "pageSize" in call.query else "maxResults"
    asked = call.number(name) or 0
    if asked < 0:
        raise invalid_argument([(name, f"{asked} is negative")])
    return min(asked or default, most)


def last_name(call: Call) -> str | None:
    """What the page token names. Raises INVALID_ARGUMENT for a token that no page gave."""
    token = call.query.get("pageToken")
    if not token:
        return None
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, UnicodeEncodeError):
        raise invalid_argument([("pageToken", f"{token!r} is not a token that a page gave")]) from None


def page_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()
