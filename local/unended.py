"""The runs that `make up` submitted and did not see end: because it was interrupted, or the local cloud died.

Owns: remembering them from one `make up` to the next, and what has become of them. Does not own: taking them up again;
the local cloud does that by itself when it starts.
"""

import json

from contracts.stack_outputs import StackOutputs
from local.layout import Layout

_GOING_ON = frozenset({"PIPELINE_STATE_QUEUED", "PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING"})


def remember(layout: Layout, name: str) -> None:
    _write(layout, [*_names(layout), name])


def forget(layout: Layout, name: str) -> None:
    _write(layout, [each for each in _names(layout) if each != name])


def states(layout: Layout, outputs: StackOutputs) -> list[dict[str, str]]:
    """The name and state of each such run that the cloud knows; those that have ended are forgotten."""
    names = _names(layout)
    if not names:
        return []
    found = _found(outputs, names)
    _write(layout, [run["name"] for run in found if run["state"] in _GOING_ON])
    return found


def goes_on(run: dict[str, str]) -> bool:
    return run["state"] in _GOING_ON


def told(run: dict[str, str]) -> str:
    """In words."""
    fate = "goes on" if goes_on(run) else "has ended"
    state = run["state"].removeprefix("PIPELINE_STATE_")
    return f"Run {run['name'].rpartition('/')[2]} of an interrupted `make up` {fate}: {state}"


def _found(outputs: StackOutputs, names: list[str]) -> list[dict[str, str]]:
    from google.api_core.exceptions import NotFound

    from pipeline.clients import for_submission

    clients, found = for_submission(outputs), []
    for name in names:
        try:
            found.append({"name": name, "state": clients.pipelines.get_pipeline_job(name=name).state.name})
        except NotFound:
            continue
    return found


def _names(layout: Layout) -> list[str]:
    try:
        return [str(name) for name in json.loads(layout.unended_runs.read_text())]
    except (OSError, ValueError, TypeError):
        return []


def _write(layout: Layout, names: list[str]) -> None:
    if not names:
        layout.unended_runs.unlink(missing_ok=True)
        return
    draft = layout.unended_runs.with_suffix(".draft")
    draft.write_text(json.dumps(names) + "\n")
    draft.replace(layout.unended_runs)
