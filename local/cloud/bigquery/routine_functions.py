"""Stored functions in queries: what the call of one stands for, and whether one runs that is about to be stored.

Does not own: routines (routines.py), the replacement of calls (substitution.py), and functions in other languages,
table functions and procedures, which it refuses.
"""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery import permissions
from local.cloud.bigquery.problems import not_found, problem
from local.cloud.bigquery.routines import Check, RoutineRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.standard_types import data_type
from local.cloud.bigquery.substitution import Function, Names, Stored


def stored_functions(bq: BigQuery, project: str, user: str) -> Stored:
    """What `dataset.function` and `project.dataset.function` stand for in the query of a user."""

    def find(place: str, name: str) -> Function:
        of, _, named = place.rpartition(".")
        ref = RoutineRef(bq.cloud.projects.id_of(of or project), named, name)
        if bq.routines.find(ref) is None:
            raise not_found("Routine", ref.label)
        if user:
            permissions.require(bq, user, "routines.get", ref.name)
        return function_of(bq.routines.get(ref))

    return find


def runs(bq: BigQuery, ref: RoutineRef, user: str) -> Check:
    """A check of a function's body: a query of it on nothing. One with an argument of any type is only read."""

    def check(resource: dict[str, Any]) -> None:
        import duckdb

        from local.cloud.bigquery.described import described
        from local.cloud.bigquery.dialect import in_duckdb
        from local.cloud.bigquery.naming import finder
        from local.cloud.bigquery.problems import of_duckdb
        from local.cloud.bigquery.translate import Context, prepared, resolve_query

        function = function_of(resource)
        if any(kind is None for _, kind in function.parameters):
            return
        names = Names(functions={"_": function}, stored=stored_functions(bq, ref.project, user))
        call = exp.Anonymous(this="_", expressions=[exp.null() for _ in function.parameters])
        tree = prepared(exp.select(call), names, [])
        query, tables = resolve_query(tree, Context(ref.project, user=user, names=names), finder(bq, user))
        permissions.may_read(bq, user, tables)
        with bq.warehouse.reading() as cursor:
            try:
                described(cursor, in_duckdb(query))
            except duckdb.Error as error:
                raise of_duckdb(error) from None

    return check


def function_of(resource: dict[str, Any]) -> Function:
    """Raises for a routine that is no function in SQL, or has no body that can be read."""
    from local.cloud.bigquery.translate import parse

    kind, language = resource.get("routineType"), str(resource.get("language") or "SQL").upper()
    if kind != "SCALAR_FUNCTION" or language not in ("SQL", "LANGUAGE_UNSPECIFIED"):
        what = f"routineType {kind!r} in {language}"
        raise problem("notImplemented", f"The local cloud's BigQuery has no routines of {what}: SCALAR_FUNCTION in SQL")
    if not resource.get("definitionBody"):
        raise problem("required", "Required parameter is missing: definitionBody", location="definitionBody")
    body = parse(f"SELECT ({resource['definitionBody']})").expressions[0]
    if resource.get("returnType"):
        body = exp.Cast(this=body, to=data_type(resource["returnType"]))
    arguments = resource.get("arguments") or []
    return Function(tuple((str(each.get("name", "")).lower(), _declared(each)) for each in arguments), body)


def _declared(argument: dict[str, Any]) -> exp.DataType | None:
    if argument.get("argumentKind") == "ANY_TYPE":
        return None
    return data_type(argument.get("dataType") or {})
