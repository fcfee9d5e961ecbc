"""Import: takes a thing that exists over into the state, and writes the Python that declares it as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from engine import urns
from engine.display import Display, Silent
from engine.errors import EngineError
from engine.execution import Apply
from engine.gcp.fields import Field, snake
from engine.goal import Goal
from engine.journal import Journal
from engine.outcome import Diagnostic, Outcome, Result
from engine.plugins import GcpPlugin, Operation
from engine.session import Options, Session
from engine.state import ResourceState, timestamp
from engine.values import Properties, Value, reveal


@dataclass(frozen=True)
class Wanted:
    """What is to be imported: a type token such as gcp:storage/bucket:Bucket, a name in the program, the thing's id."""

    type: str
    name: str
    id: str
    protect: bool = True


def import_resource(
    options: Options,
    wanted: Wanted,
    display: Display | None = None,
    confirm: Callable[[Result], bool] = lambda _: True,
) -> tuple[Result, str]:
    """The result, and the declaration to put into the program. Nothing is written unless it is confirmed."""
    session = _Import(options, display or Silent(), sealing=True)
    session.refuse_without_endpoints("import")
    with session.backend().lock():
        session.load()
        return session.take(wanted, confirm)


class _Import(Session):
    """The command of that name."""

    def take(self, wanted: Wanted, confirm: Callable[[Result], bool]) -> tuple[Result, str]:
        started = time.monotonic()
        base = self.base()
        backend = self.backend()
        backend.prepare()
        planner = self.planner(base, dry_run=False)
        plugin = planner.plugin(wanted.type)
        if not isinstance(plugin, GcpPlugin):
            raise EngineError(f"{plugin.refusal('import', ResourceState('', wanted.type))}")
        if missing := self.api.missing(plugin.services()):
            raise EngineError(f"{', '.join(missing)} is not set, and {wanted.type} needs it")
        journal = Journal(backend, base, self.secrets)
        performer = Apply(planner, journal, self.api, lambda _: None, {})
        monitor = self.monitor(planner, performer, dry_run=False)
        goal = Goal(
            wanted.type,
            wanted.name,
            version=_installed(wanted.type),
            parent=monitor.stack(self.project.name, self.options.stack),
        )
        urn = planner.urn(goal)
        if urn in planner.olds:
            raise EngineError(f"{urn} is in the state already: give the import another name")
        provider = monitor.default_provider(goal)
        new = ResourceState(
            urn, wanted.type, id=wanted.id, parent=goal.parent, provider=provider, protect=wanted.protect
        )
        new.import_id = wanted.id
        found = plugin.imported(wanted.id, Operation(self.api, planner.settings(new)))
        if found is None:
            raise EngineError(f"{wanted.type} {wanted.id!r} does not exist: correct the id")
        new.inputs, new.outputs, differing = found
        new.id = str(new.outputs["id"])
        new.created = new.modified = timestamp()
        outcome = Outcome(urn, "import", parent=new.parent, status="done", new=new)
        result = self.result("import", base)
        result.outputs = base.outputs()
        if differing:
            self.warn(f"the declaration below is not all of it: {', '.join(differing)} will differ in the next plan")
        code = declaration(wanted, reveal(new.inputs), plugin.fields)
        self.display.begin("import", self.options.stack)
        if confirm(result):
            backend.keep_backup()
            journal.later(lambda: journal.settled(new, None))
            journal.flush()
        else:
            self.report(Diagnostic("error", "not confirmed: nothing was imported"))
        return self.finish(result, [outcome], [], {"apply": time.monotonic() - started}), code


def _installed(type_: str) -> str:
    """The version of the SDK whose default provider a program would use."""
    try:
        return version(f"pulumi-{urns.package_of(type_)}")
    except PackageNotFoundError:
        return ""


def declaration(wanted: Wanted, inputs: Properties, fields: tuple[Field, ...]) -> str:
    """The Python of a resource with these inputs."""
    package, middle, class_name = wanted.type.split(":")
    module = middle.split("/")[0]
    variable = snake("".join(part[:1].upper() + part[1:] for part in wanted.name.replace("-", "_").split("_")))
    lines = [f"{variable} = {package}.{module}.{class_name}(", f"    {wanted.name!r},"]
    lines += [f"    {snake(name)}={text}," for name, text in _arguments(inputs, fields, "    ")]
    if wanted.protect:
        lines.append("    opts=pulumi.ResourceOptions(protect=True),")
    return "\n".join([*lines, ")"]) + "\n"


def _arguments(values: Properties, fields: tuple[Field, ...], margin: str) -> list[tuple[str, str]]:
    by_name = {field.name: field for field in fields}
    shown = {key: value for key, value in values.items() if not key.startswith("__")}
    filled = values.get("__defaults") or []
    return [
        (key, _literal(value, by_name.get(key), margin)) for key, value in sorted(shown.items()) if key not in filled
    ]


def _literal(value: Value, field: Field | None, margin: str) -> str:
    inner = margin + "    "
    if isinstance(value, dict):
        if field is not None and field.nested:
            items = [f'"{snake(key)}": {text}' for key, text in _arguments(value, field.fields, inner)]
        else:
            items = [f"{key!r}: {item!r}" for key, item in sorted(value.items()) if not key.startswith("__")]
        return "{\n" + "".join(f"{inner}{item},\n" for item in items) + margin + "}" if items else "{}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + "".join(f"{inner}{_literal(item, field, inner)},\n" for item in value) + margin + "]"
    return repr(value)
