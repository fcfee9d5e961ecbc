"""Tables and partitions go when their time is over."""

from datetime import timedelta

import pytest

from local.cloud.bigquery.expiry import expire
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.sizes import table_bytes
from local.cloud.bigquery.streaming import insert_rows
from local.cloud.errors import ApiError

REF = TableRef("acme-recsys", "d", "t")
FIELDS = [{"name": "id", "type": "INTEGER"}, {"name": "at", "type": "TIMESTAMP"}]


@pytest.fixture
def bq(cloud):
    cloud.warehouse.datasets.create(DatasetRef("acme-recsys", "d"), {"defaultTableExpirationMs": "7200000"}, "a@b.c")
    return cloud.warehouse


def test_a_table_takes_over_its_datasets_expiry_and_goes_with_it(bq, clock):
    bq.tables.create(REF, {"schema": {"fields": FIELDS}})
    clock.advance(timedelta(hours=1, minutes=59))
    expire(bq.tables, clock)
    assert bq.tables.find(REF)
    clock.advance(timedelta(minutes=2))
    with pytest.raises(ApiError, match=r"Not found: Table acme-recsys:d\.t"):
        bq.tables.get(REF)
    expire(bq.tables, clock)
    assert bq.warehouse.list("table", "projects/") == []
    bq.tables.create(REF, {"schema": {"fields": FIELDS}})


@pytest.mark.parametrize(("unit", "hours"), [("DAY", 48), ("HOUR", 3)])
def test_rows_go_with_their_partition_and_no_earlier(bq, clock, unit, hours):
    partitioning = {"type": unit, "field": "at", "expirationMs": str(hours * 3_600_000)}
    bq.tables.create(REF, {"schema": {"fields": FIELDS}, "timePartitioning": partitioning})
    now = clock.now()
    ages = {1: timedelta(minutes=1), 2: timedelta(hours=hours + 30)}
    rows = [(index, {"json": {"id": index, "at": (now - age).isoformat()}}) for index, age in ages.items()]
    assert insert_rows(bq, REF, rows, skip_invalid=False, ignore_unknown=False) == []
    before = table_bytes(bq.tables, REF)
    clock.advance(timedelta(seconds=1))
    expire(bq.tables, clock)
    assert table_bytes(bq.tables, REF) == before // 2
    with bq.warehouse.reading() as cursor:
        physical = bq.tables.get(REF)["physical"]
        assert cursor.execute(f"select id from {physical}").fetchall() == [(1,)]
