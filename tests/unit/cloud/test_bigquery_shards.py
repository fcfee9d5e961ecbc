"""What an extract writes is cut into files no larger than they may be."""

import pyarrow as pa
import pytest

from local.cloud.bigquery.export import shards


def batches(*sizes):
    return iter([pa.RecordBatch.from_pydict({"x": pa.array(range(size), pa.int64())}) for size in sizes])


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [((), [0]), ((5,), [5]), ((10, 10, 10), [20, 10]), ((30, 5, 5), [30, 10]), ((10, 30, 10), [10, 30, 10])],
)
def test_a_file_ends_before_it_is_too_large(sizes, rows):
    found = [sum(batch.num_rows for batch in shard) for shard in shards(batches(*sizes), 20 * 8)]
    assert found == rows
