"""How the commands of `python -m local.cloud` call a cloud that runs: by the files under its root, as its operator.

Owns: finding it and what is said where that fails. Does not own: what is asked. No proxy stands between.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_SECONDS = 60


class NotAskedError(Exception):
    """The cloud could not be asked, or refused; the text says why and what to do."""


def ask(root: Path, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON answer of the cloud on `root`. Raises NotAskedError."""
    root = root.resolve()
    try:
        url = json.loads((root / "server.json").read_text())["url"]
        token = (root / "operator-token").read_text().strip()
    except FileNotFoundError as missing:
        text = f"{missing.filename} does not exist: no local cloud runs on this root. Name another with --root"
        raise NotAskedError(text) from None
    data = json.dumps(body).encode() if body is not None else None
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(f"{url}{path}", data, headers, method=method)  # noqa: S310 - the loopback
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise NotAskedError(json.load(refused)["error"]["message"]) from None
    except urllib.error.URLError as error:
        text = f"{url} does not answer ({error.reason}). Start the cloud again: python -m local.cloud"
        raise NotAskedError(text) from None
