"""Parts of JSON documents: update masks and partial answers.

Owns: both grammars. Sources: https://google.aip.dev/161 for masks and
https://cloud.google.com/storage/docs/json_api#partial-response for `fields`.
"""

import copy
import re
from collections.abc import Sequence
from typing import Any

from local.cloud.errors import invalid_argument


def mask_paths(mask: str | None) -> list[list[str]]:
    """The paths of an update mask in JSON names, whatever case it was written in: "a_b.c,d" is [[aB, c], [d]]."""
    return [[_camel(part) for part in path.strip().split(".")] for path in (mask or "").split(",") if path.strip()]


def masked_update(
    old: dict[str, Any], body: dict[str, Any], mask: str | None, *, fixed: Sequence[str] = ()
) -> dict[str, Any]:
    """A copy of `old` with what the mask names taken from `body`; a named field that the body lacks is cleared.

    Without a mask, every field that the body has is taken. `fixed` fields never change.
    """
    new = copy.deepcopy(old)
    paths = mask_paths(mask)
    if paths in ([], [["*"]]):
        paths = [[key] for key in body]
    for path in paths:
        if path[0] not in fixed:
            _copy_path(new, body, path)
    return new


def merge_patch(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396), as Cloud Storage and BigQuery take a PATCH: null removes, objects merge, the rest
    replaces.
    """
    new = copy.deepcopy(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            held = new.get(key)
            new[key] = merge_patch(held if isinstance(held, dict) else {}, value)
        else:
            new[key] = value
    return new


def select(document: Any, fields: str) -> Any:
    """What a `fields` selector leaves of a document: `items(name,size),nextPageToken`, `a/b`, `*`."""
    return _pick(document, _selector(fields))


def _copy_path(target: dict[str, Any], source: Any, path: list[str]) -> None:
    key, *rest = path
    inner = source.get(key) if isinstance(source, dict) else None
    if not rest:
        if inner is None:
            target.pop(key, None)
        else:
            target[key] = copy.deepcopy(inner)
        return
    held = target.get(key)
    if not isinstance(held, dict):
        if inner is None:
            return
        held = target[key] = {}
    _copy_path(held, inner, rest)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name.strip("`"))


def _selector(fields: str) -> dict[str, Any]:
    """The selector as a tree: name to tree, {} for the whole."""
    root: dict[str, Any] = {}
    opened: list[dict[str, Any]] = []
    base, current = root, root
    for part in re.findall(r"[^,()/\s]+|[,()/]", fields):
        if part == "(":
            opened.append(base)
            base = current
        elif part == ")":
            if not opened:
                raise invalid_argument([("fields", f"{fields!r} closes a parenthesis that it did not open")])
            base = current = opened.pop()
        elif part == ",":
            current = base
        elif part != "/":
            current = current.setdefault(part, {})
    if opened:
        raise invalid_argument([("fields", f"{fields!r} leaves a parenthesis open")])
    return root


def _pick(document: Any, tree: dict[str, Any]) -> Any:
    if not tree or not isinstance(document, (dict, list)):
        return document
    if isinstance(document, list):
        return [_pick(item, tree) for item in document]
    every = tree.get("*")
    picked = {}
    for key, value in document.items():
        subtree = tree.get(key, every)
        if subtree is not None:
            picked[key] = _pick(value, subtree)
    return picked
