"""GoogleSQL's functions that run in Python, and their types in the engine.

Owns: the list. Their names begin with `bq_`, as do the macros' of functions.py.
"""

import base64
import hashlib
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery import addresses, json_edits
from local.cloud.bigquery.farmhash import fingerprint
from local.cloud.bigquery.time_text import format_time, parse_time
from local.cloud.bigquery.value_text import formatted, json_text

if TYPE_CHECKING:
    import duckdb


def define_scalars(connection: "duckdb.DuckDBPyConnection") -> None:
    connection.create_function("bq_fingerprint", _fingerprints, ["BLOB"], "BIGINT", type="arrow")  # type: ignore[arg-type]
    for name, function, takes, gives in (*_SCALARS, *json_edits.FUNCTIONS, *json_edits.NULLABLE, *addresses.FUNCTIONS):
        handling = "special" if name in _WITH_NULLS else "default"
        connection.create_function(name, function, takes, gives, null_handling=handling)  # type: ignore[arg-type]


def _fingerprints(column):  # not annotated: the engine would evaluate the annotations
    import pyarrow as pa

    return pa.array([None if value is None else fingerprint(value) for value in column.to_pylist()], pa.int64())


def _json_string(kind, value, exact):
    return json_text(kind, value, exact=exact)


def _formatted(pattern, kinds, values):
    return None if pattern is None else formatted(pattern, kinds, values)


def _format_time(pattern, moment, zone):
    return None if pattern is None or moment is None else format_time(pattern, moment, zone)


def _parse_time(pattern, text, zone):
    return None if pattern is None or text is None else parse_time(pattern, text, zone)


def _normalized(text, form, fold):
    text = unicodedata.normalize(form, text)
    return unicodedata.normalize(form, text.casefold()) if fold else text


def _soundex(text):
    """Four letters and digits; letters between which only H or W stands count as one."""
    letters = [each for each in text.upper() if "A" <= each <= "Z"]
    codes = {each: str(at) for at, group in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1) for each in group}
    out, last = letters[:1], codes.get(letters[0], "") if letters else ""
    for each in letters[1:]:
        code = codes.get(each, "")
        if code and code != last:
            out.append(code)
        last = last if each in "HW" else code
    return "".join(out)[:4].ljust(4, "0") if out else ""


def _bytes_of(points):
    return bytes(points)


def _text_of(points):
    return None if points is None or None in points else "".join(map(chr, points))


def _from_base32(text):
    return base64.b32decode(text)


_WITH_NULLS = ("bq_json_string", "bq_formatted", "bq_format_time", "bq_parse_time", "bq_address")
_WITH_NULLS += ("bq_code_points_to_string",)
_WITH_NULLS += tuple(name for name, *_ in json_edits.NULLABLE)
_SCALARS: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("bq_json_string", _json_string, ["VARCHAR", "VARCHAR", "BOOLEAN"], "VARCHAR"),
    ("bq_formatted", _formatted, ["VARCHAR", "VARCHAR[]", "VARCHAR[]"], "VARCHAR"),
    ("bq_format_time", _format_time, ["VARCHAR", "BIGINT", "VARCHAR"], "VARCHAR"),
    ("bq_parse_time", _parse_time, ["VARCHAR", "VARCHAR", "VARCHAR"], "BIGINT"),
    ("bq_sha512", lambda data: hashlib.sha512(data).digest(), ["BLOB"], "BLOB"),
    ("bq_to_base32", lambda data: base64.b32encode(data).decode(), ["BLOB"], "VARCHAR"),
    ("bq_from_base32", _from_base32, ["VARCHAR"], "BLOB"),
    ("bq_normalize", _normalized, ["VARCHAR", "VARCHAR", "BOOLEAN"], "VARCHAR"),
    ("bq_soundex", _soundex, ["VARCHAR"], "VARCHAR"),
    ("bq_code_points_to_string", _text_of, ["BIGINT[]"], "VARCHAR"),
    ("bq_bytes_of", _bytes_of, ["BIGINT[]"], "BLOB"),
)
