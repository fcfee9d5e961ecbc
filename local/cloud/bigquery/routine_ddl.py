"""CREATE FUNCTION and DROP FUNCTION of functions that datasets hold.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_function_statement
"""

from typing import Any

from sqlglot import exp

from local.cloud.bigquery import permissions
from local.cloud.bigquery.column_definitions import field_typed
from local.cloud.bigquery.job import Outcome, ddl_outcome
from local.cloud.bigquery.problems import duplicate, unsupported
from local.cloud.bigquery.routine_functions import runs
from local.cloud.bigquery.routines import RoutineRef
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.standard_types import standard_of
from local.cloud.bigquery.translate import Context, table_of


def create_function(bq: BigQuery, tree: exp.Create, context: Context) -> Outcome:
    """Its resource is what routines.insert would have been sent."""
    definition = tree.this
    ref = _ref(definition.this, context)
    target = {"ddlTargetRoutine": ref.api()}
    permissions.require(bq, context.user, "routines.create", ref.parent)
    held = bq.routines.find(ref)
    if held and tree.args.get("exists"):
        return ddl_outcome("CREATE_FUNCTION", "SKIP", target)
    if held and not tree.args.get("replace"):
        raise duplicate("Routine", ref.label)
    body, check = _resource(tree, definition), runs(bq, ref, context.user)
    if not held:
        bq.routines.create(ref, body, check)
        return ddl_outcome("CREATE_FUNCTION", "CREATE", target)
    permissions.require(bq, context.user, "routines.update", ref.name)
    bq.routines.replace(ref, body, check)
    return ddl_outcome("CREATE_FUNCTION", "REPLACE", target)


def drop_function(bq: BigQuery, tree: exp.Drop, context: Context) -> Outcome:
    ref = _ref(tree.args["tables"][0] if tree.args.get("tables") else tree.this, context)
    target = {"ddlTargetRoutine": ref.api()}
    permissions.require(bq, context.user, "routines.delete", ref.name)
    if bq.routines.find(ref) is None and tree.args.get("exists"):
        return ddl_outcome("DROP_FUNCTION", "SKIP", target)
    bq.routines.remove(ref)
    return ddl_outcome("DROP_FUNCTION", "DROP", target)


def _ref(node: exp.Expr, context: Context) -> RoutineRef:
    named = table_of(node, context)
    return RoutineRef(named.project, named.dataset, named.table)


def _resource(tree: exp.Create, definition: exp.Expr) -> dict[str, Any]:
    properties = tree.args.get("properties")
    if properties and properties.find(exp.LanguageProperty):
        raise unsupported("functions in another language than SQL")
    body = tree.expression
    if isinstance(body, exp.Query) and not isinstance(body, exp.Subquery):
        raise unsupported("CREATE TABLE FUNCTION")
    resource: dict[str, Any] = {
        "routineType": "SCALAR_FUNCTION",
        "language": "SQL",
        "arguments": [_argument(each) for each in definition.expressions],
        "definitionBody": (body.this if isinstance(body, exp.Paren) else body).sql("bigquery"),
    }
    returns = properties.find(exp.ReturnsProperty) if properties else None
    return resource | ({"returnType": standard_of(field_typed("v", returns.this))} if returns else {})


def _argument(definition: exp.Expr) -> dict[str, Any]:
    kind = definition.args.get("kind")
    if kind is None or kind.this == exp.DataType.Type.VARIANT:
        return {"name": definition.name, "argumentKind": "ANY_TYPE"}
    return {"name": definition.name, "dataType": standard_of(field_typed(definition.name, kind))}
