"""The page: each section's content for one view, at one moment of the cloud's clock."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.cloud.call import Response
from local.cloud.console import artifacts, experiments, faults_view, html, pools, prices, resources, runs, schedules
from local.cloud.console.history import History
from local.cloud.console.view import View
from local.cloud.console.words import relative

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ACCESS_ROWS = 25
_POLL_MILLISECONDS = 2000


class Page:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._history = History(cloud.store)
        self._runs = runs.Runs(cloud, self._history)
        self._storage = artifacts.Storage(cloud)

    def show(self, view: View, *, problem: str = "", status: int = 200) -> Response:
        """`problem` is why what was asked for by a form was refused."""
        cloud, now = self._cloud, self._cloud.clock.now()
        values = {
            "pools": pools.resources(cloud, self._history, now),
            "price_note": prices.NOTE,
            "runs": self._runs.shown(view, now),
            "schedules": schedules.schedules(cloud),
            "jobs": self._runs.jobs(view, now),
            "experiments": experiments.experiments(cloud, view),
            "boards": experiments.boards(cloud, view),
            "storage": self._storage.shown(view),
            "models": artifacts.models(cloud),
            "resources": resources.resources(cloud, view),
            "access": cloud.access.log.recent(_ACCESS_ROWS, refused=view.access == "refused"),
            "faults": faults_view.faults(cloud),
        }
        functions = {"ago": lambda moment: relative(moment, now), "place_of": artifacts.place_of}
        about = {"now": now, "poll": _POLL_MILLISECONDS, "problem": problem, "view": view, **self._about(now)}
        return html.page("page.html", status, tiles=self._tiles(values), **values, **functions, **about)

    def _about(self, now: datetime) -> dict[str, Any]:
        cloud = self._cloud
        return {
            "url": cloud.url,
            "iam": cloud.identity.mode,
            "clock": f"{now:%Y-%m-%d %H:%M:%S}",
            "ahead": cloud.clock.ahead.total_seconds(),
            "folder": str(cloud.root),
        }

    def _tiles(self, values: dict[str, Any]) -> list[dict[str, str]]:
        """The figures at the top: a name, a value, what it is out of, and the section that tells more."""
        history, pool_list = self._history, values["pools"]
        running = history.count("aiplatform.PipelineJob", *runs.RUNNING)
        waiting = history.count("aiplatform.PipelineJob", *runs.WAITING)
        jobs = history.count("aiplatform.CustomJob", *runs.JOBS_RUNNING)
        queued = history.count("aiplatform.CustomJob", *runs.JOBS_WAITING)
        used = sum(pool["used"] for each in pool_list for pool in each["pools"])
        replicas = sum(pool["replicas"] for each in pool_list for pool in each["pools"])
        known = [each["usd_per_day"] for each in pool_list if each["usd_per_day"] is not None]
        cost = f"${sum(known):,.2f}" if known else "–"
        unpriced = len(pool_list) - len(known)
        due = next((each for each in values["schedules"] if each["next"]), None)
        next_run = relative(due["next"][0], self._cloud.clock.now()) if due else "none"
        calls = self._cloud.access.log.recent(_ACCESS_ROWS)
        refused = sum(not each["granted"] for each in calls)
        return [
            _tile("Runs", str(running), f"running, {waiting} waiting, {values['runs']['pages'].total} in all", "runs"),
            _tile("Jobs", str(jobs), f"running, {queued} in the queue", "jobs"),
            _tile("Replicas busy", f"{used} / {replicas}", f"on {len(pool_list)} persistent resources", "pools"),
            _tile("Pools, a day", cost, f"list price{f', {unpriced} not priced' if unpriced else ''}", "pools"),
            _tile("Next schedule", next_run, due["shown"] if due else "nothing is due", "schedules"),
            _tile("Faults in force", str(len(values["faults"]["rules"])), f"seed {values['faults']['seed']}", "faults"),
            _tile("Without permission", str(refused), f"of the {len(calls)} newest calls", "access"),
        ]


def _tile(name: str, value: str, more: str, anchor: str) -> dict[str, str]:
    return {"name": name, "value": value, "more": more, "anchor": anchor}
