"""The three label maps of the provider: the program's, those with the provider's own added, and all that are on the
thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import UNKNOWN, Properties, Unknown, has_unknown

if TYPE_CHECKING:
    from engine.gcp.resource import Settings

ATTRIBUTION = {"goog-pulumi-provisioned": "true"}


def plan_labels(plan: Properties, prior: Properties | None, settings: Settings) -> None:
    """Fill in `pulumiLabels` (declared, by default, and by attribution) and `effectiveLabels` (with what others put
    there).
    """
    declared = plan.get("labels") or {}
    if isinstance(declared, Unknown) or isinstance(settings.default_labels, Unknown) or has_unknown(declared):
        plan["pulumiLabels"] = plan["effectiveLabels"] = UNKNOWN
        return
    attribution = ATTRIBUTION if settings.attribution else {}
    managed = {**(settings.default_labels or {}), **attribution, **declared}
    before = (prior or {}).get("effectiveLabels")
    managed_before = (prior or {}).get("pulumiLabels")
    foreign = {
        key: value
        for key, value in (before if isinstance(before, dict) else {}).items()
        if key not in (managed_before if isinstance(managed_before, dict) else {})
    }
    plan["pulumiLabels"] = managed
    plan["effectiveLabels"] = {**foreign, **managed}


def declared_labels(found: dict[str, str], settings: Settings) -> dict[str, str]:
    """Of the labels on a thing, those that are not the provider's own."""
    own = {**ATTRIBUTION, **(settings.default_labels or {})}
    return {key: value for key, value in found.items() if own.get(key) != value}


def plan_annotations(plan: Properties, prior: Properties | None) -> None:
    """Fill in `effectiveAnnotations`: those of the program, and those that others put there."""
    declared = plan.get("annotations") or {}
    before, effective = (prior or {}).get("annotations") or {}, (prior or {}).get("effectiveAnnotations") or {}
    if isinstance(declared, Unknown) or has_unknown(declared) or (prior is None and not declared):
        plan["effectiveAnnotations"] = UNKNOWN
        return
    foreign = {key: value for key, value in effective.items() if key not in before}
    plan["effectiveAnnotations"] = {**foreign, **declared}


def read_labels(outputs: Properties, known: Properties) -> None:
    """Of the labels on the thing, `labels` and `pulumiLabels` show those that they showed before."""
    found = outputs["effectiveLabels"] or {}
    outputs["effectiveLabels"] = found
    for name in ("labels", "pulumiLabels"):
        before = known.get(name)
        if isinstance(before, dict):
            outputs[name] = {key: found[key] for key in before if key in found}
        else:
            outputs[name] = None if name == "labels" else found
