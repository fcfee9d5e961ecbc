"""Tables and views: what they are, and their rows in the engine.

Owns: the table resource, its schema, and every change of rows. A table's record is {"resource", "physical"}: the API's
resource and the engine's table, "" for a view and for a table without a schema. Source:
https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from local.cloud.bigquery.datasets import Datasets, etag_of, refuse_stale
from local.cloud.bigquery.engine_tables import make, reschema
from local.cloud.bigquery.partitions import INGESTED, Partition, is_ingestion_time
from local.cloud.bigquery.problems import duplicate, not_found, of_duckdb, problem
from local.cloud.bigquery.references import DatasetRef, TableRef, check_table_id
from local.cloud.bigquery.schema import (
    Field,
    duckdb_type,
    find_field,
    quoted,
)
from local.cloud.bigquery.schema_changes import redescribed, united
from local.cloud.bigquery.table_rules import check_table, inherit_expiry, numbers_as_strings, refuse_repartitioned
from local.cloud.bigquery.warehouse import Warehouse
from local.cloud.clock import Clock, rfc3339
from local.cloud.masks import merge_patch
from local.cloud.validation import as_int

if TYPE_CHECKING:
    import duckdb

TABLE = "table"
_KINDS = {"view": "VIEW", "materializedView": "MATERIALIZED_VIEW", "externalDataConfiguration": "EXTERNAL"}
_OUTPUT = (
    "kind",
    "id",
    "selfLink",
    "etag",
    "creationTime",
    "lastModifiedTime",
    "type",
    "location",
    "numBytes",
    "numLongTermBytes",
    "numRows",
    "numTotalLogicalBytes",
    "numActiveLogicalBytes",
    "tableReference",
    "streamingBuffer",
)


@dataclass(frozen=True, slots=True)
class Write:
    """How rows go into a table. `fields` None keeps the schema of a table that is there."""

    ref: TableRef
    disposition: str = "WRITE_APPEND"
    create: str = "CREATE_IF_NEEDED"
    settings: dict[str, Any] = field(default_factory=dict)  # of a table that is created by it
    updates: tuple[str, ...] = ()  # ALLOW_FIELD_ADDITION, ALLOW_FIELD_RELAXATION


class Tables:
    def __init__(self, warehouse: Warehouse, datasets: Datasets, clock: Clock) -> None:
        self.warehouse = warehouse
        self.datasets = datasets
        self._counted: dict[str, tuple[int, int]] = {}  # a commit, and the rows that the engine's table had after it
        self._clock = clock

    def find(self, ref: TableRef) -> dict[str, Any] | None:
        """The record, unless it is past its expiry."""
        record = self.warehouse.get(TABLE, ref.name)
        expiry = as_int(record["resource"].get("expirationTime")) if record else None
        return None if expiry and expiry <= self._clock.millis() else record

    def get(self, ref: TableRef) -> dict[str, Any]:
        record = self.find(ref)
        if record is None:
            self.datasets.get(ref.parent)
            raise not_found("Table", ref.label)
        return record

    def of_dataset(self, ref: DatasetRef) -> list[tuple[str, dict[str, Any]]]:
        found = self.warehouse.list(TABLE, f"{ref.name}/tables/")
        return [
            (name, record)
            for name, record in found
            if self.find(TableRef(ref.project, ref.dataset, name.rsplit("/", 1)[-1]))
        ]

    # Resources

    def create(self, ref: TableRef, body: dict[str, Any]) -> dict[str, Any]:
        check_table_id(ref.table)
        wanted = {key: value for key, value in body.items() if key not in _OUTPUT and value is not None}
        with self.warehouse.writing() as cursor:
            dataset = self.datasets.get(ref.parent)
            if self.find(ref):
                raise duplicate("Table", ref.label)
            self.erase(cursor, ref)
            now = self._clock.millis()
            resource = {
                **wanted,
                "tableReference": ref.api(),
                "creationTime": str(now),
                "lastModifiedTime": str(now),
                "location": dataset["location"],
                "type": next((kind for key, kind in _KINDS.items() if wanted.get(key)), "TABLE"),
            }
            inherit_expiry(resource, dataset, now)
            check_table(resource)
            record = {"resource": numbers_as_strings(resource), "physical": ""}
            fields = (resource.get("schema") or {}).get("fields")
            if fields and resource["type"] == "TABLE":
                record["physical"] = make(self.warehouse, cursor, fields, resource)
            return self.warehouse.put(TABLE, ref.name, record)

    def change(self, ref: TableRef, body: dict[str, Any], *, whole: bool, if_match: str = "") -> dict[str, Any]:
        """PATCH, or PUT where `whole`. Columns may be added, and a required one become nullable, no more."""
        with self.warehouse.writing() as cursor:
            record = self.get(ref)
            old = record["resource"]
            refuse_stale(etag_of(old), if_match, ref.label)
            wanted = {key: value for key, value in body.items() if key not in _OUTPUT}
            if whole:
                kept = {key: old[key] for key in _OUTPUT if key in old}
                if "schema" not in wanted and old["type"] != "VIEW":
                    kept |= {"schema": old["schema"]} if "schema" in old else {}
                new = kept | {key: value for key, value in wanted.items() if value is not None}
            else:
                new = merge_patch(old, wanted)
            new["lastModifiedTime"] = str(self._clock.millis())
            refuse_repartitioned(ref, old, new)
            check_table(new)
            if new["type"] == "TABLE":
                record["physical"] = reschema(
                    self.warehouse, cursor, ref, record, (new.get("schema") or {}).get("fields") or []
                )
            record["resource"] = numbers_as_strings(new)
            return self.warehouse.put(TABLE, ref.name, record)

    def rename(self, ref: TableRef, new: TableRef) -> None:
        """Under another name in its dataset, as it is."""
        check_table_id(new.table)
        with self.warehouse.writing():
            record = self.get(ref)
            if record["resource"]["type"] != "TABLE":
                raise problem("invalid", f"{ref.label} is a {record['resource']['type'].lower()}: it has one name only")
            if self.find(new):
                raise duplicate("Table", new.label)
            record["resource"]["tableReference"] = new.api()
            self.warehouse.delete(TABLE, ref.name)
            self.warehouse.put(TABLE, new.name, record)

    def remove(self, ref: TableRef) -> None:
        with self.warehouse.writing() as cursor:
            if ref.partition:
                self.erase_partition(ref, cursor)
                return
            self.get(ref)
            self.erase(cursor, ref)

    def mark_copy(self, ref: TableRef, operation: str, base: TableRef) -> None:
        """A snapshot, which is read only, or a clone: its resource says of what and when."""
        with self.warehouse.writing():
            record = self.get(ref)
            moment = rfc3339(self._clock.now())
            if operation == "SNAPSHOT":
                record["resource"]["type"] = "SNAPSHOT"
                record["resource"]["snapshotDefinition"] = {"baseTableReference": base.api(), "snapshotTime": moment}
            else:
                record["resource"]["cloneDefinition"] = {"baseTableReference": base.api(), "cloneTime": moment}
            self.warehouse.put(TABLE, ref.name, record)

    def touch(self, ref: TableRef) -> None:
        """Its rows have changed."""
        with self.warehouse.writing():
            record = self.get(ref)
            record["resource"]["lastModifiedTime"] = str(self._clock.millis())
            self.warehouse.put(TABLE, ref.name, record)

    # Rows

    def write(self, write: Write, fields: list[Field], source: str, cursor: "duckdb.DuckDBPyConnection") -> int:
        """Put the rows of `source` (a SELECT of the engine, columns named as in `fields`) into a table; how many.

        In the caller's transaction. Raises what BigQuery's load and query jobs fail with.
        """
        if write.ref.partition:
            return self._write_partition(write, fields, source, cursor)
        return self._insert(self._prepare(write, fields, cursor), write.ref, fields, source, cursor)

    def _write_partition(
        self, write: Write, fields: list[Field], source: str, cursor: "duckdb.DuckDBPyConnection"
    ) -> int:
        """Into one partition: WRITE_TRUNCATE replaces its rows alone, and rows of others are refused."""
        ref, partition = write.ref.whole, Partition.of(write.ref)
        if self.find(ref) is None:
            settings = {"timePartitioning": {"type": partition.unit}, **write.settings}
            self._prepare(replace(write, ref=ref, settings=settings), fields, cursor)
        elif write.disposition == "WRITE_EMPTY" and self.rows(self.get(write.ref.whole), cursor, partition):
            raise duplicate("Table", write.ref.label)
        elif write.disposition.startswith("WRITE_TRUNCATE"):
            self.erase_partition(write.ref, cursor)
        record = self._prepare(replace(write, ref=ref, disposition="WRITE_APPEND"), fields, cursor)
        if is_ingestion_time(record["resource"]):
            return self._insert(record, ref, fields, source, cursor, ingested=partition.start)
        before = self.rows(record, cursor) - self.rows(record, cursor, partition)
        rows = self._insert(record, ref, fields, source, cursor)
        if self.rows(record, cursor) - self.rows(record, cursor, partition) != before:
            rule = "Some rows belong to different partitions rather than destination partition"
            raise problem("invalid", f"{rule} {write.ref.partition}")
        return rows

    def erase_partition(self, ref: TableRef, cursor: "duckdb.DuckDBPyConnection") -> None:
        """The rows of `table$partition`."""
        record = self.get(ref.whole)
        condition = Partition.of(ref).condition(record["resource"])
        cursor.execute(f"delete from {quoted(record['physical'])} where {condition}")  # noqa: S608
        self.touch(ref.whole)

    def _insert(
        self,
        record: dict[str, Any],
        ref: TableRef,
        fields: list[Field],
        source: str,
        cursor: "duckdb.DuckDBPyConnection",
        *,
        ingested: str = "",
    ) -> int:
        import duckdb

        held = record["resource"]["schema"]["fields"]
        columns = [(each, find_field(held, each["name"]) or each) for each in fields]
        targets = ", ".join(quoted(target["name"]) for _, target in columns)
        values = ", ".join(f"cast({quoted(each['name'])} as {duckdb_type(target)})" for each, target in columns)
        if ingested:
            targets, values = f"{targets}, {quoted(INGESTED)}", f"{values}, timestamptz '{ingested}'"
        statement = f"insert into {quoted(record['physical'])} ({targets}) select {values} from ({source})"  # noqa: S608
        try:
            row = cursor.execute(statement).fetchone()
        except duckdb.Error as error:
            raise of_duckdb(error) from None
        record["resource"]["lastModifiedTime"] = str(self._clock.millis())
        self.warehouse.put(TABLE, ref.name, record)
        return row[0] if row else 0

    def rows(
        self, record: dict[str, Any], cursor: "duckdb.DuckDBPyConnection", partition: "Partition | None" = None
    ) -> int:
        if not record["physical"]:
            return 0
        where = f" where {partition.condition(record['resource'])}" if partition else ""
        row = cursor.execute(f"select count(*) from {quoted(record['physical'])}{where}").fetchone()  # noqa: S608
        return row[0] if row else 0

    def committed_rows(self, record: dict[str, Any]) -> int:
        """As `rows`, outside of a transaction; counted again only when something was committed."""
        physical, commit = record["physical"], self.warehouse.commits
        held = self._counted.get(physical)
        if held is None or held[0] != commit:
            with self.warehouse.reading() as cursor:
                held = self._counted[physical] = commit, self.rows(record, cursor)
        return held[1]

    def replace_rows(self, ref: TableRef, cursor: "duckdb.DuckDBPyConnection", physical: str) -> None:
        """Another table of the engine, already filled, takes the place of the present one."""
        record = self.get(ref)
        if record["physical"]:
            cursor.execute(f"drop table {quoted(record['physical'])}")
        record["physical"] = physical
        self.warehouse.put(TABLE, ref.name, record)

    # Within

    def _prepare(self, write: Write, fields: list[Field], cursor: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
        """The record of a table that the rows fit into, made or changed as the write allows."""
        record = self.find(write.ref)
        if record is None:
            if write.create == "CREATE_NEVER":
                self.datasets.get(write.ref.parent)
                raise not_found("Table", write.ref.label)
            return self.create(write.ref, {**write.settings, "schema": {"fields": fields}})
        if record["resource"]["type"] != "TABLE":
            kind = record["resource"]["type"].lower()
            raise problem("invalid", f"{write.ref.label} is a {kind}: rows cannot be written to it")
        if write.disposition == "WRITE_EMPTY" and self.rows(record, cursor):
            raise duplicate("Table", write.ref.label)
        if not record["physical"] or write.disposition in ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"):
            return self._restart(write, record, fields, cursor)
        held = record["resource"]["schema"]["fields"]
        merged = united(write.ref, write.updates, held, fields)
        if merged != held:
            record["physical"] = reschema(self.warehouse, cursor, write.ref, record, merged)
            record["resource"]["schema"] = {"fields": merged}
        return record

    def _restart(
        self, write: Write, record: dict[str, Any], fields: list[Field], cursor: "duckdb.DuckDBPyConnection"
    ) -> dict[str, Any]:
        """The table without its rows, with the schema of what is written."""
        if write.disposition == "WRITE_TRUNCATE_DATA" and record["physical"]:
            fields = united(write.ref, write.updates, record["resource"]["schema"]["fields"], fields)
        if record["physical"]:
            cursor.execute(f"drop table {quoted(record['physical'])}")
        held = record["resource"].get("schema", {}).get("fields", [])
        described = [redescribed(each, find_field(held, each["name"])) for each in fields]
        record["physical"] = make(self.warehouse, cursor, described, record["resource"])
        record["resource"]["schema"] = {"fields": described}
        check_table(record["resource"])
        return record

    def erase(self, cursor: "duckdb.DuckDBPyConnection", ref: TableRef) -> None:
        record = self.warehouse.get(TABLE, ref.name)
        for physical in (record["physical"], record.get("external", {}).get("physical")) if record else ():
            if physical:
                cursor.execute(f"drop table if exists {quoted(physical)}")
        if record:
            self.warehouse.delete(TABLE, ref.name)
