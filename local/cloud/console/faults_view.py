"""The faults in force and a form for each kind; the forms are made from the kinds' own models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from local.cloud.errors import invalid_argument
from local.cloud.faults.kinds import KINDS, Fault

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_MOST_STRIKES = 12


def faults(cloud: "Cloud") -> dict[str, Any]:
    told = cloud.faults.shown()
    rules = [{**each, "told": _told(each)} for each in told["faults"]]
    return {
        **{"seed": told["seed"], "rules": rules, "kinds": [_form(name, model) for name, model in KINDS.items()]},
        "strikes": [_told(each) | {"fault": each["fault"]} for each in reversed(told["history"][-_MOST_STRIKES:])],
    }


def body_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The body of POST /_local/faults that a form asks for. Raises INVALID_ARGUMENT for what is no number."""
    model = KINDS.get(form.get("kind", ""))
    if model is None:
        raise invalid_argument([("kind", f"{form.get('kind')!r} is none of {', '.join(KINDS)}")])
    body: dict[str, Any] = {"kind": model.kind}
    for name, field in model.model_fields.items():
        text = form.get(name, "").strip()
        if text:
            body[name] = _read(name, text, str(field.annotation))
    return body


def _read(name: str, text: str, annotation: str) -> str | float | int:
    if "float" not in annotation and "int" not in annotation:
        return text
    try:
        return float(text) if "float" in annotation else int(text)
    except ValueError:
        raise invalid_argument([(name, f"{text!r} is no number")]) from None


def _form(name: str, model: type[Fault]) -> dict[str, Any]:
    fields = [
        {
            "name": key,
            "label": key.replace("_", " "),
            "help": field.description or "",
            "required": field.is_required(),
            "default": "" if field.is_required() or field.default is None else str(field.default),
            "choices": get_args(field.annotation) if get_origin(field.annotation) is Literal else (),
            "is_number": "float" in str(field.annotation) or "int" in str(field.annotation),
        }
        for key, field in model.model_fields.items()
    ]
    return {"kind": name, "summary": (model.__doc__ or "").strip(), "fields": fields}


def _told(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("id", "kind", "met", "struck", "fault")}
