"""A schedule in a plan: whether runs start, when, and of which pipeline."""

from plan.changes import Change
from plan.notes import Note, arrow

_SPEC = "createPipelineJobRequest"


def tell(change: Change) -> Note:
    name = change.old.get("displayName") or change.new.get("displayName") or change.name
    if change.op in ("delete", "replace"):
        ends = (
            "no run starts by itself any more"
            if change.op == "delete"
            else "its history of runs ends; a new one begins"
        )
        return Note(
            f"Schedule {name} is {'DELETED' if change.op == 'delete' else 'REPLACED'}",
            capacity=f"{ends}. Runs that were started go on",
            instead="set schedule.paused: true to stop runs and keep the schedule",
        )
    parts = [*_told(change)]
    return Note(
        f"Schedule {name} is {'created' if change.op == 'create' else 'changed in place'}: "
        f"{'; '.join(parts) or ', '.join(change.paths) or 'its options'}",
        capacity="runs that were started go on as they are",
    )


def _told(change: Change) -> list[str]:
    found = []
    if change.differs("cron"):
        found.append(f"runs at {arrow(change.old.get('cron'), change.new.get('cron'))}")
    if change.differs("desiredState"):
        found.append(_state(change))
    if change.differs("maxConcurrentRunCount"):
        found.append(
            f"runs at a time {arrow(*(side.get('maxConcurrentRunCount') for side in (change.old, change.new)))}"
        )
    if change.differs("allowQueueing"):
        found.append(f"queueing {arrow(change.old.get('allowQueueing'), change.new.get('allowQueueing'))}")
    if change.differs(_SPEC) or any(path.startswith(_SPEC) for path in change.paths):
        found.append("later runs have another pipeline or another image")
    return found


def _state(change: Change) -> str:
    """The provider never reads the state back, so that a pause by hand is undone here unseen, or stays unseen."""
    if change.new.get("desiredState") == "PAUSED":
        return "it is PAUSED: no run starts by itself until paused: false and `up`"
    return "it is resumed: it starts runs again, also where somebody paused it by hand, which no plan sees"
