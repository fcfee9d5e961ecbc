"""The text below the engine's tree: what the changes do, what breaks a policy, what it costs, when it runs."""

from datetime import datetime
from typing import Any

from plan import costs, policies, runs, words
from plan.changes import SCHEDULE, Change, declared, read

_TOLD_AT_MOST = 40


def sections(answer: dict[str, Any], *, now: datetime) -> str:
    """`answer` is the engine's JSON of a plan."""
    steps = answer["steps"]
    if not answer["outputs"]:  # the program was refused or failed: the engine has said why, and there is no plan
        return ""
    resources = list(declared(steps))
    blocks = [
        ("What this does", _changes(answer)),
        ("Policies", policies.lines(policies.broken(steps))),
        ("Cost a month", costs.text(costs.lines(resources, max_minutes=answer["outputs"].get("max_minutes")))),
        (
            "Schedule",
            [line for resource in resources if resource.type == SCHEDULE for line in _schedule(resource, now)],
        ),
    ]
    return "\n".join(f"{title}:\n" + "\n".join(lines) + "\n" for title, lines in blocks if lines)


def _changes(answer: dict[str, Any]) -> list[str]:
    steps = answer["steps"]
    if not answer["changes"].get("same") and not any(step["op"] in ("update", "replace", "delete") for step in steps):
        return [
            "  Nothing of this stack exists yet, as far as the state tells: everything is created, nothing is lost."
        ]
    was, will_be = (_place(answer.get(key) or {}) for key in ("oldOutputs", "outputs"))
    notes = words.notes(read(steps), was=was, will_be=will_be)
    told = [line for note in notes[:_TOLD_AT_MOST] for line in note.lines()]
    left = len(notes) - _TOLD_AT_MOST
    return [*told, *([f"  and {left} more, see above"] if left > 0 else [])] or ["  Nothing that is there changes."]


def _place(outputs: dict[str, Any]) -> words.Place:
    return words.Place(str(outputs.get("project") or ""), str(outputs.get("region") or ""))


def _schedule(resource: Change, now: datetime) -> list[str]:
    cron, name = str(resource.new.get("cron")), resource.new.get("displayName")
    paused = resource.new.get("desiredState") == "PAUSED"
    state = "PAUSED, no run starts by itself; resumed, its next runs would be" if paused else "its next runs are"
    times = [f"{time:%a %Y-%m-%d %H:%M %Z}" for time in runs.next_runs(cron, now)]
    return [f"  {name} ({cron}): {state}", *(f"    {time}" for time in times)]
