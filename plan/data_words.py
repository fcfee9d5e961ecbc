"""Buckets, datasets and tables in a plan: which objects and rows go, when, and whether they can come back."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from plan.changes import Change, columns
from plan.notes import Note, arrow

_DAY_MS = 86_400_000
_REFUSED_WHILE_KEPT = "Its retention policy is locked: Google refuses that while an object in it is younger than that"


def tell_bucket(change: Change) -> Note:
    name = change.old.get("name") or change.new.get("name") or change.name
    if change.destructive:
        note = _gone("Bucket", name, change, "every object in it: data, checkpoints, models, compiled pipelines")
        return note.because(_REFUSED_WHILE_KEPT) if is_locked(change.old) else note
    if change.op == "create":
        return Note(f"Bucket {name} is created", data=_retention(change))
    rules = list(_lifecycle(change))
    if change.differs("retentionPolicy"):
        told = "; ".join([_retention(change), *rules])
        return Note(f"Bucket {name} is changed in place: retention policy", data=told, instead=_instead(change))
    soft = change.new.get("softDeletePolicy") or {}
    seconds = int(soft.get("retentionDurationSeconds") or 0)
    back = f"; what goes can be brought back for {seconds // 86_400} days" if seconds else "; what goes is gone"
    return Note(
        f"Bucket {name} is changed in place: {'lifecycle' if rules else ', '.join(change.paths) or 'its options'}",
        data="; ".join(rules) + back if rules else "",
    )


def is_locked(bucket: Mapping[str, Any]) -> bool:
    return (bucket.get("retentionPolicy") or {}).get("isLocked") is True


def _retention(change: Change) -> str:
    """For how long nothing in it can be deleted or replaced, and whether that is for good."""
    old, new = (_retained_days(side) for side in (change.old, change.new))
    kept = f"nothing in it, old objects included, can be deleted or replaced before it is {new:g} days old"
    if not new:
        return "its objects can be deleted and replaced again at any age"
    told = kept if old == new or not old else f"{kept} (so far {old:g})"
    if not is_locked(change.new):
        return f"{told}; who may change the bucket can shorten or remove that again"
    if is_locked(change.old):
        return f"{told}; it is locked: what is lengthened can never be shortened, and a shorter one is refused"
    return (
        f"{told}. IT IS LOCKED FOR GOOD: nobody, Google included, can shorten or remove it again, nor delete the "
        "bucket before its last object is that old"
    )


def _instead(change: Change) -> str:
    locks = is_locked(change.new) and not is_locked(change.old)
    return "leave `locked: false` until the days have proved right: they bind alike meanwhile" if locks else ""


def _retained_days(inputs: Mapping[str, Any]) -> float:
    return int((inputs.get("retentionPolicy") or {}).get("retentionPeriod") or 0) / 86_400


def tell_dataset(change: Change) -> Note:
    name = change.old.get("datasetId") or change.new.get("datasetId") or change.name
    if change.destructive:
        return _gone("Dataset", name, change, "every table in it with its rows")
    return Note(f"Dataset {name} is changed in place: {', '.join(change.paths) or 'its options'}")


def tell_table(change: Change) -> Note:
    name = change.old.get("tableId") or change.new.get("tableId") or change.name
    told = [*_columns(change), *_expiry(change), *_partitioning(change)]
    why = "; ".join(told) or ", ".join(change.paths) or "its options"
    if change.op == "delete":
        return _gone("Table", name, change, "all of its rows")
    if change.op == "replace":
        return Note(
            f"Table {name} is REPLACED: {why}",
            data="ALL OF ITS ROWS ARE LOST: it is deleted and created empty. BigQuery can read it back for seven days "
            "(`FOR SYSTEM_TIME AS OF`) only where it was copied before",
            instead="add a column of the new type beside the old one, fill it by a query, and drop the old one later",
        )
    return Note(f"Table {name} is changed in place: {why}", data=_data_of_columns(change))


def _gone(kind: str, name: object, change: Change, what: str) -> Note:
    where = change.differs("location") and change.op == "replace"
    why = f": location {arrow(change.old.get('location'), change.new.get('location'))}" if where else ""
    copy = {
        "Bucket": f"gcloud storage cp --recursive gs://{name} gs://another-bucket",
        "Dataset": "copy it with a BigQuery transfer into a dataset of another name",
        "Table": f"bq cp {name} another_table",
    }[kind]
    verb = "DELETED" if change.op == "delete" else "REPLACED (deleted, then created empty)"
    keeps = "" if _empties(change) else f". Refused while there is anything in it: {_guard(kind)}"
    return Note(
        f"{kind} {name} is {verb}{why}",
        data=f"{what} would be LOST{keeps}",
        instead=f"copy what is needed first ({copy}), or leave it as it is",
    )


def _guard(kind: str) -> str:
    return {
        "Bucket": "forceDestroy is off",
        "Dataset": "deleteContentsOnDestroy is off",
        "Table": "deletionProtection is on",
    }[kind]


def _empties(change: Change) -> bool:
    """Whether the provider deletes what lies in it; a table's protection is on unless it is switched off."""
    if change.kind == "Table":
        return change.old.get("deletionProtection") is False
    return bool(change.old.get("forceDestroy") or change.old.get("deleteContentsOnDestroy"))


def _lifecycle(change: Change) -> Iterator[str]:
    before, after = (_rules(side) for side in (change.old, change.new))
    for place in before | after:
        old, new = before.get(place), after.get(place)
        if old == new:
            continue
        if new is None:
            yield f"{place} are no longer deleted by age (so far after {old} days)"
        elif old is None:
            yield f"{place} are deleted after {new} days, those that are older within a day or so of `up`"
        elif new < old:
            yield f"{place} are deleted after {new} days instead of {old}, those in between within a day or so of `up`"
        else:
            yield f"{place} are kept for {new} days instead of {old}"


def _rules(inputs: Mapping[str, Any]) -> dict[str, int]:
    """How many days what is kept; rules that delete nothing are left out."""
    found: dict[str, int] = {}
    for rule in inputs.get("lifecycleRules") or []:
        condition = rule.get("condition") or {}
        days = condition.get("age") or condition.get("daysSinceNoncurrentTime")
        if (rule.get("action") or {}).get("type") == "Delete" and days:
            where = ", ".join(condition.get("matchesPrefixes") or [])
            old = "overwritten or deleted objects" if condition.get("withState") == "ARCHIVED" else "objects"
            found[f"{old} below {where}" if where else old] = int(days)
    return found


def _columns(change: Change) -> Iterator[str]:
    old, new = columns(change.old), columns(change.new)
    if not old or not new:
        return
    for name in new.keys() - old.keys():
        yield f"column {name} ({new[name]['type']}) is added"
    for name in old.keys() - new.keys():
        yield f"column {name} ({old[name]['type']}) is DROPPED"
    for name in old.keys() & new.keys():
        for key in ("type", "mode"):
            if old[name].get(key) != new[name].get(key):
                yield f"column {name} changes its {key}: {arrow(old[name].get(key), new[name].get(key))}"


def _data_of_columns(change: Change) -> str:
    old, new = columns(change.old), columns(change.new)
    dropped, added = old.keys() - new.keys(), new.keys() - old.keys()
    if new and dropped:
        return "what the dropped column held is LOST; queries that name it fail from then on"
    if old and added:
        return "rows that are there have NULL in the new column; nothing is lost"
    return ""


def _expiry(change: Change) -> Iterator[str]:
    old, new = (int((side.get("timePartitioning") or {}).get("expirationMs") or 0) for side in (change.old, change.new))
    if old == new or not change.old or not change.new:
        return
    days = [f"{each / _DAY_MS:g} days" if each else "for ever" for each in (old, new)]
    shorter = new and (not old or new < old)
    yield f"rows are kept {arrow(*days)}" + (", OLDER PARTITIONS ARE DELETED at once" if shorter else "")


def _partitioning(change: Change) -> Iterator[str]:
    sides = [{**(side.get("timePartitioning") or {}), "expirationMs": 0} for side in (change.old, change.new)]
    if change.old and change.new and sides[0] != sides[1]:
        told = [json.dumps({key: value for key, value in side.items() if value}) for side in sides]
        yield f"partitioning {arrow(*told)}"
