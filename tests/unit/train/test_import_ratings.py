"""Ratings files of the public data sets, and what is wrong with broken ones."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from train.import_ratings import main

U_DATA = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n"
RATINGS_DAT = "1::1193::5::978300760\n1::661::3::978302109\n"
RATINGS_CSV = "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,3.5,1112484676\n"
AMAZON_2014 = "A3AF8FFZAZYNE5,0000000078,5.0,1092182400\nAH2L9G3DQHHAJ,0000000116,4.0,1019865600\n"
AMAZON_2018 = "0000000078,A3AF8FFZAZYNE5,5.0,1092182400\nB00004T1XX,AH2L9G3DQHHAJ,4.0,1019865600\n"
REVIEWS = (
    '{"reviewerID": "A1", "asin": "0000031887", "overall": 5.0, "unixReviewTime": 1355616000, "reviewText": "a, b"}\n'
    '{"reviewerID": "A2", "asin": "B000000002", "overall": 3.0, "unixReviewTime": 1355616001, "helpful": [0, 1]}\n'
)
REVIEWS_2023 = '{"user_id": "A1", "parent_asin": "B1", "rating": 5.0, "timestamp": 1658185117948}\n'
RECBOLE = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3.0\t881250949\n"
CASES = {
    "u.data": (U_DATA, [(196, 242, 881250949, 3.0), (186, 302, 891717742, 3.0), (22, 377, 878887116, 1.0)]),
    "ratings.dat": (RATINGS_DAT, [(1, 1193, 978300760, 5.0), (1, 661, 978302109, 3.0)]),
    "ratings.csv": (RATINGS_CSV, [(1, 2, 1112486027, 3.5), (1, 29, 1112484676, 3.5)]),
    "ratings_2014.csv": (
        AMAZON_2014,
        [("A3AF8FFZAZYNE5", "0000000078", 1092182400, 5.0), ("AH2L9G3DQHHAJ", "0000000116", 1019865600, 4.0)],
    ),
    "ratings_2018.csv": (
        AMAZON_2018,
        [("A3AF8FFZAZYNE5", "0000000078", 1092182400, 5.0), ("AH2L9G3DQHHAJ", "B00004T1XX", 1019865600, 4.0)],
    ),
    "reviews.json": (REVIEWS, [("A1", "0000031887", 1355616000, 5.0), ("A2", "B000000002", 1355616001, 3.0)]),
    "reviews.jsonl": (REVIEWS_2023, [("A1", "B1", 1658185117.948, 5.0)]),
    "ml.inter": (RECBOLE, [(1, 2, 881250949, 3.0)]),
    "events.tsv": ("who\twhat\twhen\nx\ty\t2024-05-01 12:00:00\n", [("x", "y", 1714564800, None)]),
}
FLAGS = {"events.tsv": ["--user", "who", "--item", "what", "--time", "when", "--header", "yes"]}


def imported(folder: Path, name: str, content: str | bytes, *flags: str) -> list[dict]:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert main([str(file), "--out", str(folder / "out"), *flags]) == 0
    return pq.read_table(folder / "out" / "interactions.parquet").to_pylist()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", CASES)
def test_a_known_file_is_read_row_by_row_in_its_order(tmp_path: Path, name: str, *, packed: bool) -> None:
    content, expected = CASES[name]
    data = gzip.compress(content.encode()) if packed else content
    rows = imported(tmp_path, name + (".gz" if packed else ""), data, *FLAGS.get(name, []))
    found = [(row["user_id"], row["item_id"], row["timestamp"].timestamp(), row.get("rating")) for row in rows]
    assert found == expected


def test_what_was_found_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, "ratings.dat", RATINGS_DAT)
    said = capsys.readouterr().out
    assert "delimiter '::', no header line; user_id = column 1" in said
    assert "seconds since 1970, from 2000-12-31" in said
    assert "2 interactions of 1 users with 2 items" in said


@pytest.mark.parametrize(
    ("time", "unit"), [(1112486027, "seconds"), (1112486027000, "milliseconds"), (1112486027000000000, "nanoseconds")]
)
def test_the_unit_of_time_is_detected(tmp_path: Path, capsys: pytest.CaptureFixture[str], time: int, unit: str) -> None:
    rows = imported(tmp_path, "r.csv", f"u,i,5,{time}\n", "--header", "no")
    assert rows[0]["timestamp"].isoformat() == "2005-04-02T23:53:47+00:00"
    assert f"time: {unit}" in capsys.readouterr().out


def test_ordinals_stay_as_they_are(tmp_path: Path) -> None:
    rows = imported(tmp_path, "r.csv", "user,item,time\na,b,1\na,c,2\n")
    assert [row["timestamp"] for row in rows] == [1, 2]


def test_columns_can_be_named_by_flags(tmp_path: Path) -> None:
    rows = imported(
        tmp_path, "r.csv", "1112486027;x;9\n", "--time", "1", "--user", "2", "--item", "3", "--delimiter", ";"
    )
    assert (rows[0]["user_id"], rows[0]["item_id"]) == ("x", 9)


def test_movielens_items_beside_the_file_are_taken(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("1::Les Misérables (1995)::Drama|Musical\n".encode("latin-1"))
    imported(tmp_path, "ratings.dat", RATINGS_DAT)
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert items == [{"item_id": 1, "title": "Les Misérables (1995)", "genres": "Drama|Musical"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("1,2,3,100\n1,2\n4,5,6,200\n", "row 2 does not have 4 columns"),
        ("1,2,3,100\n1,2,3,soon\n1,2,3,later\n", r"timestamp = 'soon' (2 rows): must be a time; see data row 2, 3"),
        ("1,2,3,100\n,2,3,100\n", r"user_id = '' (1 rows): must not be blank; see data row 2"),
        ("1,2,good,100\n", "rating = 'good'"),
        ("user,thing,time\na,b,1\n", "the column of the item_id was not found"),
        ('{"reviewerID": "A", "asin": "B", "unixReviewTime": 1}\n{oops\n', "row 2 is no JSON object"),
        ("{'reviewerID': 'A'}\n", "Python dict"),
        (b"\x1f\x8bcut", "damaged gzip"),
        ("user,item,time\n", "has a header and no rows"),
        ("user_id,item_id,rating,timestamp\n", "has a header and no rows"),
        (b"PK\x03\x04rest", "is a zip archive. Unpack it (unzip ratings.csv)"),
        ('[{"user_id": 1, "item_id": 2, "timestamp": 3}]', "is a JSON array, and json lines are read"),
    ],
)
def test_a_bad_file_is_refused_with_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, said: str
) -> None:
    file = tmp_path / "ratings.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert main([str(file), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_column_and_a_missing_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.csv").write_text(RATINGS_CSV)
    assert main([str(tmp_path / "r.csv"), "--out", str(tmp_path / "out"), "--user", "buyer"]) == 2
    assert "--user = 'buyer': is no column" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.csv"), "--out", str(tmp_path / "out")]) == 2
    assert "absent.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", "text: UTF-8"), ("utf-8-sig", "text: UTF-8"), ("latin-1", "text: latin-1")]
)
def test_ids_keep_their_letters_in_either_encoding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str, said: str
) -> None:
    content = "user,item,time\nZoë,café,978300760\n".encode(encoding)
    (row,) = imported(tmp_path, "r.csv", content)
    assert (row["user_id"], row["item_id"]) == ("Zoë", "café")
    assert said in capsys.readouterr().out


def test_titles_keep_their_letters_in_utf_8(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("1::Les Misérables (1995)::Drama\n".encode())
    imported(tmp_path, "ratings.dat", RATINGS_DAT)
    assert pq.read_table(tmp_path / "out" / "items.parquet")["title"].to_pylist() == ["Les Misérables (1995)"]


@pytest.mark.parametrize("odd", [1112486027000, 1112486027, 4], ids=["finer", "coarser", "among ordinals"])
def test_a_file_that_mixes_units_is_refused_with_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], odd: int
) -> None:
    usual = {1112486027000: 1112486027, 1112486027: 1112486027000, 4: 5}[odd]
    odd = 1112486027 if odd == 4 else odd
    (tmp_path / "r.csv").write_text("".join(f"u,i,5,{time}\n" for time in (usual, odd, usual, usual)))
    assert main([str(tmp_path / "r.csv"), "--out", str(tmp_path / "out"), "--header", "no"]) == 2
    told = capsys.readouterr().err
    assert f"timestamp = {odd} (1 rows): the file mixes units of time" in told
    assert "see data row 2" in told
    assert not (tmp_path / "out").exists()


def test_the_flags_of_u_item_become_genres(tmp_path: Path) -> None:
    flags = ["0", "0", "0", "1", "1", "1", *["0"] * 13]
    (tmp_path / "u.item").write_text("|".join(["1", "Toy Story (1995)", "01-Jan-1995", "", "http://x", *flags]) + "\n")
    imported(tmp_path, "u.data", "1\t1\t5\t978300760\n")
    items = pq.read_table(tmp_path / "out" / "items.parquet")
    assert items["genres"].to_pylist() == ["Animation|Children's|Comedy"]


def test_ids_of_json_lines_may_be_numbers_and_their_times_text(tmp_path: Path) -> None:
    lines = '{"user_id": 7, "item_id": 12, "rating": null, "timestamp": "2001-01-01T01:00:00+01:00"}\n' * 2
    first, _ = imported(tmp_path, "ratings.jsonl", lines)
    assert (first["user_id"], first["item_id"], first["rating"]) == (7, 12, None)
    assert first["timestamp"] == datetime(2001, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("written", ["2001-01-01T02:00:00+02:00", "2001-01-01T00:00:00Z", "2001-01-01 00:00:00"])
def test_iso_times_may_have_an_offset_and_a_rating_may_be_empty(tmp_path: Path, written: str) -> None:
    first, second = imported(tmp_path, "r.csv", f"user,item,rating,time\na,b,,{written}\na,c,4.5,{written}\n")
    assert first["timestamp"] == datetime(2001, 1, 1, tzinfo=UTC)
    assert (first["rating"], second["rating"]) == (None, 4.5)
