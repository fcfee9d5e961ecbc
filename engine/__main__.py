"""`python -m engine`: the command line of the embedded engine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.display import Text
from engine.errors import EngineError
from engine.outcome import Result
from engine.run import DEFAULT_PARALLEL, Options, destroy, preview, up

_ABOUT = """An embedded Pulumi engine: it runs a Pulumi Python program in this process, plans it offline and
applies it by REST calls.

It keeps its state where Pulumi's file backend does and in its format (PULUMI_BACKEND_URL=file://...), so that the
`pulumi` command and this engine can take over from each other. `up` and `destroy` work only at the endpoints that the
gcp provider's own variables name (GOOGLE_STORAGE_CUSTOM_ENDPOINT and so on); Google Cloud itself is for the `pulumi`
command."""

_VARIABLES = """environment:
  PULUMI_BACKEND_URL                file://FOLDER of the state, relative to --cwd; needed by up and destroy
  PULUMI_CONFIG_PASSPHRASE[_FILE]   the passphrase of the stack's secrets; without it up makes one beside the state
  GOOGLE_<SERVICE>_CUSTOM_ENDPOINT  where up and destroy send their requests
  GOOGLE_OAUTH_ACCESS_TOKEN         sent as the bearer token

exit status: 0 done, 1 refused or failed, 2 wrong usage."""

_PREVIEW = """Show what `up` would do. Runs the program with unknown values where only applying can tell;
sends no request unless endpoints are set."""
_UP = """Plan, show the plan, ask, then apply it. The state is written after every step; after a crash, run up again."""
_DESTROY = """Delete all resources of the stack, dependents first. The program is not run."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine",
        description=_ABOUT,
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common, applying = _common(), _applying()
    shown = commands.add_parser(
        "preview",
        parents=[common],
        help="show what up would do; needs no network, no endpoint and no account",
        description=_PREVIEW,
    )
    shown.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="plan on this state (a backend's file, or the output of `pulumi stack export`)",
    )
    shown.add_argument("--expect-no-changes", action="store_true", help="exit with status 1 if the plan has any change")
    commands.add_parser(
        "up", parents=[common, applying], help="plan, then create, update, replace and delete", description=_UP
    )
    commands.add_parser(
        "destroy",
        parents=[common, applying],
        help="delete everything that the stack's state holds",
        description=_DESTROY,
    )
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--cwd", "-C", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)")
    add("--stack", "-s", required=True, metavar="NAME", help="the stack")
    add("--config-file", type=Path, metavar="FILE", help="use this file in place of Pulumi.<stack>.yaml")
    add(
        "--config",
        "-c",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a configuration value for this run; may be repeated",
    )
    add("--json", type=Path, metavar="FILE", help="also write the plan or the result to FILE as JSON")
    add("--show-sames", action="store_true", help="list the resources that do not change, too")
    return common


def _applying() -> argparse.ArgumentParser:
    applying = argparse.ArgumentParser(add_help=False)
    add = applying.add_argument
    add("--yes", "-y", action="store_true", help="do not ask before applying")
    add(
        "--parallel",
        "-p",
        type=int,
        default=DEFAULT_PARALLEL,
        metavar="N",
        help=f"operations at a time (default: {DEFAULT_PARALLEL})",
    )
    add("--continue-on-error", action="store_true", help="go on with what does not depend on a failed operation")
    return applying


def _options(arguments: argparse.Namespace) -> Options:
    values: dict[str, str] = {}
    for item in arguments.config:
        key, equals, value = item.partition("=")
        if not equals:
            raise EngineError(f"--config {item!r} has no value: write --config key=value")
        values[key] = value
    return Options(
        cwd=arguments.cwd,
        stack=arguments.stack,
        config_file=arguments.config_file,
        config=values,
        state_file=getattr(arguments, "state", None),
        parallel=getattr(arguments, "parallel", DEFAULT_PARALLEL),
        continue_on_error=getattr(arguments, "continue_on_error", False),
    )


def _confirm(arguments: argparse.Namespace) -> bool:
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise EngineError("--yes must be passed in to proceed when running in non-interactive mode")
    sys.stdout.write(
        f"Do you want to perform this {'destroy' if arguments.command == 'destroy' else 'update'}? [yes/no] "
    )
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _run(arguments: argparse.Namespace) -> Result:
    display = Text(show_sames=arguments.show_sames)
    options = _options(arguments)
    if arguments.command == "preview":
        return preview(options, display)
    command = up if arguments.command == "up" else destroy
    return command(options, display, lambda _: _confirm(arguments))


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        result = _run(arguments)
    except EngineError as error:
        sys.stderr.write(f"error: {error}\n")
        if arguments.json:
            arguments.json.write_text(json.dumps({"ok": False, "errors": [str(error)]}) + "\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything was begun\n")
        return 130
    if arguments.json:
        arguments.json.write_text(json.dumps(result.as_json(), indent=1) + "\n")
    if arguments.command != "preview":
        return 0 if result.ok and result.kind in ("up", "destroy") else 1
    return 1 if not result.ok or (arguments.expect_no_changes and result.changed) else 0


if __name__ == "__main__":
    sys.exit(main())
