"""The report of a run as one HTML page that needs nothing but itself, in the reader's dark or light.

Owns: the page. Does not own: the numbers (report.py) or the drawing of charts (charts.py).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from contracts.run_artifacts import PRIMARY_METRIC
from pipeline.charts import Span, bar_chart, line_chart, timeline
from pipeline.run_report import ModelReport, ReportExtras, RunReport, rivals

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --paper: #fff; --card: #f5f6f8; --line: #dde1e7;
  --accent: #2563a8; --other: #a9b4c2; --good: #1c7c4a; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --paper: #12161c; --card: #1b2129;
  --line: #323b47; --accent: #6aa5e8; --other: #56616f; --good: #5fbf8b; --bad: #ea7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 0 0 10px; }
p { margin: 4px 0; } .soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.grid-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; margin-top: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(125px, 1fr)); gap: 12px; margin: 18px 0; }
.tile, section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
section.wide { grid-column: 1 / -1; }
svg { width: 100%; max-width: 760px; height: auto; display: block; margin: 4px 0 10px; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .tick { fill: var(--soft); }
.bar { fill: var(--other); } .bar.strong { fill: var(--accent); } .bar.failed { fill: var(--bad); }
.line { fill: none; stroke: var(--accent); stroke-width: 2; } .dot { fill: var(--accent); }
line.grid { stroke: var(--line); } .wait { stroke: var(--soft); stroke-dasharray: 3 3; }
.mark { stroke: var(--ink); stroke-width: 2; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; } code { overflow-wrap: anywhere; }
@media (max-width: 520px) { .grid-cards { grid-template-columns: 1fr; } svg text { font-size: 18px; } }
"""


def page(report: RunReport, extras: ReportExtras) -> str:
    """The whole page."""
    run_id = report.pipeline_run.name.rpartition("/")[2]
    sections = [
        _quality(report.model, extras),
        _curve(report),
        _timeline(report),
        _decision(report),
        _card(report.model),
        _data(report, extras),
        _resources(extras),
        _cost(extras),
        _provenance(report),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(run_id)}</title><style>{_STYLE}</style></head><body><main>"
        f"{_head(report, extras, run_id)}{_tiles(report, extras)}"
        f'<div class="grid-cards">{"".join(sections)}</div></main></body></html>\n'
    )


def _head(report: RunReport, extras: ReportExtras, run_id: str) -> str:
    state = report.pipeline_run.state.removeprefix("PIPELINE_STATE_").lower()
    style = "good" if report.succeeded else "bad"
    where = f", stack {escape(extras.stack)}" if extras.stack else ""
    where += f", {escape(extras.engine)} engine" if where and extras.engine else ""
    failure = "".join(f'<p class="bad">{escape(line)}</p>' for line in report.failure)
    return (
        f'<h1>{escape(run_id)} <span class="{style}">{escape(state)}</span></h1>'
        f'<p class="soft">submitted {escape(_moment(report.pipeline_run.submitted))}{where}</p>'
        f"{failure}"
    )


def _moment(submitted: str) -> str:
    """To the second: `2026-01-31 09:30:00 UTC`."""
    return f"{datetime.fromisoformat(submitted).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _tiles(report: RunReport, extras: ReportExtras) -> str:
    tiles = []
    if report.model is not None:
        tiles += [(f"{value:.4f}", name) for name, value in list(report.model.metrics.items())[:3]]
        tiles.append(("yes" if report.model.champion else "no", "champion now"))
    if report.pipeline_run.seconds is not None:
        tiles.append((f"{report.pipeline_run.seconds:.0f} s", "submission to end"))
    if report.custom_job is not None and report.custom_job.seconds_to_first_step is not None:
        tiles.append((f"{report.custom_job.seconds_to_first_step:.1f} s", "job created to first training step"))
    if extras.cost_per_day_usd:
        tiles.append((f"${sum(extras.cost_per_day_usd.values()):,.2f}", "per day on Google Cloud"))
    cells = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for value, name in tiles)
    return f'<div class="tiles">{cells}</div>'


def _quality(model: ModelReport | None, extras: ReportExtras) -> str:
    if model is None:
        return ""
    charts = []
    for metric in model.metrics:
        values = {name: metrics[metric] for name, metrics in rivals(model, extras.oracle).items() if metric in metrics}
        charts.append(f"<h2>{escape(metric)}</h2>{bar_chart(values, title=metric, emphasis='this model')}")
    note = f"{escape(model.protocol)}; {model.users:,} users, {model.items:,} items"
    return _section("".join(charts) + f'<p class="soft">{note}</p>')


def _curve(report: RunReport) -> str:
    training = report.training
    if training is None or not training.curve:
        return ""
    charts = []
    metric = [
        (point.seconds, point.metrics[PRIMARY_METRIC]) for point in training.curve if PRIMARY_METRIC in point.metrics
    ]
    if metric:
        drawn = line_chart(metric, title="Learning curve", x_name="s", y_name=PRIMARY_METRIC)
        charts.append(f"<h2>{PRIMARY_METRIC} on the validation items</h2>{drawn}")
    loss = [(point.seconds, point.train_loss) for point in training.curve]
    charts.append(f"<h2>Training loss</h2>{line_chart(loss, title='Training loss', x_name='s', y_name='loss')}")
    note = f"{training.steps:,} steps in {training.seconds:.1f} s, stopped by {training.stopped_by.replace('_', ' ')}"
    return _section("".join(charts) + f'<p class="soft">{escape(note)}</p>')


def _timeline(report: RunReport) -> str:
    spans = []
    job = report.custom_job
    for task in report.pipeline_run.tasks:
        if task.ended_at is None or task.seconds is None:
            continue
        begun = task.ended_at - task.seconds
        first = job.seconds_to_first_step if job and task.name == "train" else None
        created = task.created_at if task.created_at is not None else begun
        mark = None if first is None else min(created + first, task.ended_at)
        spans.append(Span(task.name, created, begun, task.ended_at, task.state, mark, "first training step"))
    if not spans:
        return ""
    told = "The line in the training bar is the first training step." if any(span.mark for span in spans) else ""
    drawn = timeline(spans, title="From submission to registration")
    return _section(f'<h2>From submission to registration</h2>{drawn}<p class="soft">{told}</p>', wide=True)


def _decision(report: RunReport) -> str:
    if report.model is None or not report.model.reasons:
        return ""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.model.reasons)
    return _section(f"<h2>Gate: {escape(report.model.decision)}</h2><ul>{reasons}</ul>")


def _card(model: ModelReport | None) -> str:
    if model is None or model.card is None:
        return ""
    words = "".join(f"<p>{escape(line)}</p>" for line in model.card.words)
    page = f'<p class="soft">The whole card: <code>{escape(model.card_uri)}</code></p>'
    return _section(f"<h2>Model card: {escape(model.card.verdict)}</h2>{words}{page}")


def _data(report: RunReport, extras: ReportExtras) -> str:
    rows: list[tuple[str, str]] = [("source", extras.data_description)] if extras.data_description else []
    if report.data is not None:
        data = report.data
        rows += [
            (
                "interactions",
                f"{data.interactions:,} ({data.history_rows:,} staged, {data.recent_rows:,} from the log)",
            ),
            ("users, items", f"{data.users:,}, {data.items:,}"),
            ("times", str(data.time_unit)),
            ("exact duplicates dropped", f"{data.dropped_duplicates:,}"),
            ("fingerprint", data.fingerprint),
        ]
    rows += [(found.verdict, str(found)) for found in (report.validation.findings if report.validation else ())]
    return _section(f"<h2>Data</h2>{_pairs(rows)}") if rows else ""


def _resources(extras: ReportExtras) -> str:
    rows = [(name, str(count)) for name, count in extras.resources.items()]
    rows += [(f"{name} (seconds)", f"{value:.1f}") for name, value in extras.seconds.items()]
    return _section(f"<h2>Stack</h2>{_pairs(rows)}") if rows else ""


def _cost(extras: ReportExtras) -> str:
    if not extras.cost_per_day_usd:
        return ""
    rows = [(name, f"${value:,.2f}") for name, value in extras.cost_per_day_usd.items()]
    rows.append(("together", f"${sum(extras.cost_per_day_usd.values()):,.2f}"))
    note = f'<p class="soft">{escape(extras.cost_note)}</p>' if extras.cost_note else ""
    return _section(f"<h2>What a day would cost on Google Cloud</h2>{_pairs(rows)}{note}")


def _provenance(report: RunReport) -> str:
    rows: list[tuple[str, str]] = []
    if report.model is not None:
        rows += [
            ("model", report.model.uri),
            ("version", report.model.version),
            ("champion", report.model.champion_version),
            ("model card", report.model.card_uri),
        ]
    if report.training is not None:
        rows.append(("git", report.training.git_sha))
    if report.custom_job is not None:
        job = report.custom_job
        rows += [
            ("training job", f"{job.name} {job.state}"),
            ("pool", job.persistent_resource_id or "on demand"),
            ("machine", f"{job.replicas} × {job.machine_type}"),
        ]
    shown = [(name, value) for name, value in rows if value]
    return _section(f"<h2>Where it is</h2>{_pairs(shown)}", wide=True) if shown else ""


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td><code>{escape(value)}</code></td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _section(content: str, *, wide: bool = False) -> str:
    return f"<section{' class=wide' if wide else ''}>{content}</section>"
