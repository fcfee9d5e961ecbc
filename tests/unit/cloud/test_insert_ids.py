"""Rows that a client sends again."""

from local.cloud.bigquery.insert_ids import InsertIds


def rows(*ids: str | None) -> list[dict[str, str]]:
    return [{} if each is None else {"insertId": each} for each in ids]


def places(found: list[tuple[int, dict[str, str]]]) -> list[int]:
    return [index for index, _ in found]


def test_a_row_is_known_by_its_id_and_its_table() -> None:
    ids = InsertIds()
    assert places(ids.fresh("t", rows("a", None, "b", "a", None))) == [0, 1, 2, 4]
    ids.note("t", rows("a", None))
    assert places(ids.fresh("t", rows("a", None, "b"))) == [1, 2]
    assert places(ids.fresh("other", rows("a", "b"))) == [0, 1]


def test_an_id_is_forgotten_after_a_minute_and_not_before() -> None:
    now = 0.0
    ids = InsertIds(lambda: now)
    ids.note("t", rows("a"))
    now = 30.0
    ids.note("t", rows("a", "b"))
    now = 59.0
    assert places(ids.fresh("t", rows("a", "b"))) == []
    now = 61.0
    assert places(ids.fresh("t", rows("a", "b"))) == [0]
    now = 91.0
    assert places(ids.fresh("t", rows("a", "b"))) == [0, 1]
