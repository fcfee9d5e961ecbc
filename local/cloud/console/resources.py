"""Everything that clients have made, by kind: how many there are, and a page of the chosen kind.

Names, states and labels alone: what a resource holds is its service's to show, and secrets are among it.
"""

from typing import TYPE_CHECKING, Any

from local.cloud.console.view import Pages, View
from local.cloud.console.words import last

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_A_PAGE = 20
_BOOKKEEPING = frozenset(
    {
        *("aiplatform.settings", "bigquery.request", "bigquery.result", "bigquery.upload", "clock"),
        *("cloudkms.material", "cloudscheduler.retry", "console.session", "fault", "fault.state"),
        *("iam.attestationRules", "iam.policy.pending", "iam.serviceAccount.deleted", "identity.job"),
        *("secretmanager.payload", "billing.info"),
    }
)
_BELOW = ("aiplatform.metadata.",)


def resources(cloud: "Cloud", view: View) -> dict[str, Any]:
    counts = cloud.store.query("select kind, count(*) from resources group by kind order by kind")
    kinds = [{"kind": kind, "count": count} for kind, count in counts if _is_shown(kind)]
    datasets = [each for project, _ in cloud.projects.all() for each in cloud.warehouse.datasets.of_project(project)]
    if datasets:
        kinds = sorted([*kinds, {"kind": "bigquery.dataset", "count": len(datasets)}], key=lambda each: each["kind"])
    chosen = next((each for each in kinds if each["kind"] == view.kind), None)
    pages = Pages.of(view.resources, _A_PAGE, chosen["count"] if chosen else 0)
    rows: list[tuple[str, dict[str, Any]]] = []
    if chosen:
        rows = datasets if view.kind == "bigquery.dataset" else _of_kind(cloud, view.kind, pages)
        rows = rows[pages.start : pages.start + pages.size] if view.kind == "bigquery.dataset" else rows
    return {
        "kinds": kinds,
        "chosen": view.kind if chosen else "",
        "rows": [_row(*each) for each in rows],
        "pages": pages,
    }


def _of_kind(cloud: "Cloud", kind: str, pages: Pages) -> list[tuple[str, dict[str, Any]]]:
    statement = "select name from resources where kind = ? order by name limit ? offset ?"
    names = [name for (name,) in cloud.store.query(statement, (kind, pages.size, pages.start))]
    return [(name, body) for name in names if (body := cloud.store.get(kind, name)) is not None]


def _is_shown(kind: str) -> bool:
    """Not what a service keeps for itself about its resources: `aiplatform.CustomJob.run`."""
    return kind not in _BOOKKEEPING and not kind.startswith(_BELOW) and kind.count(".") < 2


def _row(name: str, body: dict[str, Any]) -> dict[str, Any]:
    labels = body.get("labels")
    return {
        **{"name": name, "shown": str(body.get("displayName") or last(name))},
        "state": _text(body.get("state")),
        "created": _text(body.get("createTime") or body.get("timeCreated")),
        "labels": sorted(labels.items())[:8] if isinstance(labels, dict) else [],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
