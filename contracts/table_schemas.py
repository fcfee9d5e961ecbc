"""The tables of the event log and the columns of the staging files, typed once.

Event tables are partitioned by `logged_at`, when a row was written: event times may be decades old, and a partition
that is older than its expiry would vanish on arrival.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ColumnType = Literal["STRING", "INT64", "FLOAT64", "TIMESTAMP", "BOOL"]


class Column(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: ColumnType
    mode: Literal["REQUIRED", "NULLABLE", "REPEATED"] = "NULLABLE"
    description: str = ""


class TableSchema(BaseModel):
    """A partitioned BigQuery table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    columns: tuple[Column, ...]
    partition_field: str
    partition_unit: Literal["DAY", "HOUR"]
    clustering: tuple[str, ...] = ()


_LOGGED_AT = Column(name="logged_at", type="TIMESTAMP", mode="REQUIRED", description="when the row was written")

REQUESTS = TableSchema(
    name="requests",
    columns=(
        Column(name="request_id", type="STRING", mode="REQUIRED"),
        Column(name="user_id", type="STRING", mode="REQUIRED"),
        Column(name="items", type="STRING", mode="REPEATED", description="the ranked items that were shown"),
        Column(name="model_version", type="STRING"),
        Column(name="request_time", type="TIMESTAMP", mode="REQUIRED"),
        _LOGGED_AT,
    ),
    partition_field="logged_at",
    partition_unit="DAY",
    clustering=("user_id",),
)

FEEDBACK = TableSchema(
    name="feedback",
    columns=(
        Column(name="user_id", type="STRING", mode="REQUIRED"),
        Column(name="item_id", type="STRING", mode="REQUIRED"),
        Column(name="event_time", type="TIMESTAMP", mode="REQUIRED"),
        Column(
            name="event_order", type="INT64", mode="REQUIRED", description="place in its source: breaks ties in time"
        ),
        Column(name="rating", type="FLOAT64"),
        Column(name="request_id", type="STRING"),
        _LOGGED_AT,
    ),
    partition_field="logged_at",
    partition_unit="DAY",
    clustering=("user_id",),
)

DRIFT_HOURLY = TableSchema(
    name="hourly",
    columns=(
        Column(name="hour", type="TIMESTAMP", mode="REQUIRED"),
        Column(name="feature", type="STRING", mode="REQUIRED"),
        Column(name="statistic", type="STRING", mode="REQUIRED", description="for example psi"),
        Column(name="value", type="FLOAT64"),
        _LOGGED_AT,
    ),
    partition_field="logged_at",
    partition_unit="HOUR",
)

TRAINING_EVENTS = "training_events"


def training_events_query(table: str) -> str:
    """GoogleSQL of the view: each event once, as it was written last, in no order. Without a filter of its own it may
    be read where the table demands one."""
    return (
        "SELECT user_id, item_id, event_time, event_order, rating, logged_at "  # noqa: S608 -- the stack's own table
        f"FROM `{table}` WHERE logged_at > TIMESTAMP '1970-01-01 00:00:00+00' "
        "QUALIFY ROW_NUMBER() OVER "
        "(PARTITION BY user_id, item_id, event_time, event_order ORDER BY logged_at DESC) = 1"
    )


INTERACTIONS_FILE = "interactions.parquet"
ITEMS_FILE = "items.parquet"
INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp")  # and an optional rating
