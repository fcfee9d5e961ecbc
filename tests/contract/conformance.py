"""How well a fresh local cloud answers the recorded provider: `python -m tests.contract.conformance` prints a table.

Every exchange is sent twice, to one cloud that answers PUT on persistent resources and to one that does not. Without
it, exactly the PUTs must fail, with 404.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.contract.cloud_process import CloudProcess
from tests.contract.documented_differences import DOCUMENTED
from tests.contract.provider_replay import Difference, Replay, exchanges

_PUT_REFUSED = "status 404 instead of 200"


@dataclass(frozen=True)
class Result:
    exchange: dict[str, Any]
    differences: list[Difference]

    @property
    def unexplained(self) -> list[Difference]:
        return [each for each in self.differences if not explained(each)]


def explained(difference: Difference) -> bool:
    """Whether the documentation says what we answer, and the provider did not need what is left out."""
    if difference.matters and "is missing" in difference.text:
        return False
    return any(re.search(pattern, str(difference)) for pattern in DOCUMENTED)


def run(cloud: CloudProcess, *, put: bool) -> list[Result]:
    """Replay everything; `put` is the deviation on persistent resources."""
    cloud.json("PUT", "/_local/aiplatform/settings", {"persistentResourcePut": put})
    replay = Replay(cloud)
    return [Result(exchange, replay.differences(exchange)) for exchange in exchanges()]


def follows_put(results: list[Result]) -> list[str]:
    """What is wrong without the deviation: a PUT of a pool that is answered, or another exchange that fails."""
    wrong = []
    for result in results:
        is_put = result.exchange["method"] == "PUT" and "/persistentResources/" in result.exchange["path"]
        refused = any(_PUT_REFUSED in each.text for each in result.differences)
        if is_put != refused:
            wrong += [str(each) for each in result.differences] or [f"{result.exchange['path']}: PUT was answered"]
        elif not is_put:
            wrong += [str(each) for each in result.unexplained if each.text.startswith("status")]
    return wrong


def table(with_put: list[Result], without_put: list[Result]) -> Table:
    shown = Table(title="Recorded provider traffic against a fresh local cloud")
    for column in ("service", "exchanges", "ok", "documented differences", "ok without PUT"):
        shown.add_column(column, justify="left" if column == "service" else "right")
    services = sorted({result.exchange["service"] for result in with_put})
    for service in [*services, "all"]:
        mine, other = (
            [each for each in results if service in ("all", each.exchange["service"])]
            for results in (with_put, without_put)
        )
        ok = sum(not each.unexplained for each in mine)
        known = sum(len(each.differences) - len(each.unexplained) for each in mine)
        held = sum(not any(diff.text.startswith("status") for diff in each.differences) for each in other)
        shown.add_row(service, str(len(mine)), str(ok), str(known), str(held), style="bold" if service == "all" else "")
    return shown


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for put in (True, False):
            cloud = CloudProcess(Path(folder) / f"put-{put}").start()
            try:
                runs.append(run(cloud, put=put))
            finally:
                cloud.stop()
    console = Console()
    console.print(table(*runs))
    wrong = [str(each) for result in runs[0] for each in result.unexplained] + follows_put(runs[1])
    for line in wrong:
        console.print(line, style="red", highlight=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
