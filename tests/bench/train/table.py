"""The comparison in words and numbers, from results alone: what each trainer reached, what that cost, and what the same
quality costs with ours.

Owns: which point of a run counts, and the ratio. The point that the validation items choose is a run's result.
A peer has reached its result at the first point whose test quality is at least that; ours, with its cheapest run of
that quality.
"""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from train.metrics import PRIMARY

from tests.bench.train.contestants import FACTORS, FLOOR, NEURAL, OURS
from tests.bench.train.points import CAP, chosen
from tests.bench.train.results import newest

_HEAD = (
    "| trainer | ndcg@10 | hr@10 | CPU-s | this trainer is there after | times faster | ended by | GB | version |",
    "|---|---|---|---|---|---|---|---|---|",
)


class Row(NamedTuple):
    """One line of a data set's table. `reached`: CPU seconds of ours to the same quality, None where it has none."""

    name: str
    kind: str
    quality: float
    hits: float
    seconds: float
    reached: float | None
    result: dict[str, Any]
    spread: tuple[int, float] | None = None  # seeds and standard deviation, of more than one seed


def rows(results: Sequence[dict[str, Any]]) -> list[Row]:
    """Of one data set: ours by budget, then the others by kind, the best first."""
    ours = _by_budget([each for each in results if each["kind"] == OURS])
    rivals = [_rival(each, ours) for each in results if each["kind"] != OURS]
    order = {NEURAL: 0, FACTORS: 1, FLOOR: 2}
    return ours + sorted(rivals, key=lambda row: (order[row.kind], -row.quality))


def _by_budget(results: Sequence[dict[str, Any]]) -> list[Row]:
    found = []
    for cap in sorted({each["cap_seconds"] for each in results}):
        runs = [each for each in results if each["cap_seconds"] == cap]
        points = [chosen(each["points"]) for each in runs]
        values = [point[PRIMARY] for point in points]
        found.append(
            Row(
                f"**this trainer**, {cap / 60:g} min",
                OURS,
                statistics.mean(values),
                statistics.mean(point["hr@10"] for point in points),
                statistics.mean(point["cpu_seconds"] for point in points),
                None,
                runs[-1],
                (len(values), statistics.stdev(values)) if len(values) > 1 else None,
            )
        )
    return found


def _rival(result: dict[str, Any], ours: Sequence[Row]) -> Row:
    point = chosen(result["points"])
    quality = point[PRIMARY]
    seconds = min(each["cpu_seconds"] for each in result["points"] if each[PRIMARY] >= quality)
    reached = min((row.seconds for row in ours if row.quality >= quality), default=None)
    return Row(result["contestant"], result["kind"], quality, point["hr@10"], seconds, reached, result)


def verdict(found: Sequence[Row]) -> str:
    """The best neural peer against ours, and ours against the best of those without a network."""
    ours = [row for row in found if row.kind == OURS]
    if not ours:
        return "This trainer was not run."
    best = max(ours, key=lambda row: row.quality)
    return " ".join([*_against_network(found), *_against_floors(found, best)])


def _against_network(found: Sequence[Row]) -> list[str]:
    networks = [row for row in found if row.kind == NEURAL]
    if not networks:
        return []
    rival = max(networks, key=lambda row: row.quality)
    told = f"The best neural peer is {rival.name}: {rival.quality:.4f} after {rival.seconds:.0f} CPU-s."
    if rival.reached is None:
        return [told, "This trainer does not get there."]
    return [
        told,
        f"This trainer has more after {rival.reached:.0f} CPU-s, {rival.seconds / rival.reached:.1f} times fewer.",
    ]


def _against_floors(found: Sequence[Row], best: Row) -> list[str]:
    floors = [row for row in found if row.kind in (FLOOR, FACTORS)]
    if not floors:
        return []
    floor = max(floors, key=lambda row: row.quality)
    verb = "is above" if best.quality > floor.quality else "is not above"
    return [
        f"Its best, {best.quality:.4f}, {verb} the best model without a network, {floor.name} with {floor.quality:.4f}."
    ]


def document(results: Sequence[dict[str, Any]], *, picture: str) -> str:
    """The page: a section for each data set, in the order of their sizes."""
    current = newest(list(results))
    sets = sorted({(each["interactions"], each["data"]) for each in current})
    parts = [_PREAMBLE.format(picture=picture)]
    for interactions, data in sets:
        of_set = [each for each in current if each["data"] == data and each["interactions"] == interactions]
        found = rows(of_set)
        sizes = f"{interactions:,} interactions, {of_set[0]['users']:,} users, {of_set[0]['items']:,} items"
        parts += [f"## {data}: {sizes}", "\n".join([*_HEAD, *map(_line, found)]), verdict(found)]
    return "\n\n".join([*parts, "## Recipes", _recipes(current), _machines(current)]) + "\n"


def _line(row: Row) -> str:
    quality = f"{row.quality:.4f}"
    if row.spread:
        quality += f" ± {row.spread[1]:.4f} ({row.spread[0]} seeds)"
    reached = times = ""
    if row.kind != OURS:
        reached = "never" if row.reached is None else f"{row.reached:.0f} s"
        times = "" if row.reached is None or row.kind == FLOOR else f"{row.seconds / row.reached:.2g}"
    result = row.result
    cells = [row.name, quality, f"{row.hits:.4f}", f"{row.seconds:.4g}", reached, times]
    ended = f"{CAP}, {result['cap_seconds']:g} s" if result["ended"] == CAP else result["ended"]
    return "| " + " | ".join([*cells, ended, f"{result['peak_gb']:.1f}", result["version"]]) + " |"


def _recipes(results: Sequence[dict[str, Any]]) -> str:
    found = {each["contestant"]: each["recipe"] for each in results}
    return "\n".join(f"* **{name}**: {recipe}." for name, recipe in found.items())


def _machines(results: Sequence[dict[str, Any]]) -> str:
    dates = sorted({each["date"] for each in results})
    machines = sorted({each["machine"] for each in results})
    between = dates[0] if len(dates) == 1 else f"between {dates[0]} and {dates[-1]}"
    return f"Measured {between} on {'; '.join(machines)}, of which each run used one, beside other work."


_PREAMBLE = """\
# This trainer and others: quality over CPU time

Written by `make bench-train DATA=folder` from tests/bench/train/results.jsonl; not by hand.

Every trainer gets the same events in the same order, learns from all but each user's last two, may choose by the one
before the last (4,000 users' at most), and is judged on the last by the same code: full ranking over the whole
catalog, seen items filtered, ties half against, the validation item a part of the history. One thread each, at most
600 CPU-seconds or the cap that is told, one seed where none is. CPU-seconds are those of training with what it
prepares, the user and system time of all its threads; importing libraries, and our judging at growing intervals, cost
nobody anything. This trainer runs as `python -m train.main --max-minutes N` on a clock of CPU time: all it does
counts, its own validation and the ranking of the test items too. It reads items.parquet where there is one; the
others get events alone. They end at the cap, or once validation has not risen for three points. A peer has reached
its result at the first point with at least that quality on the test items; this trainer, with the cheapest whole run
that has it. The others' processes keep freed memory (glibc's `MALLOC_` settings), which is worth up to a third of
their time; this trainer runs without.

![Quality over CPU time]({picture})"""
