"""Whether a run may continue from a checkpoint, and on whose terms.

Owns: the terms of a run (its data, settings, share of the events, start), and the rule for those of a checkpoint: they
are kept, whatever the preset would choose now for another budget or machine. Only what a flag asks for differently is
refused. Does not own: where checkpoints lie (checkpoint.py).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from train.presets import Settings
from train.problems import Problem, refuse_if

_FIX = "Choose another RUN_ID, or remove the folder"
_MAY_CHANGE = {"max_epochs"}  # a run that ended there goes on where there are more


class Terms(BaseModel):
    """What a training run is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    tags: str = ""  # what tells the tags of its items from others
    settings: Settings
    learned: float = 1.0  # share of the events, the newest
    start: dict[str, str] = {}

    def identity(self) -> dict[str, Any]:
        """As a checkpoint tells them."""
        return self.model_dump(mode="json")


def continued(held: dict[str, Any], now: Terms, asked: dict[str, Any], *, uri: str) -> tuple[Terms, list[str]]:
    """The terms to continue on, and in words which of them a new run would not have. `held`: the identity of the
    checkpoint in `uri`; `asked`: what flags gave, settings and `learn_newest`, None where they did not. Raises Refused.
    """
    settings: dict[str, Any] = held["settings"]
    given = {name: value for name, value in asked.items() if value is not None}
    refuse_if("checkpoint", [*_other_data(held, now, uri), *_unknown(settings, uri)])
    refuse_if("checkpoint", _other_wishes({**settings, "learn_newest": held["learned"]}, given, uri))
    changed = {name: given[name] for name in _MAY_CHANGE & given.keys()}
    kept = Settings(**{**now.settings.model_dump(), **settings, **changed})
    terms = now.model_copy(update={"settings": kept, "learned": held["learned"], "start": held["start"]})
    return terms, _differences(terms, now)


def _other_data(held: dict[str, Any], now: Terms, uri: str) -> list[Problem]:
    made = "its checkpoint was made with"
    rules = []
    if held["fingerprint"] != now.fingerprint:
        rules = [f"{made} fingerprint {held['fingerprint']!r}, not {now.fingerprint!r}: of other data"]
    elif held.get("tags", "") != now.tags:
        rules = [f"{made} tags of items {held.get('tags', '')!r}, not {now.tags!r}: of another items.parquet"]
    return [Problem("RUN_ID", uri, rule, _FIX) for rule in rules]


def _unknown(settings: dict[str, Any], uri: str) -> list[Problem]:
    unknown = sorted(settings.keys() - Settings.model_fields)
    if not unknown:
        return []
    rule = f"its checkpoint was made by another image, with the setting {unknown[0]}, which this one does not know"
    return [Problem("RUN_ID", uri, rule, f"Continue with the image that made it. {_FIX}")]


def _other_wishes(settings: dict[str, Any], given: dict[str, Any], uri: str) -> list[Problem]:
    return [
        Problem(
            f"--{name.replace('_', '-')}",
            value,
            f"the checkpoint in {uri} was made with {settings[name]!r}",
            f"Leave it out to continue. Else: {_FIX[0].lower()}{_FIX[1:]}",
        )
        for name, value in given.items()
        if name not in _MAY_CHANGE and name in settings and settings[name] != value
    ]


def _differences(kept: Terms, now: Terms) -> list[str]:
    one, other = ({**terms.settings.model_dump(), "learned": terms.learned} for terms in (kept, now))
    return [f"{name} {one[name]}, not {other[name]}" for name in one if one[name] != other[name]]
