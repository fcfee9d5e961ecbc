"""What `make up` leaves behind to be read: `.local/report.json`, `.local/report.html` and the table on the terminal.

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

    def write_run(self, layout: Layout, outputs: StackOutputs, run_name: str) -> bool:
        """Write and print the report of a submitted run; True if the run succeeded."""
        from rich.console import Console

        run = report.collect(outputs, run_name)
        extras = self._extras(outputs)
        _write(layout.report_json, json.dumps(report.to_json(run, extras) | self._ingested(), indent=1) + "\n")
        _write(layout.report_html, report.to_html(run, extras))
        Console().print(report.table(run, extras))
        return run.succeeded

    def write_failure(self, layout: Layout, stage: str, reason: str) -> None:
        """Write the report of an `up` that ended before a run was submitted."""
        began = {"name": "", "state": "NOT_SUBMITTED", "tasks": [{"name": stage, "state": "FAILED", "seconds": None}]}
        body = self._extras(None).model_dump(mode="json") | self._ingested()
        body |= {"pipeline_run": began, "custom_job": None, "model": None, "failure": [reason]}
        _write(layout.report_json, json.dumps(body, indent=1) + "\n")
        layout.report_html.unlink(missing_ok=True)

    def _ingested(self) -> dict[str, Any]:
        return {"ingestion": self.ingestion}

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
    for pool in (outputs.training_pool, outputs.steps_pool):
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
