"""The model card as one HTML page that needs nothing but itself, in the reader's dark or light.

Owns: the page. Does not own: the words and numbers (card.py) or the drawing (plots.py).
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from train.card import NOT_WORTH, WORTH
from train.metrics import PRIMARY
from train.plots import Bar, bars, curve, shares

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --paper: #fff; --card: #f5f6f8; --line: #dde1e7;
  --accent: #2563a8; --other: #a9b4c2; --good: #1c7c4a; --bad: #b3372f; --tail: #c58b2a; --new: #8a5cab; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --paper: #12161c; --card: #1b2129;
  --line: #323b47; --accent: #6aa5e8; --other: #56616f; --good: #5fbf8b; --bad: #ea7b72; --tail: #d9a650;
  --new: #b48ad0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 16px; margin: 0 0 10px; } h3 { font-size: 14px; margin: 10px 0 4px; }
p { margin: 6px 0; max-width: 75ch; } .soft { color: var(--soft); } .good { color: var(--good); }
.bad { color: var(--bad); }
.grid-cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; margin-top: 18px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .tick { fill: var(--soft); }
svg .inside { fill: var(--paper); }
.bar { fill: var(--other); } .bar.strong, .dot, .part0 { fill: var(--accent); } .part1 { fill: var(--good); }
.part2 { fill: var(--tail); } .part3 { fill: var(--new); }
.line { fill: none; stroke: var(--accent); stroke-width: 2; } .grid { stroke: var(--line); }
.whisker { stroke: var(--ink); stroke-width: 2; } .mark { stroke: var(--bad); stroke-width: 3; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; } code { overflow-wrap: anywhere; }
@media (max-width: 520px) { .grid-cards { grid-template-columns: 1fr; } svg text { font-size: 18px; } }
"""


def page(card: Mapping[str, Any]) -> str:
    """The whole page."""
    style = {WORTH: "good", NOT_WORTH: "bad"}.get(card["verdict"], "soft")
    words = "".join(f"<p>{escape(line)}</p>" for line in card["words"])
    sections = [_models(card), _curve(card), *_slices(card), _shown(card), _numbers(card), _facts(card)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Model card of {escape(card['run_id'])}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{escape(card["run_id"])}: <span class="{style}">{escape(card["verdict"])}</span></h1>{words}'
        f'<div class="grid-cards">{"".join(sections)}</div></main></body></html>\n'
    )


def _models(card: Mapping[str, Any]) -> str:
    quality = card["quality"]
    rows = [
        Bar("this model", quality["model"]["metrics"][PRIMARY], quality["model"]["intervals"][PRIMARY], strong=True)
    ]
    if quality["champion"]:
        rows.append(Bar("champion", quality["champion"]["metrics"][PRIMARY], quality["champion"]["intervals"][PRIMARY]))
    intervals = quality["baseline_intervals"]
    rows += [Bar(name, metrics[PRIMARY], intervals[name]) for name, metrics in quality["baselines"].items()]
    missing = "".join(
        f'<p class="soft">{escape(name)} is left out: {escape(why)}.</p>' for name, why in card["left_out"].items()
    )
    drawn = bars(rows, title=f"{PRIMARY} of the model and its rivals")
    return _section(f"{PRIMARY} with 95% intervals", drawn + missing)


def _curve(card: Mapping[str, Any]) -> str:
    points = [(each["seconds"], each["metrics"][PRIMARY]) for each in card["curve"] if PRIMARY in each["metrics"]]
    if not points:
        return ""
    return _section(f"{PRIMARY} on the validation items", curve(points, title="Learning curve", x_name="s"))


def _slices(card: Mapping[str, Any]) -> list[str]:
    found = []
    best = max(card["quality"]["baselines"], key=lambda name: card["quality"]["baselines"][name][PRIMARY])
    for kind, groups in card["quality"]["slices"].items():
        rows = [
            Bar(
                f"{group['name']} ({group['users']:,})",
                group["metrics"][PRIMARY],
                group["interval"],
                mark=group["rivals"][best],
                strong=True,
            )
            for group in groups
        ]
        title = f"{PRIMARY} by {kind.replace('_', ' ')}"
        note = f'<p class="soft">In brackets: how many users. The mark is {escape(best)}, the best baseline.</p>'
        found.append(_section(title, bars(rows, title=title) + note))
    return found


def _shown(card: Mapping[str, Any]) -> str:
    drawn = shares(card["shown"], title="Who gets the first ten places")
    note = (
        '<p class="soft">Items by popularity: head, middle and tail have a third of all events each. '
        "The nearer a row is to that of the held-out items, the less it favours the best-sellers.</p>"
    )
    return _section("Who gets the first ten places", drawn + note)


def _numbers(card: Mapping[str, Any]) -> str:
    quality = card["quality"]["model"]
    rows = []
    for name, value in quality["metrics"].items():
        low_high = quality["intervals"].get(name)
        interval = f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
        rows.append(
            f'<tr><th>{escape(name)}</th><td class="number">{value:.4f}</td><td class="number">{interval}</td></tr>'
        )
    return _section("All metrics of this model, with 95% intervals", f"<table>{''.join(rows)}</table>")


def _facts(card: Mapping[str, Any]) -> str:
    minutes = card["cpu_minutes"]
    facts = {"CPU-minutes of training": "unknown" if minutes is None else f"{minutes:.2f}"}
    facts |= {name.replace("_", " "): value for name, value in card["data"].items()}
    facts |= {name.replace("_", " "): value for name, value in card["training"].items() if name != "settings"}
    facts |= card["training"].get("settings", {})
    facts |= {"meant for": card["use"]["for"], "not meant for": card["use"]["not_for"]}
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td><code>{escape(str(value))}</code></td></tr>"
        for name, value in facts.items()
    )
    return _section("What it is", f"<table>{rows}</table>")


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"
