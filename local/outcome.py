"""What `make up` leaves behind to be read: `.local/report.json`, `.local/report.html`, `.local/card.html` (the model's)
and the table on the terminal.

Owns: what the local stack adds to a run's own report (resources, seconds, cost, data). Does not own: the run's report
(pipeline/report.py).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.stack_outputs import StackOutputs
from infra.prices import pool_cost_per_day
from local.engines import EngineResult
from local.layout import STACK, Layout
from pipeline import report
from pipeline.row_rules import Finding
from pipeline.run_report import ReportExtras


@dataclass
class Outcome:
    """Gathered while `make up` goes on, so that a run that fails is reported as far as it came."""

    engine: str
    engine_result: EngineResult = field(default_factory=EngineResult)
    seconds: dict[str, float] = field(default_factory=dict)
    data_description: str = ""
    oracle: dict[str, float] = field(default_factory=dict)
    ingestion: dict[str, Any] | None = None
    earlier_runs: list[dict[str, str]] = field(default_factory=list)
    stage: str = "data"  # the link of the chain that is under way
    run_name: str = ""

    def write_run(self, layout: Layout, outputs: StackOutputs, run_name: str) -> bool:
        """Write and print the report of a submitted run; True if the run succeeded."""
        from rich.console import Console

        run = report.collect(outputs, run_name)
        extras = self._extras(outputs)
        _write(layout.report_json, json.dumps(report.to_json(run, extras) | self._around(), indent=1) + "\n")
        _write(layout.report_html, report.to_html(run, extras))
        self._copy_card(layout, report.card_page(outputs, run))
        Console().print(report.table(run, extras))
        return run.succeeded

    def write_failure(self, layout: Layout, reason: str) -> None:
        """Write the report of an `up` that ended before its run did."""
        failed = {"name": self.stage, "state": "FAILED", "seconds": None}
        state = "NOT_FOLLOWED" if self.run_name else "NOT_SUBMITTED"
        body = self._extras(None).model_dump(mode="json") | self._around()
        body |= {"pipeline_run": {"name": self.run_name, "state": state, "tasks": [failed]}, "custom_job": None}
        body |= {"model": None, "failure": [*reason.splitlines(), *self._refusals()]}
        _write(layout.report_json, json.dumps(body, indent=1) + "\n")
        layout.report_html.unlink(missing_ok=True)
        self._copy_card(layout, None)

    def _copy_card(self, layout: Layout, page: str | None) -> None:
        """No card of an earlier run may be taken for this one's."""
        if page is None:
            layout.card_html.unlink(missing_ok=True)
        else:
            _write(layout.card_html, page)

    def _around(self) -> dict[str, Any]:
        return {"ingestion": self.ingestion, "earlier_runs": self.earlier_runs}

    def _refusals(self) -> list[str]:
        """Each rule that the data broke, with its rows, in words."""
        findings = self.ingestion["report"]["findings"] if self.ingestion else []
        return [str(Finding(**found)) for found in findings if found["verdict"] == "refused"]

    def _extras(self, outputs: StackOutputs | None) -> ReportExtras:
        costs, note = _costs(outputs) if outputs else ({}, "")
        return ReportExtras(
            stack=STACK,
            engine=self.engine,
            resources=self.engine_result.counts(),
            seconds={name: round(value, 2) for name, value in self.seconds.items()},
            cost_per_day_usd=costs,
            cost_note=note,
            data_description=self.data_description,
            oracle=self.oracle,
        )


def _costs(outputs: StackOutputs) -> tuple[dict[str, float], str]:
    """What the stack's pools would cost per day at Google, and what is not known of it."""
    costs, unknown = {}, []
    for pool in (*outputs.training_pools, outputs.steps_pool):
        if not pool.persistent_resource_id:  # hibernated
            continue
        cost = pool_cost_per_day(pool, outputs.region)
        if cost.high is None:
            unknown.append(f"{pool.persistent_resource_id}: {cost.reason}")
        else:
            costs[f"pool {pool.persistent_resource_id}"] = round(cost.high, 2)
    paid = "List prices of the pools, which bill for every hour that they exist. Storage and BigQuery come on top."
    return costs, " ".join([paid, *unknown])


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
