"""Scripts: a query job whose statements are jobs of their own.

Owns: variables, conditions, loops, handlers, temporary tables and functions. Does not own: the reading of the text
(script.py) or a single statement (query_job.py). Source:
https://cloud.google.com/bigquery/docs/multi-statement-queries
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from local.cloud.bigquery.job import Job, Outcome, child_name
from local.cloud.bigquery.parameters import literal
from local.cloud.bigquery.problems import invalid_query, problem, unsupported
from local.cloud.bigquery.references import DatasetRef, TableRef
from local.cloud.bigquery.schema import Field
from local.cloud.bigquery.script import Step, clauses_of, is_temporary
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.substitution import Function
from local.cloud.bigquery.translate import Context, parse
from local.cloud.errors import ApiError

_MOST_STATEMENTS = 10_000


@dataclass(slots=True)
class _Jump(Exception):
    """BREAK, CONTINUE or RETURN on its way to what it leaves."""

    kind: str


class _RolledBack(Exception):
    """Ends a transaction without its changes."""


@dataclass(slots=True)
class Means:
    """What carries a statement out, and what answers a query; query_job's, which imports this module."""

    run: Callable[[BigQuery, Job, str, Context], Outcome]
    rows: Callable[[BigQuery, Job, str, Context], "tuple[list[Field], list[dict[str, Any]]]"]


def run_script(bq: BigQuery, job: Job, steps: list[Step], context: Context, means: Means) -> Outcome:
    """The outcome has the last query's result. What statements did before one that fails, stays done."""
    script = _Script(bq, job, context, means)
    outcome = Outcome({"query": {"statementType": "SCRIPT"}})
    try:
        script.run(steps)
    except _Jump as jump:
        if jump.kind != "RETURN":
            raise invalid_query(f"{jump.kind} is only allowed inside of a loop body") from None
    except ApiError as error:
        error.children = script.children  # type: ignore[attr-defined]
        raise
    finally:
        script.end_transaction(commit=False)
        script.forget_tables()
        job.child = None
    outcome.children = script.children
    outcome.result = next((done.result for _, done, _ in reversed(script.children) if done.result), None)
    outcome.total_bytes = sum(done.total_bytes for _, done, _ in script.children)
    outcome.statistics["numChildJobs"] = str(len(script.children))
    last = script.children[-1][1].statistics.get("query", {}) if script.children else {}
    outcome.statistics["query"] |= {key: last[key] for key in ("numDmlAffectedRows", "dmlStats") if key in last}
    return outcome


def define_function(context: Context, text: str) -> None:
    """CREATE TEMP FUNCTION: its name stands for its expression from now on."""
    tree = parse(text)
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.UserDefinedFunction):
        raise invalid_query(f"Syntax error: {text.split('(', 1)[0]} defines no function")
    properties = tree.args.get("properties")
    if properties and properties.find(exp.LanguageProperty):
        raise unsupported("functions in another language than SQL")
    body = tree.expression
    if isinstance(body, exp.Query):
        body = exp.Subquery(this=body)
    parameters = tuple((each.name.lower(), _declared(each.args.get("kind"))) for each in tree.this.expressions)
    context.names.functions[tree.this.this.name.lower()] = Function(parameters, body)


def _declared(kind: Any) -> exp.DataType | None:
    """None for ANY TYPE."""
    return None if kind is None or kind.this == exp.DataType.Type.VARIANT else kind


class _Script:
    def __init__(self, bq: BigQuery, job: Job, context: Context, means: Means) -> None:
        self.children: list[tuple[Job, Outcome, ApiError | None]] = []
        self._bq = bq
        self._job = job
        self._context = context
        self._means = means
        self._names = context.names
        self._names.system |= {"project_id": job.project, "row_count": "0", "time_zone": "UTC"}
        self._names.system["script.job_id"] = job.job_id
        self._open: AbstractContextManager[Any] | None = None
        self._hidden = DatasetRef(job.project, f"_script{secrets.token_hex(20)}")

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            if self._job.cancelled:
                raise problem("stopped", "Job execution was cancelled: User requested cancellation")
            self._step(step)

    def _step(self, step: Step) -> None:
        carry_out = _STEPS.get(step.kind)
        if carry_out is None:
            raise unsupported(f"{step.kind} in a script")
        carry_out(self, step)

    def _statement(self, step: Step) -> None:
        if is_temporary(step, "FUNCTION"):
            define_function(self._context, step.text)
            return
        if is_temporary(step, "TABLE"):
            self._name_table(step.text)
        self._run_child(step.text)

    def _run_child(self, text: str) -> None:
        if len(self.children) >= _MOST_STATEMENTS:
            raise problem("resourcesExceeded", f"The script runs more than {_MOST_STATEMENTS} statements")
        name = child_name(self._job.name, len(self.children))
        job_id = name.rpartition("/")[2]
        query = {key: value for key, value in self._job.configuration["query"].items() if key != "destinationTable"}
        configuration = {**self._job.configuration, "query": {**query, "query": text}}
        child = replace(self._job, name=name, job_id=job_id, configuration=configuration, child=None)
        self._job.child = child
        try:
            outcome = self._means.run(self._bq, child, text, self._context)
        except ApiError as error:
            self.children.append((child, Outcome(), error))
            raise
        self.children.append((child, outcome, None))
        changed = outcome.statistics.get("query", {}).get("numDmlAffectedRows")
        self._names.system["row_count"] = changed or "0"

    def _name_table(self, text: str) -> None:
        """A temporary table lives in a dataset of the script's own, whose name nobody knows."""
        tree = parse(text)
        node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        if not self._bq.datasets.exists(self._hidden):
            self._bq.datasets.create(self._hidden, {"location": self._job.location}, self._job.user)
        self._names.tables[node.name.lower()] = TableRef(self._hidden.project, self._hidden.dataset, node.name)

    def forget_tables(self) -> None:
        from local.cloud.bigquery.ddl import remove_dataset

        if self._bq.datasets.exists(self._hidden):
            remove_dataset(self._bq, self._hidden, contents=True)

    # Variables

    def _declare(self, step: Step) -> None:
        tree = parse(step.text)
        for item in tree.expressions:
            default, kind = (item.args.get(key) or None for key in ("default", "kind"))
            if default is None and kind is None:
                raise invalid_query("Syntax error: a variable needs a type or a default")
            value = default.sql("bigquery") if default is not None else "NULL"
            wanted = f"CAST(({value}) AS {kind.sql('bigquery')})" if kind is not None else value
            for name in item.this if isinstance(item.this, list) else [item.this]:
                if name.name.lower() in self._names.variables:
                    raise invalid_query(f"Variable '{name.name}' redeclaration")
                self._names.variables[name.name.lower()] = self._value(wanted)

    def _set(self, step: Step) -> None:
        """`SET x = …` and `SET (x, y) = (…)`."""
        left, equals, right = step.text[3:].partition("=")
        if not equals:
            raise invalid_query("Syntax error: Expected '=' in SET")
        names = [each.strip(" `\n\t").lower() for each in left.strip().strip("()").split(",")]
        for name in names:
            if name not in self._names.variables:
                raise invalid_query(f"Undeclared variable: {name}")
        if len(names) == 1:
            self._names.variables[names[0]] = self._cast(names[0], self._value(right))
            return
        [field], [row] = self._rows(f"SELECT STRUCT({right.strip().strip('()')}) AS v")
        for name, inner in zip(names, field["fields"], strict=True):
            self._names.variables[name] = self._cast(name, literal(inner, row["v"][inner["name"]]))

    def _cast(self, name: str, value: exp.Expr) -> exp.Expr:
        """A variable keeps its type."""
        held = self._names.variables[name]
        if not isinstance(held, exp.Cast) or not isinstance(value, exp.Cast) or held.to == value.to:
            return value
        return exp.Cast(this=value, to=held.to.copy())

    def _value(self, expression: str) -> exp.Expr:
        [field], [row] = self._rows(f"SELECT {expression} AS v")
        return literal(field, row["v"])

    def _rows(self, text: str) -> "tuple[list[Field], list[dict[str, Any]]]":
        return self._means.rows(self._bq, self._job, text, self._context)

    def _holds(self, condition: str) -> bool:
        return self._rows(f"SELECT CAST(({condition}) AS BOOL) AS v")[1][0]["v"] is True

    # Steering

    def _if(self, step: Step) -> None:
        for condition, body in step.branches:
            if self._holds(condition):
                self.run(body)
                return
        self.run(step.body)

    def _loop(self, step: Step) -> None:
        while step.kind == "LOOP" or self._holds(step.text):
            if not self._body(step.body):
                return

    def _for(self, step: Step) -> None:
        name, word, query = step.text.split(None, 2)
        if word.upper() != "IN":
            raise invalid_query(f"Syntax error: Expected IN but got {word}")
        fields, rows = self._rows(query.strip().removeprefix("(").removesuffix(")"))
        record: Field = {"name": name, "type": "RECORD", "fields": fields}
        for row in rows:
            self._names.variables[name.lower()] = literal(record, row)
            if not self._body(step.body):
                break
        self._names.variables.pop(name.lower(), None)

    def _body(self, body: list[Step]) -> bool:
        """False when a BREAK has ended the loop."""
        try:
            self.run(body)
        except _Jump as jump:
            if jump.kind == "RETURN":
                raise
            return jump.kind in ("CONTINUE", "ITERATE")
        return True

    def _begin(self, step: Step) -> None:
        held = dict(self._names.variables)
        try:
            self.run(step.body)
        except ApiError as error:
            if not step.branches or error.reason == "stopped":
                raise
            self._names.system["error.message"] = error.message
            self.run(step.branches[0][1])
        finally:
            changed = self._names.variables
            self._names.variables = {name: changed.get(name, value) for name, value in held.items()}

    def _jump(self, step: Step) -> None:
        raise _Jump({"LEAVE": "BREAK", "ITERATE": "CONTINUE"}.get(step.kind, step.kind))

    def _execute(self, step: Step) -> None:
        """EXECUTE IMMEDIATE text [INTO variables] [USING values]."""
        words = step.text.split(None, 2)
        if len(words) < 3 or words[1].upper() != "IMMEDIATE":
            raise invalid_query("Syntax error: EXECUTE must be followed by IMMEDIATE and an expression")
        clauses = clauses_of(words[2], ("INTO", "USING"))
        [row] = self._rows(f"SELECT {clauses['']} AS v")[1]
        given = self._given(clauses["USING"]) if "USING" in clauses else []
        held, self._names.given = self._names.given, given
        try:
            self._immediate(row["v"], clauses.get("INTO", ""))
        finally:
            self._names.given = held

    def _given(self, using: str) -> list[dict[str, Any]]:
        """The values of USING, those with an alias by that name."""
        values = parse(f"SELECT {using}").expressions
        names = [each.alias for each in values]
        numbered = ", ".join(f"({each.unalias().sql('bigquery')}) AS v{at}" for at, each in enumerate(values))
        fields, [row] = self._rows(f"SELECT {numbered}")
        pairs = zip(names, fields, strict=True)
        return [{"name": name, "literal": literal(field, row[field["name"]])} for name, field in pairs]

    def _immediate(self, text: str, into: str) -> None:
        if not into:
            self._run_child(text)
            return
        fields, rows = self._rows(text)
        if len(rows) > 1:
            raise invalid_query("EXECUTE IMMEDIATE INTO: the query gives more than one row")
        for name, field in zip(into.split(","), fields, strict=True):
            value = rows[0][field["name"]] if rows else None
            self._names.variables[name.strip().lower()] = literal(field, value)

    # Transactions

    def _transaction(self, step: Step) -> None:
        """BEGIN TRANSACTION, COMMIT TRANSACTION and ROLLBACK TRANSACTION."""
        word = step.text.split(None, 1)[0].upper()
        if word == "BEGIN":
            if self._open is not None:
                raise invalid_query("Transactions cannot be nested: commit or roll back the one that is open")
            self._open = self._bq.warehouse.writing()
            self._open.__enter__()
            return
        if self._open is None:
            raise invalid_query(f"Cannot {word.lower()}: no transaction is open")
        self.end_transaction(commit=word == "COMMIT")

    def end_transaction(self, *, commit: bool) -> None:
        held, self._open = self._open, None
        if held is not None:
            failure = None if commit else _RolledBack()
            held.__exit__(type(failure) if failure else None, failure, None)

    def _raise(self, step: Step) -> None:
        _, _, message = step.text.partition("=")
        raise invalid_query(self._rows(f"SELECT {message or repr('An error was raised')} AS v")[1][0]["v"])


_STEPS: dict[str, Callable[[_Script, Step], None]] = {
    "STATEMENT": _Script._statement,
    "DECLARE": _Script._declare,
    "SET": _Script._set,
    "IF": _Script._if,
    "WHILE": _Script._loop,
    "LOOP": _Script._loop,
    "FOR": _Script._for,
    "BEGIN": _Script._begin,
    "BREAK": _Script._jump,
    "LEAVE": _Script._jump,
    "CONTINUE": _Script._jump,
    "ITERATE": _Script._jump,
    "RETURN": _Script._jump,
    "EXECUTE": _Script._execute,
    "RAISE": _Script._raise,
    "TRANSACTION": _Script._transaction,
}
