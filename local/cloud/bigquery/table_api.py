"""Calls on datasets, tables and their rows.

Sources: https://cloud.google.com/bigquery/docs/reference/rest/v2/ datasets, tables, tabledata
"""

from typing import Any

from local.cloud.bigquery import permissions
from local.cloud.bigquery.datasets import dataset_item, dataset_resource, etag_of
from local.cloud.bigquery.insert_ids import InsertIds
from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sizes import record_bytes
from local.cloud.call import Call, Response, no_content
from local.cloud.paging import page_of

_API = "https://bigquery.googleapis.com/bigquery/v2"
_VIEWS = ("VIEW", "MATERIALIZED_VIEW")
_LISTED = ("tableReference", "type", "friendlyName", "labels", "timePartitioning", "rangePartitioning", "clustering")
_LISTED_TOO = ("creationTime", "expirationTime", "view", "requirePartitionFilter")


class DatasetApi:
    def __init__(self, bq: BigQuery) -> None:
        self._bq = bq

    def insert(self, call: Call) -> dict[str, Any]:
        body = call.object()
        reference = body.get("datasetReference") or {}
        ref = DatasetRef(call.params["project"], reference.get("datasetId") or "")
        self._bq.cloud.projects.get(ref.project)
        return dataset_resource(self._bq.datasets.create(ref, body, call.principal))

    def get(self, call: Call) -> dict[str, Any]:
        return dataset_resource(self._bq.datasets.get(_dataset(call)))

    def list(self, call: Call) -> dict[str, Any]:
        """Hidden datasets, whose names begin with an underscore, only where `all` are asked for."""
        found = self._bq.datasets.of_project(call.params["project"])
        if not call.flag("all"):
            found = [(name, body) for name, body in found if not name.rpartition("/")[2].startswith("_")]
        wanted = call.query.get("filter", "")
        items = [(name, body) for name, body in found if _has_labels(body, wanted)]
        return {"kind": "bigquery#datasetList"} | page_of(call, "datasets", items, default=50, render=dataset_item)

    def patch(self, call: Call) -> dict[str, Any]:
        match = call.headers.get("if-match", "")
        return dataset_resource(self._bq.datasets.change(_dataset(call), call.object(), whole=False, if_match=match))

    def update(self, call: Call) -> dict[str, Any]:
        match = call.headers.get("if-match", "")
        return dataset_resource(self._bq.datasets.change(_dataset(call), call.object(), whole=True, if_match=match))

    def delete(self, call: Call) -> Response:
        from local.cloud.bigquery.ddl import remove_dataset

        remove_dataset(self._bq, _dataset(call), contents=call.flag("deleteContents"))
        self._bq.cloud.policies.delete(_dataset(call).name)
        return no_content()


class TableApi:
    def __init__(self, bq: BigQuery) -> None:
        self._bq = bq
        self._inserted = InsertIds()

    def insert(self, call: Call) -> dict[str, Any]:
        body, dataset = call.object(), _dataset(call)
        reference = body.get("tableReference") or {}
        ref = TableRef(dataset.project, dataset.dataset, reference.get("tableId") or "")
        with self._bq.warehouse.writing():
            self._bq.tables.create(ref, body)
            self._fill_schema(ref, call.principal)
        return self._resource(ref)

    def get(self, call: Call) -> dict[str, Any]:
        ref = _table(call)
        if ref.anonymous:
            fields, rows = self._bq.results.schema(ref), self._bq.results.rows(ref)
            return {
                "kind": "bigquery#table",
                "tableReference": ref.api(),
                "schema": {"fields": fields},
                "numRows": str(rows),
            }
        return self._resource(ref)

    def list(self, call: Call) -> dict[str, Any]:
        dataset = _dataset(call)
        self._bq.datasets.get(dataset)
        found = self._bq.tables.of_dataset(dataset)
        items = [(name, _item(record["resource"])) for name, record in found]
        page = page_of(call, "tables", items, default=50)
        return {"kind": "bigquery#tableList", "totalItems": len(items)} | page

    def patch(self, call: Call) -> dict[str, Any]:
        return self._change(call, whole=False)

    def update(self, call: Call) -> dict[str, Any]:
        return self._change(call, whole=True)

    def delete(self, call: Call) -> Response:
        self._bq.tables.remove(_table(call))
        self._bq.cloud.policies.delete(_table(call).name)
        return no_content()

    def policy_resource(self, call: Call) -> str:
        parts = call.params["resource"].split("/")
        ref = TableRef(parts[1], parts[3], parts[5])
        self._bq.tables.get(ref)
        return ref.name

    def row_policies(self, call: Call) -> dict[str, Any]:
        self._bq.tables.get(_table(call))
        return {}

    # Rows

    def rows(self, call: Call) -> dict[str, Any]:
        ref = _table(call)
        if not ref.anonymous and (kind := self._bq.tables.get(ref.whole)["resource"]["type"]) in (*_VIEWS, "EXTERNAL"):
            raise problem("invalid", f"Cannot list a table of type {kind}.")
        page = self._bq.results.page(call, ref, selected=call.query.get("selectedFields", ""))
        return {"kind": "bigquery#tableDataList", "etag": page["totalRows"], **page}

    def insert_all(self, call: Call) -> dict[str, Any]:
        """Rows with an id that was inserted within the last minute are taken once."""
        from local.cloud.bigquery.streaming import insert_rows

        body, ref = call.object(), _table(call)
        rows = body.get("rows")
        if not isinstance(rows, list) or not rows:
            raise problem("required", "Required parameter is missing: rows", location="rows")
        if not all(isinstance(row, dict) for row in rows):
            raise problem("invalid", "Every row must be an object with insertId and json", location="rows")
        if suffix := body.get("templateSuffix"):
            ref = self._of_template(ref, str(suffix), call.principal)
        fresh = self._inserted.fresh(ref.name, rows)
        skip, ignore = bool(body.get("skipInvalidRows")), bool(body.get("ignoreUnknownValues"))
        errors = insert_rows(self._bq, ref, fresh, skip_invalid=skip, ignore_unknown=ignore)
        if not errors or skip:
            bad = {error["index"] for error in errors}
            self._inserted.note(ref.name, (each for index, each in fresh if index not in bad))
        answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
        return answer | ({"insertErrors": errors} if errors else {})

    def _of_template(self, ref: TableRef, suffix: str, user: str) -> TableRef:
        """The table of a template's name and a suffix, made like the template when the first rows come."""
        table = TableRef(ref.project, ref.dataset, f"{ref.table}{suffix}")
        permissions.may_write(self._bq, user, table)
        with self._bq.warehouse.writing():
            if self._bq.tables.find(table) is None:
                template = self._bq.tables.get(ref)["resource"]
                kept = ("schema", "timePartitioning", "rangePartitioning", "clustering")
                self._bq.tables.create(table, {key: template[key] for key in kept if key in template})
        return table

    # Within

    def _change(self, call: Call, *, whole: bool) -> dict[str, Any]:
        ref, wanted = _table(call), call.object()
        if not whole and wanted.get("schema", {}) is None:
            wanted = {key: value for key, value in wanted.items() if key != "schema"}  # as bq sends where it keeps it
        with self._bq.warehouse.writing():
            self._bq.tables.change(ref, wanted, whole=whole, if_match=call.headers.get("if-match", ""))
            self._fill_schema(ref, call.principal)
        return self._resource(ref)

    def _fill_schema(self, ref: TableRef, user: str) -> None:
        """Of a view, from its query; of an external table, from its files."""
        kind = self._bq.tables.get(ref)["resource"]["type"]
        if kind == "EXTERNAL":
            from local.cloud.bigquery.external import fill_external_schema

            fill_external_schema(self._bq, ref, user)
        if kind in _VIEWS:
            from local.cloud.bigquery.ddl import fill_view_schema
            from local.cloud.bigquery.naming import finder

            fill_view_schema(self._bq, ref, finder(self._bq), user)

    def _resource(self, ref: TableRef) -> dict[str, Any]:
        record = self._bq.tables.get(ref)
        resource = record["resource"]
        links = {"kind": "bigquery#table", "id": ref.label, "selfLink": f"{_API}/{ref.name}", "etag": etag_of(resource)}
        if resource["type"] in _VIEWS:
            return {**links, **resource}
        rows = self._bq.tables.committed_rows(record)
        size = str(record_bytes(self._bq.tables, record) if rows else 0)
        counts = {"numRows": str(rows), "numBytes": size, "numLongTermBytes": "0"}
        return {**links, **resource, **counts, "numTotalLogicalBytes": size, "numActiveLogicalBytes": size}


def _dataset(call: Call) -> DatasetRef:
    return DatasetRef(call.params["project"], call.params["dataset"])


def _table(call: Call) -> TableRef:
    return TableRef(call.params["project"], call.params["dataset"], call.params["table"])


def _item(resource: dict[str, Any]) -> dict[str, Any]:
    reference = resource["tableReference"]
    label = f"{reference['projectId']}:{reference['datasetId']}.{reference['tableId']}"
    kept = {key: resource[key] for key in (*_LISTED, *_LISTED_TOO) if key in resource}
    return {"kind": "bigquery#table", "id": label, **kept}


def _has_labels(dataset: dict[str, Any], wanted: str) -> bool:
    """`labels.key` and `labels.key:value`, all of them."""
    labels = dataset.get("labels") or {}
    for term in wanted.split():
        key, colon, value = term.removeprefix("labels.").partition(":")
        if key not in labels or (colon and labels[key] != value):
            return False
    return True
