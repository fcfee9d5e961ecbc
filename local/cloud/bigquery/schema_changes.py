"""How a table's schema may change: by an update, and by what is written into it.

Source: https://cloud.google.com/bigquery/docs/managing-table-schemas
"""

from collections.abc import Sequence

from local.cloud.bigquery.problems import problem
from local.cloud.bigquery.references import TableRef
from local.cloud.bigquery.schema import Field, find_field, mode_of, same_type
from local.cloud.errors import ApiError


def redescribed(new: Field, old: Field | None) -> Field:
    return (
        {**new, "description": old["description"]} if old and "description" in old and "description" not in new else new
    )


def united(ref: TableRef, updates: Sequence[str], held: list[Field], fields: list[Field]) -> list[Field]:
    """The schema that holds both, if the write may change the table's."""
    united = [dict(each) for each in held]
    for each in fields:
        old = find_field(united, each["name"])
        if old is None:
            if "ALLOW_FIELD_ADDITION" not in updates:
                raise mismatch(ref, f"Cannot add fields (field: {each['name']})")
            united.append({**each, "mode": "REPEATED" if mode_of(each) == "REPEATED" else "NULLABLE"})
        elif not fits(old, each):
            raise mismatch(ref, f"Field {each['name']} has changed type from {old['type']} to {each['type']}")
        elif (mode_of(old) == "REPEATED") != (mode_of(each) == "REPEATED"):
            raise mismatch(ref, f"Field {each['name']} has changed mode from {mode_of(old)} to {mode_of(each)}")
        elif mode_of(old) == "REQUIRED" and mode_of(each) == "NULLABLE":
            if "ALLOW_FIELD_RELAXATION" not in updates:
                raise mismatch(ref, f"Field {each['name']} has changed mode from REQUIRED to NULLABLE")
            old["mode"] = "NULLABLE"
    missing = [
        each["name"] for each in held if mode_of(each) == "REQUIRED" and find_field(fields, each["name"]) is None
    ]
    if missing:
        raise mismatch(ref, f"Missing required fields: {', '.join(missing)}")
    return united


def fits(held: Field, new: Field) -> bool:
    """Whether values of one column go into another without a conversion that the author did not ask for."""
    return same_type({**held, "mode": ""}, {**new, "mode": ""}) or (held.get("type"), new.get("type")) in _WIDENED


_WIDENED = {
    (wide, narrow)
    for wides, narrows in (
        (("FLOAT", "FLOAT64"), ("INTEGER", "INT64", "NUMERIC")),
        (("NUMERIC", "BIGNUMERIC"), ("INTEGER", "INT64")),
        (("BIGNUMERIC",), ("NUMERIC",)),
        (("JSON", "GEOGRAPHY"), ("STRING",)),
    )
    for wide in wides
    for narrow in narrows
}


def refuse_incompatible(ref: TableRef, old: Field, new: Field | None) -> None:
    if new is None:
        raise mismatch(ref, f"Field {old['name']} is missing in new schema")
    if mode_of(old) != mode_of(new) and (mode_of(old), mode_of(new)) != ("REQUIRED", "NULLABLE"):
        raise mismatch(ref, f"Field {old['name']} has changed mode from {mode_of(old)} to {mode_of(new)}")
    if same_type(old, new) or (new.get("type"), old.get("type")) in _WIDENED:
        return
    if old.get("fields") and new.get("fields"):
        for each in old["fields"]:
            refuse_incompatible(ref, each, find_field(new["fields"], each["name"]))
        return
    raise mismatch(ref, f"Field {old['name']} has changed type from {old['type']} to {new['type']}")


def mismatch(ref: TableRef, what: str) -> ApiError:
    return problem("invalid", f"Provided Schema does not match Table {ref.label}. {what}")
