"""What the engine knows of a resource type, and the type whose whole behaviour is a table: a plain REST collection."""

# ruff: noqa: ARG002 (tables of class attributes, and methods of one signature)
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote

from engine.errors import AlreadyExistsError, EngineError, OperationError
from engine.gcp.api import Api, RefusedError
from engine.gcp.bodies import expand, flatten, put
from engine.gcp.comparing import Change, changes, empty
from engine.gcp.fields import Field, read_fields
from engine.gcp.labels import declared_labels, plan_labels
from engine.gcp.planning import planned
from engine.values import UNKNOWN, Properties, Unknown

DEFAULT_SECONDS = 1200.0


@dataclass(frozen=True)
class Settings:
    """What a provider resource gives to the resources that it manages; UNKNOWN where a preview cannot tell."""

    project: Any = None
    region: Any = None
    default_labels: Any = None
    attribution: bool = True
    zone: Any = None


@dataclass(frozen=True)
class Call:
    """What an operation gets: the API, and how long it may take."""

    api: Api
    settings: Settings
    seconds: float = DEFAULT_SECONDS


class ResourceType:
    """A resource type: its fields, how it is planned, and its four operations, which subclasses write."""

    type_name: ClassVar[str]
    table: ClassVar[str]
    services: ClassVar[set[str]]
    identity: ClassVar[str] = ""
    import_identity: ClassVar[str] = ""  # what an import is given, where the id alone does not tell enough
    delete_first: ClassVar[bool] = False
    default_seconds: ClassVar[dict[str, float]] = {}
    schema_version: ClassVar[int] = 0
    kept: ClassVar[str] = ""  # what the service keeps of a deleted one, and what the next creation makes of that
    follows_provider: ClassVar[bool] = True  # whether a changed project or region of the provider is a change

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return read_fields(self.table)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def plan(self, settings: Settings, prior: Properties | None, inputs: Properties) -> Properties:
        """The planned outputs, `id` among them; without secrets."""
        plan = planned(self.fields, prior, inputs)
        if prior is None or self.follows_provider:
            self._from_provider(plan, "project", settings.project, inputs)
            for name in ("region", "location"):
                if name in self.by_name and self.by_name[name].mode == "kept":
                    self._from_provider(plan, name, settings.region, inputs)
        if "effectiveLabels" in self.by_name:
            plan_labels(plan, prior, settings)
        if "deletionPolicy" in self.by_name and not inputs.get("deletionPolicy"):
            plan["deletionPolicy"] = "DELETE"
        self.customize(plan, prior, inputs)
        plan["id"] = UNKNOWN if prior is None else prior.get("id", UNKNOWN)
        return plan

    def _from_provider(self, plan: Properties, name: str, value: Any, inputs: Properties) -> None:
        field = self.by_name.get(name)
        if field is not None and field.computed and inputs.get(name) is None and value is not None:
            plan[name] = value

    def customize(self, plan: Properties, prior: Properties | None, inputs: Properties) -> None:
        """What the type computes beyond its table. The program's inputs are there to see, `plan` is there to change."""

    def compare(self, prior: Properties, plan: Properties) -> list[Change]:
        return list(changes(self.fields, prior, plan))

    def refuse(self, inputs: Properties) -> str:
        """Why these inputs can be planned but not applied by this engine; empty if they can."""
        used = sorted(raw_fields(self.fields, inputs))
        return f"property {', '.join(used)} is not in the engine's tables" if used else ""

    def refuse_delete(self, outputs: Properties) -> str:
        """Why the resource may not be deleted, before anything is; empty if it may."""
        if outputs.get("deletionPolicy") == "PREVENT":
            return "deletionPolicy is PREVENT: set it to DELETE and run up once"
        return ""

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        """The id and the outputs of the new resource; raises AlreadyExistsError if there is one of that name."""
        raise NotImplementedError

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        """The outputs as the API tells them now; None if it is gone. `known` fills in what the API does not tell."""
        raise NotImplementedError

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        """The outputs after the update."""
        raise NotImplementedError

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        raise NotImplementedError

    def locate(self, identity: str, settings: Settings) -> Properties:
        """The properties that an id tells, for a resource that is only read."""
        if not self.identity:
            raise EngineError(f"{self.type_name} cannot be read by its id in this engine: use the pulumi command")
        match = re.fullmatch(pattern(self.import_identity or self.identity), identity)
        found = {key: value for key, value in match.groupdict().items() if key in self.by_name} if match else {}
        plan = {field.name: None for field in self.fields} | {"project": settings.project} | found
        return {key: value for key, value in plan.items() if key in self.by_name}

    def imported(self, call: Call, identity: str) -> Properties | None:
        """The outputs of a thing that is taken over by its id; None if there is none. What no answer tells has its
        default, and labels count as the program's but for the provider's own.
        """
        known = self.locate(identity, call.settings)
        known |= {
            field.name: field.default
            for field in self.fields
            if field.api == "-" and field.default is not None and known.get(field.name) is None
        }
        if "deletionPolicy" in self.by_name:
            known["deletionPolicy"] = "DELETE"
        identity = fill(self.identity, known) if self.import_identity else identity
        outputs = self.read(call, identity, known)
        if outputs is not None and "effectiveLabels" in self.by_name:
            outputs["labels"] = declared_labels(outputs["effectiveLabels"], call.settings) or None
        return outputs

    def inputs_of(self, outputs: Properties, settings: Settings) -> Properties:
        """The inputs that a program would give for these outputs: what is neither empty, nor a default, nor what the
        service or the provider fills in.
        """
        filled = {"deletionPolicy": "DELETE", "project": settings.project, "id": outputs.get("id")}
        return {
            name: value
            for name, value in _inputs_of(self.fields, outputs).items()
            if name not in filled or value != filled[name]
        }

    def find_created(self, call: Call, plan: Properties) -> str | None:
        """The id of a thing that an interrupted creation left behind, for types whose id the service chooses."""
        return None

    def complete(self, call: Call, identity: str, plan: Properties) -> bool:
        """Do what an interrupted creation had still to do on a thing that is as the program wants it; whether that
        was anything.
        """
        return False


def _inputs_of(fields: tuple[Field, ...], outputs: Properties) -> Properties:
    inputs: Properties = {}
    for field in fields:
        value = outputs.get(field.name)
        filled = field.mode == "out" or (field.mode == "kept" and not field.replace)
        if filled or (empty(value) and field.mode != "required") or value is None or value == field.default:
            continue
        if field.kind == "obj":
            value = _inputs_of(field.fields, value)
        elif field.nested:
            value = [_inputs_of(field.fields, item) for item in value]
        if value != {} or field.sent:
            inputs[field.name] = value
    return inputs


def raw_fields(fields: tuple[Field, ...], inputs: Properties) -> Iterator[str]:
    """The properties that are given and that the tables do not know in detail, at every depth."""
    for field in fields:
        value = inputs.get(field.name)
        if value is None:
            continue
        if field.kind == "raw":
            yield field.name
        for item in (value if isinstance(value, list) else [value]) if field.nested else ():
            if isinstance(item, dict):
                yield from raw_fields(field.fields, item)


def pattern(template: str) -> str:
    """A regular expression for what a template was filled to."""
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))


def fill(template: str, values: Properties) -> str:
    """The template with `{name}` replaced by the property, quoted for a path where the template says `{name!q}`."""

    def replacement(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None or isinstance(value, Unknown):
            raise EngineError(
                f"property {match[1]} is not known, and {template!r} needs it: set it, or the provider's project "
                "and region"
            )
        return quote(str(value), safe="") if match[2] else str(value)

    return re.sub(r"\{(\w+)(!q)?\}", replacement, template)


class RestType(ResourceType):
    """A collection with create, get, update and delete, as most of Google's APIs are."""

    service: ClassVar[str]
    collection: ClassVar[str]
    create_query: ClassVar[dict[str, str]] = {}
    create_only: ClassVar[set[str]] = set()
    create_method: ClassVar[str] = "POST"  # or PUT, to the thing's own path
    update_method: ClassVar[str] = "PATCH"
    masked: ClassVar[bool] = True
    waits: ClassVar[frozenset[str]] = frozenset({"create", "delete"})
    noun: ClassVar[str]

    def create(self, call: Call, plan: Properties) -> tuple[str, Properties]:
        identity = (
            fill(self.identity, plan) if "{name}" not in self.identity or self.by_name["name"].mode != "out" else ""
        )
        path = self.path(identity, plan) if self.create_method == "PUT" else fill(self.collection, plan)
        try:
            answer = call.api.call(self.service, self.create_method, path, body=self.body(plan), query=self.query(plan))
        except RefusedError as error:
            if error.status != 409 or not identity:
                raise
            if self.take_back(call, identity, plan):
                return self.read_back(call, identity, plan)
            raise AlreadyExistsError(str(error), identity) from error
        if "create" in self.waits:
            answer = self.finish(call, answer, "create")
        identity = identity or self.identity_in(answer)
        self.settle(call, identity, plan)
        return self.read_back(call, identity, plan)

    def take_back(self, call: Call, identity: str, plan: Properties) -> bool:
        """Bring back, as the program wants it, what the service kept of a thing that was deleted under that name;
        whether it was that.
        """
        return False

    def settle(self, call: Call, identity: str, plan: Properties) -> None:
        """What a creation needs beyond its request."""

    def query(self, plan: Properties) -> dict[str, str]:
        """What a creation says beside its body."""
        return {key: fill(value, plan) for key, value in self.create_query.items()}

    def finish(self, call: Call, operation: Any, verb: str) -> Any:
        """Wait for a long-running operation; its response."""
        return call.api.wait(self.service, operation, f"{verb} {self.noun}", call.seconds)

    def identity_in(self, answer: Any) -> str:
        """The id, where the service chooses it."""
        return str(answer["name"])

    def read_back(self, call: Call, identity: str, plan: Properties) -> tuple[str, Properties]:
        outputs = self.read(call, identity, plan)
        if outputs is None:
            raise OperationError(f"{identity} was written, but a read answers 404: run up again")
        return identity, outputs

    def path(self, identity: str, known: Properties) -> str:
        return identity

    def read(self, call: Call, identity: str, known: Properties) -> Properties | None:
        answer = call.api.find(self.service, self.path(identity, known))
        return None if answer is None else self.outputs(answer, known) | {"id": identity}

    def outputs(self, answer: Any, known: Properties) -> Properties:
        """What an answer says, as outputs."""
        outputs = flatten(self.fields, answer, known)
        self.read_more(outputs, answer, known)
        return outputs

    def read_more(self, outputs: Properties, answer: Any, known: Properties) -> None:
        """What the table cannot say about reading."""

    def body(self, plan: Properties) -> dict[str, Any]:
        return expand(self.fields, plan)

    def update_body(self, plan: Properties) -> dict[str, Any]:
        return {key: value for key, value in self.body(plan).items() if key not in self.create_only}

    def mask(self, prior: Properties, plan: Properties) -> list[str]:
        """The changed members of the body, sorted."""
        keys = {change.key for change in self.compare(prior, plan)}
        found: dict[str, Any] = {}
        for key in keys:
            field = self.by_name[key]
            if field.api != "-" and (field.mode != "out" or field.sent):
                put(found, field.api, True)
        return sorted(found)

    def update(self, call: Call, identity: str, prior: Properties, plan: Properties) -> Properties:
        mask = self.mask(prior, plan)
        if mask:
            query = {"updateMask": ",".join(mask)} if self.masked else {}
            answer = call.api.call(
                self.service, self.update_method, self.path(identity, prior), body=self.update_body(plan), query=query
            )
            if "update" in self.waits:
                self.finish(call, answer, "update")
        return self.read_back(call, identity, plan)[1]

    def delete(self, call: Call, identity: str, prior: Properties) -> None:
        try:
            answer = call.api.call(self.service, "DELETE", self.path(identity, prior), query=self.delete_query(prior))
        except RefusedError as error:
            if error.status == 404:
                return
            raise
        if "delete" in self.waits:
            self.finish(call, answer, "delete")

    def delete_query(self, prior: Properties) -> dict[str, str]:
        return {}
