"""Lists of objects.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from local.cloud.storage.objects import Objects
from local.cloud.storage.records import Record, State

_FIRST_BATCH, _MOST_BATCH = 2, 1024
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `start` is included, `end` is not; `states` says which generations count.

    `after` is the last entry that an earlier page had: a name and its generation, or a prefix and 0.
    """

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    after: tuple[str, int] | None = None
    glob: str = ""
    states: tuple[State, ...] = ("live",)
    trailing_delimiter: bool = False


def entries(objects: Objects, bucket: str, wanted: Wanted) -> Iterator[tuple[str, Record | None]]:
    """Objects, and prefixes (without a record) that end in the delimiter, in order of name."""
    pattern = re.compile(_glob(wanted.glob)) if wanted.glob else None
    cursor = max((wanted.prefix, 0), (wanted.start, 0), _past(wanted.after))
    batch_size = _FIRST_BATCH
    while True:
        batch = objects.records.names_after(bucket, cursor, wanted.states, batch_size)
        for record in batch:
            if not record.name.startswith(wanted.prefix) or (wanted.end and record.name >= wanted.end):
                return
            cursor = (record.name, record.generation)
            folder = "" if pattern else _folder(record.name, wanted)
            if folder:
                yield folder, None
                cursor = (folder + _LAST, 0)
                if wanted.trailing_delimiter and record.name == folder:
                    yield record.name, record
                break
            if not pattern or pattern.fullmatch(record.name):
                yield record.name, record
        else:
            if len(batch) < batch_size:
                return
            batch_size = min(2 * batch_size, _MOST_BATCH)
            continue
        batch_size = _FIRST_BATCH


def _past(after: tuple[str, int] | None) -> tuple[str, int]:
    if after is None:
        return ("", 0)
    return after if after[1] else (after[0] + _LAST, 0)


def _folder(name: str, wanted: Wanted) -> str:
    """The prefix under which a name is rolled up, "" where it is listed itself."""
    if not wanted.delimiter:
        return ""
    at = name.find(wanted.delimiter, len(wanted.prefix))
    return name[: at + len(wanted.delimiter)] if at >= 0 else ""


def _glob(glob: str) -> str:
    """A regular expression of a glob: `*` and `?` stop at slashes, `**` does not."""
    pattern, at = "", 0
    while at < len(glob):
        token = re.compile(r"\*\*|\*|\?|\[!?[^\]]+\]|\{[^}]*\}|.", re.DOTALL).match(glob, at)
        text = token.group(0) if token else glob[at]
        at += len(text)
        if text == "**":
            pattern += ".*"
        elif text == "*":
            pattern += "[^/]*"
        elif text == "?":
            pattern += "[^/]"
        elif text.startswith("[") and len(text) > 1:
            inside = text[1:-1].replace("\\", "\\\\")
            pattern += f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        elif text.startswith("{") and len(text) > 1:
            pattern += "(?:" + "|".join(_glob(part) for part in text[1:-1].split(",")) + ")"
        else:
            pattern += re.escape(text)
    return f"(?s:{pattern})"
