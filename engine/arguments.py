"""The commands of `python -m engine`, their options and what their help says."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.session import DEFAULT_PARALLEL

_PREVIEW = """Show what `up` would do. Runs the program with unknown values where only applying can tell;
sends no request unless endpoints are set."""
_UP = """Plan, show the plan, ask, then apply it. The state is written after every step; after a crash, run up again."""
_DESTROY = """Delete all resources of the stack, dependents first. The program is not run."""
_REFRESH = """Read every resource, show what is no longer as the state says, ask, then write it into the state.
Nothing but the state is changed. A resource that is gone leaves the state."""
_IMPORT = """Take a thing that exists into the state, protected, and print the Python that declares it.
ID is the id that the state has for such a thing; of an IAM member it is 'HOLDER ROLE MEMBER'."""
_CANCEL = """Remove the locks of runs that were killed. What the pulumi command had started may still be at work: see
first that it is not. A lock of this engine whose process is no more needs no cancel."""

_RECOVER = """Remove the locks of runs that are no more, and mark every planned creation as begun: the next up then
takes over a thing that exists already, if it is exactly as the program wants it, where it would have failed with 409.
Sends no request."""


def add_commands(top: argparse.ArgumentParser) -> None:
    """Give the command line its commands."""
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common, running, applying, confined = _common(), _running(), _applying(), _confined()
    shown = commands.add_parser(
        "preview",
        aliases=["plan"],
        parents=[common, running, confined, _replacing()],
        help="show what up would do; needs no network, no endpoint and no account",
        description=_PREVIEW,
    )
    shown.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="plan on this state (a backend's file, or the output of `pulumi stack export`)",
    )
    commands.add_parser(
        "up",
        parents=[common, running, applying, confined, _replacing()],
        help="plan, then create, update, replace and delete",
        description=_UP,
    )
    commands.add_parser(
        "destroy",
        parents=[common, running, applying, confined],
        help="delete everything that the stack's state holds",
        description=_DESTROY,
    )
    read = commands.add_parser(
        "refresh",
        parents=[common, applying, confined],
        help="bring the state up to what is there",
        description=_REFRESH,
    )
    read.add_argument("--preview-only", action="store_true", help="show what would be written, and write nothing")
    read.add_argument(
        "--clear-pending-creates",
        action="store_true",
        help="forget creations that were interrupted, without looking for what they made",
    )
    for command in (shown, read):
        command.add_argument(
            "--expect-no-changes", action="store_true", help="exit with status 1 if there is any change"
        )
    taken = commands.add_parser(
        "import", parents=[common, applying], help="take a thing that exists into the state", description=_IMPORT
    )
    taken.add_argument("type", metavar="TYPE", help="its type token, for example gcp:storage/bucket:Bucket")
    taken.add_argument("name", metavar="NAME", help="its name in the program")
    taken.add_argument("id", metavar="ID", help="its id, for example the bucket's name")
    taken.add_argument("--no-protect", action="store_true", help="do not mark it as protected")
    _add_repairs(commands)


def _add_repairs(commands: argparse._SubParsersAction) -> None:
    """What a user needs after an interruption: nothing but the state and its locks is touched."""
    stack = argparse.ArgumentParser(add_help=False)
    _add_stack(stack)
    agreed = argparse.ArgumentParser(add_help=False)
    agreed.add_argument("--yes", "-y", action="store_true", help="do not ask")
    commands.add_parser(
        "cancel", parents=[stack, agreed], help="remove the locks that a killed run left", description=_CANCEL
    )
    commands.add_parser(
        "recover",
        parents=[stack, agreed],
        help="after a killed or half-failed up: let the next one take over what is there",
        description=_RECOVER,
    )
    kept = commands.add_parser("stack", help="export, import: the state as a file")
    files = kept.add_subparsers(dest="verb", required=True, metavar="VERB")
    out = files.add_parser("export", parents=[stack], help="print the state as `pulumi stack export` does")
    out.add_argument("--file", type=Path, metavar="FILE", help="write it there")
    back = files.add_parser("import", parents=[stack], help="put a state in the place of the stack's")
    back.add_argument("--file", type=Path, metavar="FILE", help="read it from there (default: standard input)")
    back.add_argument("--force", "-f", action="store_true", help="even if it is another stack's, or damaged")
    edited = commands.add_parser("state", help="delete, rename, unprotect: edit the state")
    edits = edited.add_subparsers(dest="verb", required=True, metavar="VERB")
    gone = edits.add_parser("delete", parents=[stack, agreed], help="forget a resource; the thing itself stays")
    gone.add_argument("urn", metavar="URN")
    gone.add_argument("--force", action="store_true", help="even if it is protected")
    gone.add_argument("--target-dependents", action="store_true", help="and what depends on it")
    named = edits.add_parser("rename", parents=[stack, agreed], help="give a resource another name")
    named.add_argument("urn", metavar="URN")
    named.add_argument("name", metavar="NAME")
    free = edits.add_parser("unprotect", parents=[stack, agreed], help="take the protection from a resource")
    free.add_argument("urn", metavar="URN", nargs="?", default="")
    free.add_argument("--all", action="store_true", help="from all")


def _add_stack(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cwd", "-C", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)")
    add("--stack", "-s", required=True, metavar="NAME", help="the stack")


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    _add_stack(common)
    add = common.add_argument
    add("--config-file", type=Path, metavar="FILE", help="use this file in place of Pulumi.<stack>.yaml")
    add(
        "--config",
        "-c",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a configuration value for this run; may be repeated",
    )
    add(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="print the plan or the result as JSON in place of text; with FILE, write it there beside the text",
    )
    add("--show-sames", action="store_true", help="list the resources that do not change, too")
    add("--diff", action="store_true", help="show every property that changes")
    return common


def _running() -> argparse.ArgumentParser:
    running = argparse.ArgumentParser(add_help=False)
    running.add_argument("--refresh", "-r", action="store_true", help="read what is there first, and go on from that")
    return running


def _confined() -> argparse.ArgumentParser:
    confined = argparse.ArgumentParser(add_help=False)
    add = confined.add_argument
    add(
        "--target",
        "-t",
        action="append",
        default=[],
        metavar="URN",
        help="touch this resource only; may be repeated; * stands for anything but a colon, ** for anything",
    )
    add("--target-dependents", action="store_true", help="and what depends on a target")
    add("--exclude", "-x", action="append", default=[], metavar="URN", help="leave this resource alone; as --target")
    return confined


def _replacing() -> argparse.ArgumentParser:
    replacing = argparse.ArgumentParser(add_help=False)
    add = replacing.add_argument
    add("--replace", action="append", default=[], metavar="URN", help="replace this resource; as --target is written")
    add("--target-replace", action="append", default=[], metavar="URN", help="as --target URN --replace URN")
    return replacing


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
