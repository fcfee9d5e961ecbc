"""The event log with prod's guard, asked on a local cloud."""

from tests.contract.cloud_process import CloudProcess
from tests.e2e.platform.stack import Stack

_ROW = {"user_id": "u", "item_id": "i", "event_time": "2024-01-01T00:00:00Z", "event_order": 1}


def test_the_training_view_tells_each_event_once_where_the_table_demands_a_filter(
    stack: Stack, cloud: CloudProcess
) -> None:
    assert stack.up().errors == []
    base = f"/bigquery/v2/projects/{stack.project}"
    rows = [
        {"json": _ROW | {"rating": rating, "logged_at": f"2026-11-2{day}T00:00:00Z"}}
        for rating, day in ((1.0, 1), (5.0, 2))
    ]
    cloud.json("POST", f"{base}/datasets/recsys_logs/tables/feedback/insertAll", {"rows": rows})

    def query(table: str) -> tuple[int, dict]:
        text = f"SELECT user_id, rating FROM `{stack.project}.recsys_logs.{table}`"
        answer = cloud.call("POST", f"{base}/queries", {"query": text, "useLegacySql": False})
        return answer.status_code, answer.json()

    status, told = query("training_events")
    assert (status, [[cell["v"] for cell in row["f"]] for row in told["rows"]]) == (200, [["u", "5.0"]])
    status, refused = query("feedback")
    assert status == 400
    assert "filter over" in refused["error"]["message"]
