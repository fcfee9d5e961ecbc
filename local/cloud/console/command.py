"""`python -m local.cloud console`: print the link that opens the console of a running cloud, and open it."""

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from local.cloud.console.sessions import PATH
from local.cloud.operator_call import NotAskedError, ask


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        link = ask(options.root, "POST", f"{PATH}/tickets", {})["url"]
    except NotAskedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tell(link, open_it=options.open)
    return 0


def tell(link: str, *, open_it: bool | None) -> None:
    """Print the link; open it where there is a screen to show it on, or as `open_it` says."""
    sys.stdout.write(f"Console, for whoever opens this link first, within 5 minutes:\n{link}\n")
    sys.stdout.flush()
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_screen if open_it is None else open_it:
        webbrowser.open(link)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud console",
        description="Print a link that opens the console of a running local cloud, and open it in the browser.",
    )
    parser.add_argument("--root", type=Path, default=Path(".local/cloud"), help="the cloud's folder (%(default)s)")
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=None, help="open it (default: where there is a screen)"
    )
    return parser
