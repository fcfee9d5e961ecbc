"""What the options of a load make of a CSV file."""

import io

import pytest

from local.cloud.bigquery.sources import Input, load
from local.cloud.errors import ApiError

FIELDS = [{"name": "a", "type": "STRING"}, {"name": "n", "type": "INTEGER"}]


def loaded(text, written_in="utf-8", **config):
    data = text.encode(written_in)
    source = Input("gs://b/x.csv", lambda: io.BytesIO(data), len(data))
    found = load([source], {"schema": {"fields": FIELDS}, **config}, [])
    return [tuple(row.values()) for batch in found.batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("text", "config", "rows"),
    [
        ("x|1\n", {"fieldDelimiter": "|"}, [("x", 1)]),
        ("x\t1\n", {"fieldDelimiter": "\\t"}, [("x", 1)]),
        ("'x,y',1\n", {"quote": "'"}, [("x,y", 1)]),
        ('"x,1\n', {"quote": ""}, [('"x', 1)]),
        ("a,n\nx,1\n", {"skipLeadingRows": "1"}, [("x", 1)]),
        ('"x\ny",1\n', {"allowQuotedNewlines": True}, [("x\ny", 1)]),
        ("x\ny,2\n", {"allowJaggedRows": True}, [("x", None), ("y", 2)]),
        ("x,1,extra\n", {"ignoreUnknownValues": True}, [("x", 1)]),
        ("NA,NA\n", {"nullMarker": "NA"}, [(None, None)]),
        ("x,bad\ny,2\n", {"maxBadRecords": 1}, [("y", 2)]),
        ("\ufeffx,1\n", {}, [("x", 1)]),
    ],
)
def test_an_option_is_obeyed(text, config, rows):
    assert loaded(text, **config) == rows


@pytest.mark.parametrize(("named", "encoding"), [("ISO-8859-1", "latin-1"), ("UTF-16LE", "utf-16-le")])
def test_a_file_is_read_in_its_encoding(named, encoding):
    assert loaded("é,1\n", encoding, encoding=named) == [("é", 1)]


@pytest.mark.parametrize(
    ("text", "config", "says"),
    [
        ('"x\ny",1\n', {}, "allowQuotedNewlines"),
        ("x\n", {}, "Too few values in row: 1"),
        ("x,1,2\n", {}, "Too many values in row: 3"),
        ("x,bad\ny,bad\n", {"maxBadRecords": 1}, "2 bad records"),
        ("x,1\n", {"encoding": "EBCDIC"}, "'EBCDIC'"),
    ],
)
def test_what_no_option_allows_is_refused(text, config, says):
    with pytest.raises(ApiError, match=says):
        loaded(text, **config)
