"""`python -m local.cloud console`: print the link that opens the console of a running cloud, and open it."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from local.cloud.console.sessions import PATH


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    root = options.root.resolve()
    try:
        url = json.loads((root / "server.json").read_text())["url"]
        token = (root / "operator-token").read_text().strip()
    except FileNotFoundError as missing:
        sys.stderr.write(
            f"{missing.filename} does not exist: no local cloud runs on this root. Name another with --root\n"
        )
        return 1
    try:
        tell(_link(url, token), open_it=options.open)
    except urllib.error.HTTPError as refused:
        sys.stderr.write(f"{json.load(refused)['error']['message']}\n")
        return 1
    except urllib.error.URLError as error:
        sys.stderr.write(f"{url} does not answer ({error.reason}). Start the cloud again: python -m local.cloud\n")
        return 1
    return 0


def tell(link: str, *, open_it: bool | None) -> None:
    """Print the link; open it where there is a screen to show it on, or as `open_it` says."""
    sys.stdout.write(f"Console, for whoever opens this link first, within 5 minutes:\n{link}\n")
    sys.stdout.flush()
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_screen if open_it is None else open_it:
        webbrowser.open(link)


def _link(url: str, token: str) -> str:
    headers = {"authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url}{PATH}/tickets", b"{}", headers, method="POST")  # noqa: S310 - the loopback
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as answer:
        return json.load(answer)["url"]


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
