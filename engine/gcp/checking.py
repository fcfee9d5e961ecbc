"""Check: the program's inputs with the provider's defaults filled in, and everything that the provider refuses before
it plans.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from engine.gcp.checks import problem
from engine.gcp.fields import Field
from engine.paths import Path, render
from engine.values import Asset, Properties, Secret, Unknown, Value, reveal

DEFAULTS = "__defaults"


@dataclass(frozen=True)
class Failure:
    """One refusal; `path` starts at the resource's properties."""

    reason: str
    path: Path

    def text(self, name: str) -> str:
        return f"{self.reason}. Examine values at '{render((name, *self.path))}'."


@dataclass
class Checker:
    """Checks one resource; `failures` collects what is wrong."""

    name: str
    old: Properties
    failures: list[Failure]

    def check(self, fields: tuple[Field, ...], inputs: Properties) -> Properties:
        """The checked inputs, secrets in their place."""
        result = self._object(fields, inputs, self.old, (), "")
        return result if isinstance(result, dict) else {}

    def _object(self, fields: tuple[Field, ...], given: Properties, old: Value, path: Path, tf: str) -> Properties:
        known = {field.name: field for field in fields}
        result: Properties = {}
        for key, value in given.items():
            if key.startswith("__") or value is None:
                continue
            if key not in known:
                self.failures.append(Failure("Invalid or unknown key", (*path, key)))
                continue
            field = known[key]
            old_value = old.get(key) if isinstance(old, dict) else None
            result[key] = self._value(field, value, old_value, (*path, key), f"{tf}{field.tf}")
        self._required(fields, result, path, tf)
        self._groups(fields, result, path, tf)
        result[DEFAULTS] = self._defaults(fields, result, old, top=not path)
        return result

    def _value(self, field: Field, value: Value, old: Value, path: Path, tf: str) -> Value:
        if isinstance(value, Secret):
            inner = self._value(field, value.value, reveal(old), path, tf)
            return inner if isinstance(inner, Secret) else Secret(inner)
        if isinstance(value, Unknown | Asset) or field.kind == "raw":
            return value
        if field.mode == "out":
            self.failures.append(
                Failure(f'Value for unconfigurable attribute. Can\'t configure a value for "{tf}"', path)
            )
            return value
        value = self._collection(field, coerce(field, value), reveal(old), path, tf)
        if field.check and not isinstance(value, Unknown) and (reason := problem(field.check, tf, reveal(value))):
            self.failures.append(Failure(reason, path))
        return Secret(value) if field.secret else value

    def _collection(self, field: Field, value: Value, old: Value, path: Path, tf: str) -> Value:
        if field.kind == "obj":
            if isinstance(value, list):
                value = value[0] if value else None
            return self._object(field.fields, value, old, path, f"{tf}.0.") if isinstance(value, dict) else value
        if not isinstance(value, list):
            return value
        if field.max and len(value) > field.max:
            self.failures.append(Failure(_too_many(tf, field.max, len(value)), path))
        if len(value) < field.min:
            self.failures.append(Failure(_too_few(tf, field.min, len(value)), path))
        if not field.nested:
            return value
        before = old if isinstance(old, list) else []
        return [
            self._element(field, item, before[index] if index < len(before) else None, (*path, index), f"{tf}.{index}.")
            for index, item in enumerate(value)
        ]

    def _element(self, field: Field, item: Value, old: Value, path: Path, tf: str) -> Value:
        if isinstance(item, Secret):
            return Secret(self._element(field, item.value, reveal(old), path, tf))
        return self._object(field.fields, item, old, path, tf) if isinstance(item, dict) else item

    def _required(self, fields: tuple[Field, ...], given: Properties, path: Path, tf: str) -> None:
        for field in fields:
            if field.mode == "required" and field.name not in given and not field.auto:
                missing = f'The argument "{tf}{field.tf}" is required, but no definition was found.'
                self.failures.append(Failure(f"Missing required argument. {missing}", (*path, field.name)))

    def _groups(self, fields: tuple[Field, ...], given: Properties, path: Path, tf: str) -> None:
        groups: dict[str, list[Field]] = {}
        for field in fields:
            for group in filter(None, (field.one_of, field.some_of)):
                groups.setdefault(group, []).append(field)
        for members in groups.values():
            names = ",".join(sorted(f"{tf}{field.tf}" for field in members))
            chosen = [field for field in members if field.name in given]
            if not chosen:
                self._blame(members, f"one of `{names}` must be specified", path, tf)
            elif len(chosen) > 1 and chosen[0].one_of:
                given_names = ",".join(sorted(f"{tf}{field.tf}" for field in chosen))
                self._blame(
                    chosen, f"only one of `{names}` can be specified, but `{given_names}` were specified.", path, tf
                )
        for field in fields:
            for other in field.not_with:
                if field.name in given and other in given:
                    reason = f'Conflicting configuration arguments. "{tf}{field.tf}": conflicts with {other}'
                    self.failures.append(Failure(reason, (*path, field.name)))

    def _blame(self, fields: list[Field], reason: str, path: Path, tf: str) -> None:
        for field in fields:
            self.failures.append(
                Failure(f'Invalid combination of arguments. "{tf}{field.tf}": {reason}', (*path, field.name))
            )

    def _defaults(self, fields: tuple[Field, ...], result: Properties, old: Value, *, top: bool) -> list[str]:
        filled = []
        before = old if isinstance(old, dict) else {}
        for field in fields:
            if field.name in result:
                continue
            if field.auto and top:
                result[field.name] = self._automatic(field, before)
            elif field.default and not (field.one_of or field.not_with):
                result[field.name] = field.default
            else:
                continue
            filled.append(field.name)
        return sorted(filled)

    def _automatic(self, field: Field, old: Properties) -> str:
        """The name that Pulumi gives: the resource's with seven random hex digits, kept from one run to the next."""
        if field.name in old.get(DEFAULTS, [field.name]) and isinstance(old.get(field.name), str):
            return old[field.name]
        longest = (field.max or 63) - 8
        return f"{self.name[:longest].lower()}-{secrets.token_hex(4)[:7]}"


def coerce(field: Field, value: Value) -> Value:
    """The value in the property's own type, where the provider would convert it."""
    if field.kind == "str" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else _decimal(value)
    if field.kind in ("int", "int64") and isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else value
    if field.kind == "bool" and value in ("true", "false"):
        return value == "true"
    if field.kind == "map" and isinstance(value, dict):
        return {key: coerce(_TEXT, item) for key, item in value.items()}
    if field.kind in ("strs", "strset") and isinstance(value, list):
        return [coerce(_TEXT, item) for item in value]
    return value


_TEXT = Field("", "str")


def _decimal(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _too_many(tf: str, limit: int, count: int) -> str:
    return f"Too many list items. Attribute {tf} supports {limit} item maximum, but config has {count} declared."


def _too_few(tf: str, limit: int, count: int) -> str:
    return f"Not enough list items. Attribute {tf} requires {limit} item minimum, but config has only {count} declared."


def without_defaults(value: Value) -> Value:
    """The inputs without the bookkeeping of defaults, at every depth."""
    if isinstance(value, dict):
        return {key: without_defaults(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value
