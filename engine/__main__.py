"""`python -m engine`: the command line of the embedded engine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from engine.arguments import add_commands
from engine.display import Display, Silent, Text
from engine.errors import EngineError
from engine.importing import Wanted, import_resource
from engine.outcome import Result
from engine.recovery import recover
from engine.refresh import refresh
from engine.repair import Repair
from engine.run import destroy, preview, up
from engine.session import DEFAULT_PARALLEL, Options

_ABOUT = """An embedded Pulumi engine: it runs a Pulumi Python program in this process, plans it offline and
applies it by REST calls.

It keeps its state where Pulumi's file backend does and in its format (PULUMI_BACKEND_URL=file://...), so that the
`pulumi` command and this engine can take over from each other. All commands but `preview` work only at the endpoints
that the gcp provider's own variables name (GOOGLE_STORAGE_CUSTOM_ENDPOINT and so on); Google Cloud itself is for the
`pulumi` command."""

_VARIABLES = """environment:
  PULUMI_BACKEND_URL                file://FOLDER of the state, relative to --cwd; needed by all but preview
  PULUMI_CONFIG_PASSPHRASE[_FILE]   the passphrase of the stack's secrets; without it up makes one beside the state
  GOOGLE_<SERVICE>_CUSTOM_ENDPOINT  where requests are sent
  GOOGLE_OAUTH_ACCESS_TOKEN         sent as the bearer token

exit status: 0 done, 1 refused or failed, 2 wrong usage."""

_ASKED = {"destroy": "destroy", "refresh": "refresh", "import": "import"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine",
        description=_ABOUT,
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_commands(parser)
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    values: dict[str, str] = {}
    for item in arguments.config:
        key, equals, value = item.partition("=")
        if not equals:
            raise EngineError(f"--config {item!r} has no value: write --config key=value")
        values[key] = value
    given = vars(arguments)
    both = given.get("target_replace") or []
    return Options(
        cwd=arguments.cwd,
        stack=arguments.stack,
        config_file=arguments.config_file,
        config=values,
        state_file=given.get("state"),
        parallel=given.get("parallel", DEFAULT_PARALLEL),
        continue_on_error=given.get("continue_on_error", False),
        refresh=given.get("refresh", False),
        targets=(*(given.get("target") or []), *both),
        target_dependents=given.get("target_dependents", False),
        replaces=(*(given.get("replace") or []), *both),
        excludes=tuple(given.get("exclude") or []),
    )


def _confirm(arguments: argparse.Namespace) -> bool:
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise EngineError("--yes must be passed in to proceed when running in non-interactive mode")
    sys.stdout.write(f"Do you want to perform this {_ASKED.get(arguments.command, 'update')}? [yes/no] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _run(arguments: argparse.Namespace) -> tuple[Result, str]:
    """The result, and the declaration that an import writes."""
    options = _options(arguments)
    display: Display = Silent() if arguments.json == "-" else Text(show_sames=arguments.show_sames, diff=arguments.diff)

    def confirm(_: Result) -> bool:
        return _confirm(arguments)

    if arguments.command in ("preview", "plan"):
        return preview(options, display), ""
    if arguments.command == "refresh":
        pending = arguments.clear_pending_creates
        return refresh(
            options, display, confirm, preview_only=arguments.preview_only, clear_pending_creates=pending
        ), ""
    if arguments.command == "import":
        wanted = Wanted(arguments.type, arguments.name, arguments.id, protect=not arguments.no_protect)
        return import_resource(options, wanted, display, confirm)
    command = up if arguments.command == "up" else destroy
    return command(options, display, confirm), ""


def _check_writable(where: str | None) -> None:
    """Refuse before anything is done if its report could not be written."""
    if not where or where == "-":
        return
    try:
        with Path(where).open("a"):
            pass
    except OSError as error:
        raise EngineError(f"--json {where!r} cannot be written ({error.strerror}): name a writable file") from error


def _write(where: str | None, body: dict[str, Any]) -> None:
    if where == "-":
        sys.stdout.write(json.dumps(body, indent=4) + "\n")
    elif where:
        Path(where).write_text(json.dumps(body, indent=1) + "\n")


def _failed(arguments: argparse.Namespace, result: Result) -> bool:
    """Whether what was asked for was not done."""
    unwanted = getattr(arguments, "expect_no_changes", False) and result.changed
    planned = arguments.command in ("preview", "plan") or getattr(arguments, "preview_only", False)
    return not result.ok or unwanted or (not planned and result.kind != arguments.command)


def _repair(arguments: argparse.Namespace) -> None:
    """Carry out a command that touches nothing but the state and its locks."""
    repair = Repair(Options(cwd=arguments.cwd, stack=arguments.stack))
    verb = getattr(arguments, "verb", "cancel")
    if arguments.command == "recover":
        _recover(arguments)
        return
    if verb in ("export", "import"):
        _state_file(repair, arguments)
        return
    arguments.command = f"{arguments.command} {verb}" if verb != "cancel" else verb
    if not _confirm(arguments):
        raise EngineError("not confirmed: nothing was changed")
    if verb == "cancel":
        sys.stdout.write(f"{repair.cancel()} lock(s) removed\n")
    elif verb == "delete":
        _list(repair.delete(arguments.urn, force=arguments.force, dependents=arguments.target_dependents), "forgotten")
    elif verb == "rename":
        _list(repair.rename(arguments.urn, arguments.name), "is its name now")
    elif arguments.urn or arguments.all:
        _list(repair.unprotect("" if arguments.all else arguments.urn), "is protected no more")
    else:
        raise EngineError("name the URN of a resource, or give --all")


def _recover(arguments: argparse.Namespace) -> None:
    if not _confirm(arguments):
        raise EngineError("not confirmed: nothing was changed")
    done = recover(Options(cwd=arguments.cwd, stack=arguments.stack))
    sys.stdout.write(f"{done.locks} lock(s) removed\n")
    _list(done.marked, "is taken over by the next up if it exists and is as the program wants it")


def _list(names: list[str], what: str) -> None:
    sys.stdout.write("".join(f"{urn} {what}\n" for urn in names) or "nothing to change\n")


def _state_file(repair: Repair, arguments: argparse.Namespace) -> None:
    file: Path | None = arguments.file
    if arguments.verb == "export":
        text = json.dumps(repair.export(), indent=4) + "\n"
        if file is None:
            sys.stdout.write(text)
        else:
            file.write_text(text)
        return
    try:
        document = json.loads(sys.stdin.read() if file is None else file.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineError(f"the state {str(file or 'on standard input')!r} cannot be read: {error}") from error
    repair.take(document, source=str(file or "standard input"), force=arguments.force)
    sys.stdout.write("Import complete.\n")


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command in ("cancel", "recover", "stack", "state"):
        try:
            _repair(arguments)
        except EngineError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        return 0
    try:
        _check_writable(arguments.json)
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    try:
        result, code = _run(arguments)
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        _write(arguments.json, {"ok": False, "errors": [str(error)]})
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything was begun\n")
        return 130
    _write(arguments.json, result.as_json() | ({"declaration": code} if code else {}))
    if code and arguments.json != "-":
        sys.stdout.write(f"Put this into the program:\n\n{code}\n")
    return 1 if _failed(arguments, result) else 0


if __name__ == "__main__":
    sys.exit(main())
