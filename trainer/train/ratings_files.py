"""Reading ratings files whose layout is found out: delimiter, header, which column is what.

Owns: text in, a table of user_id, item_id, timestamp (number) and rating out; every row that cannot be read is refused
with its number. Does not own: time units and what is written (import_ratings.py).
"""

# pyright: reportAttributeAccessIssue=false

import gzip
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at run time
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from train.problems import Problem, Refused, refuse_if

_NAMES = {
    "user_id": ("user_id", "userid", "user", "reviewerid", "reviewer_id", "customer_id", "uid"),
    "item_id": ("item_id", "itemid", "item", "movieid", "movie_id", "asin", "parent_asin", "product_id", "iid"),
    "rating": ("rating", "overall", "stars", "score"),
    "timestamp": ("timestamp", "unixreviewtime", "time", "unixtime", "event_time", "ts", "datetime", "date"),
}
_DELIMITERS = ("::", "\t", ",", ";", "|", " ")
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_INTEGER = r"^(0|-?[1-9]\d{0,17})$"
_ASIN = r"^(B[0-9A-Z]{9}|\d{9}[\dX])$"
_SHOWN_ROWS = 5
_LOOKED_AT = 1_000
# The 19 flags at the end of a line of u.item, in u.genre's order.
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_ITEM_FILES = {"u.data": "u.item", "ratings.dat": "movies.dat", "ratings.csv": "movies.csv"}


@dataclass(frozen=True)
class Layout:
    """What the flags say of a file; None is found out."""

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    delimiter: str | None = None
    header: bool | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        return {"user_id": self.user, "item_id": self.item, "timestamp": self.time, "rating": self.rating}


def read_ratings(file: Path, layout: Layout) -> tuple[pa.Table, list[str]]:
    """The file's ratings in its order, and what was found out, in words."""
    content, encoding = _as_utf8(_content(file))
    first = content.lstrip()[:1]
    refuse_if("import", [] if first else [Problem("FILE", str(file), "is empty", "Download it again")])
    if first == b"{":
        table, said = _read_json(file, content, layout)
    else:
        table, said = _read_text(file, content, layout)
    return _typed(table), [*said, f"text: {encoding}"]


def _as_utf8(content: bytes) -> tuple[bytes, str]:
    """The text in UTF-8 without a byte order mark, and what it was in."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        told = f"latin-1, since byte {error.start} is no UTF-8"
        return content.decode("latin-1").encode("utf-8"), told
    return content.removeprefix(b"\xef\xbb\xbf"), "UTF-8"


def _content(file: Path) -> bytes:
    raw = file.read_bytes()
    if raw[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        fix = f"Unpack it (unzip {file.name}) and name the ratings file in it"
        raise Refused("import", [Problem("FILE", str(file), "is a zip archive", fix)])
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError) as error:
        fix = "Download it again"
        raise Refused("import", [Problem("FILE", str(file), f"is a damaged gzip file ({error})", fix)]) from error


def _read_text(file: Path, content: bytes, layout: Layout) -> tuple[pa.Table, list[str]]:
    head = [line for line in content[:65_536].decode("utf-8", "replace").splitlines()[:50] if line]
    delimiter = (layout.delimiter or _likely_delimiter(head)).replace("\\t", "\t")
    if len(delimiter) > 1:
        content, character = content.replace(delimiter.encode(), b"\x1f"), "\x1f"
    else:
        character = delimiter
    first = [part.strip().strip('"') for part in head[0].split(delimiter)]
    refuse_if("import", _no_ratings_file(file, content))
    header = layout.header if layout.header is not None else not any(re.match(_NUMBER, part) for part in first[2:])
    names = first if header else [str(place + 1) for place in range(len(first))]
    table = _parse(content, character, names, header=header)
    chosen = _by_name(names, layout) if header else _by_place(table, layout)
    shown = ", ".join(f"{role} = {'' if header else 'column '}{name}" for role, name in chosen.items())
    said = [f"layout: delimiter {delimiter!r}, {'a' if header else 'no'} header line; {shown}"]
    _refuse_unknown(file, chosen, names)
    return table.select(list(chosen.values())).rename_columns(list(chosen)), said


def _no_ratings_file(file: Path, content: bytes) -> list[Problem]:
    if content.lstrip()[:1] == b"[":
        rule = "is a JSON array, and json lines are read: one object a line"
        return [Problem("FILE", str(file), rule, f"Write it so: jq -c '.[]' {file.name} > ratings.jsonl")]
    return []


def _likely_delimiter(head: list[str]) -> str:
    """The first known delimiter that splits every line into the same number of at least three parts."""
    for delimiter in _DELIMITERS:
        if len({line.count(delimiter) for line in head}) == 1 and head[0].count(delimiter) >= 2:
            return delimiter
    return max(_DELIMITERS, key=head[0].count)


def _parse(content: bytes, delimiter: str, names: list[str], *, header: bool) -> pa.Table:
    wrong: list[tuple[int | None, str]] = []

    def note(row: pa_csv.InvalidRow) -> str:
        wrong.append((row.number, row.text or ""))
        return "skip"

    table = pa_csv.read_csv(
        io.BytesIO(content),
        read_options=pa_csv.ReadOptions(column_names=names, skip_rows=int(header), use_threads=False),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note, quote_char='"'),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    if wrong:
        rows = ", ".join(str(number) for number, _ in wrong[:_SHOWN_ROWS])
        rule = f"row {rows} does not have {len(names)} columns"
        fix = "Repair the file, or name its --delimiter"
        raise Refused("import", [Problem("row", wrong[0][1].replace("\x1f", "::")[:80], rule, fix, len(wrong))])
    return table


def _by_name(names: list[str], layout: Layout) -> dict[str, str]:
    """The column of each role in a file with a header; RecBole's `user_id:token` counts as `user_id`."""
    plain = {name.split(":")[0].strip().lower(): name for name in names}
    chosen: dict[str, str] = {}
    for role, asked in layout.columns.items():
        found = asked or next((plain[known] for known in _NAMES[role] if known in plain), None)
        if found and found != "none":
            chosen[role] = names[int(found) - 1] if found.isdecimal() and found not in names else found
    return chosen


def _by_place(table: pa.Table, layout: Layout) -> dict[str, str]:
    """The column of each role in a file without a header: user, item, rating, time, or Amazon's item, user, rating,
    time.
    """
    names = table.column_names
    roles = ["user_id", "item_id", "rating", "timestamp"] if len(names) >= 4 else ["user_id", "item_id", "timestamp"]
    if len(names) >= 2 and _asin_share(table[names[0]]) > 0.9 > _asin_share(table[names[1]]):
        roles[:2] = ["item_id", "user_id"]
    chosen = dict(zip(roles, names, strict=False))
    for role, asked in layout.columns.items():
        if asked == "none":
            chosen.pop(role, None)
        elif asked:
            chosen[role] = asked
    return chosen


def _asin_share(column: pa.ChunkedArray) -> float:
    looked = column.slice(0, _LOOKED_AT)
    return (pc.sum(pc.match_substring_regex(looked, _ASIN)).as_py() or 0) / max(1, len(looked))


def _refuse_unknown(file: Path, chosen: dict[str, str], names: list[str]) -> None:
    flags = {"user_id": "--user", "item_id": "--item", "timestamp": "--time", "rating": "--rating"}
    problems = [
        Problem(flags[role], chosen[role], f"is no column of {file.name}: it has {names}", "Name one of them")
        for role in chosen
        if chosen[role] not in names
    ]
    for role in ("user_id", "item_id", "timestamp"):
        if role not in chosen:
            fix = f"Name it with {flags[role]}"
            problems.append(Problem(flags[role], None, f"the column of the {role} was not found among {names}", fix))
    refuse_if("import", problems)


def _read_json(file: Path, content: bytes, layout: Layout) -> tuple[pa.Table, list[str]]:
    try:
        names = list(json.loads(content.lstrip().split(b"\n", 1)[0]))
    except ValueError:
        names = []
    chosen = _by_name(names, layout)
    if names:
        _refuse_unknown(file, chosen, names)
    try:
        table = _parse_json(content, chosen)
    except ValueError as error:  # pyarrow's ArrowInvalid is one too
        raise Refused("import", [_json_problem(content, error)]) from error
    said = [f"layout: json lines; {', '.join(f'{role} = {name}' for role, name in chosen.items())}"]
    return table.select(list(chosen.values())).rename_columns(list(chosen)), said


def _parse_json(content: bytes, chosen: dict[str, str]) -> pa.Table:
    """The chosen columns, ids as strings. An id may stand as a number and a time as text; each column in one way."""
    looked = json.loads(content.lstrip().split(b"\n", 1)[0])
    fields = []
    for role, name in chosen.items():
        first = looked.get(name)
        if role in ("user_id", "item_id"):
            fields.append((name, pa.int64() if isinstance(first, int) else pa.string()))
        else:
            fields.append((name, pa.string() if isinstance(first, str) else pa.float64()))
    options = pa_json.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    table = pa_json.read_json(io.BytesIO(content), parse_options=options)
    for role, name in chosen.items():
        if role in ("user_id", "item_id"):
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _json_problem(content: bytes, error: Exception) -> Problem:
    """The first line that is no JSON object; the parser's own message counts rows from the start of a block."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            json.loads(line)
        except ValueError:
            shown = line[:80].decode("utf-8", "replace")
            fix = "Repair the line; a Python dict with single quotes is no JSON"
            return Problem("row", shown, f"row {number} is no JSON object", fix)
    return Problem("FILE", str(error).splitlines()[0], "cannot be read as json lines", "Check the types of its columns")


def _typed(table: pa.Table) -> pa.Table:
    """Ids as integers where all are plain integers, else strings; numbers as numbers. Refuses blanks and what is no
    number.
    """
    problems, columns = [], {}
    for role in table.column_names:
        column = table[role]
        if role in ("user_id", "item_id"):
            columns[role] = _ids(column)
            problems += _row_problems(role, column, pc.equal(pc.utf8_trim_whitespace(column), ""), "must not be blank")
        else:
            columns[role], wrong = _numbers(column, may_be_empty=role == "rating")
            problems += _row_problems(role, column, wrong, "must be a number" if role == "rating" else "must be a time")
    refuse_if("import", problems)
    if "rating" in columns:
        columns["rating"] = pc.cast(columns["rating"], pa.float32())
    return pa.table(columns)


def _ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = column.length() > 0 and not column.null_count and pc.all(pc.match_substring_regex(column, _INTEGER)).as_py()
    return column.cast(pa.int64()) if whole else column


def _numbers(column: pa.ChunkedArray, *, may_be_empty: bool) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The column as numbers (ISO dates as seconds), and where it is neither; empty is null where it may be."""
    if not pa.types.is_string(column.type):
        whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
        wrong = pc.and_(pc.is_null(column), pa.scalar(value=not may_be_empty))
        return (column.cast(pa.int64()) if whole else column), wrong
    if may_be_empty:
        is_empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)
        numbers, wrong = _numbers(pc.if_else(is_empty, "0", column), may_be_empty=False)
        return pc.if_else(is_empty, pa.scalar(None, numbers.type), numbers), wrong
    is_number = pc.match_substring_regex(column, _NUMBER)
    if pc.any(is_number).as_py():
        usable = pc.utf8_trim_whitespace(pc.if_else(is_number, column, "0"))
        whole = pc.all(pc.match_substring_regex(usable, r"^-?\d{1,18}$")).as_py()
        return usable.cast(pa.int64() if whole else pa.float64()), pc.invert(is_number)
    dates = _dates(column)
    if dates is None:
        return column, pc.invert(is_number)
    return pc.divide(dates.cast(pa.int64()), 1_000_000), pc.is_null(dates)


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """ISO dates, with an offset or in UTC; None where some are none, or some have an offset and others not."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", tz="UTC")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _row_problems(role: str, column: pa.ChunkedArray, wrong: pa.ChunkedArray, rule: str) -> list[Problem]:
    wrong = pc.fill_null(wrong, True)
    count = pc.sum(wrong).as_py() or 0
    if not count:
        return []
    places = pc.indices_nonzero(wrong).slice(0, _SHOWN_ROWS).to_pylist()
    shown = ", ".join(str(place + 1) for place in places)
    return [
        Problem(role, column[places[0]].as_py(), f"{rule}; see data row {shown}", "Repair or drop these rows", count)
    ]


def item_table(ratings: Path, asked: Path | None) -> pa.Table | None:
    """item_id, title and genres of a MovieLens items file: `asked`, or the known one beside the ratings; None without
    one.
    """
    file = asked or ratings.with_name(_ITEM_FILES.get(ratings.name, "none"))
    if asked is None and not file.is_file():
        return None
    if file.suffix == ".parquet":
        return pq.read_table(file)
    if file.suffix == ".csv":
        table = pa_csv.read_csv(io.BytesIO(_as_utf8(_content(file))[0]))
        plain = {name.lower(): name for name in table.column_names}
        key = next((plain[known] for known in _NAMES["item_id"] if known in plain), table.column_names[0])
        return table.rename_columns(["item_id" if name == key else name for name in table.column_names])
    delimiter = "::" if file.suffix == ".dat" else "|"
    lines = [
        line.rstrip("\r").split(delimiter) for line in _as_utf8(_content(file))[0].decode("utf-8").split("\n") if line
    ]
    short = [number for number, parts in enumerate(lines, start=1) if len(parts) < 3]
    if short:
        fix = "Name a MovieLens items file, or leave --items out"
        raise Refused(
            "import", [Problem("--items", str(file), f"row {short[0]} has no title and genres", fix, len(short))]
        )
    genres = [parts[-1] if file.suffix == ".dat" else _flagged_genres(parts[5:]) for parts in lines]
    ids = _ids(pa.chunked_array([[parts[0] for parts in lines]]))
    return pa.table({"item_id": ids, "title": [parts[1] for parts in lines], "genres": genres})


def _flagged_genres(flags: list[str]) -> str:
    return "|".join(name for name, flag in zip(_GENRES, flags, strict=False) if flag == "1")
