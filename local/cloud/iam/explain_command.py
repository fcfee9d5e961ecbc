"""`python -m local.cloud explain PRINCIPAL PERMISSION RESOURCE`: why a running cloud allows or refuses something."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path


def explain(root: Path, *subject: str) -> int:
    """Print the explanation. 0: allowed; 1: refused; 2: it could not be asked."""
    if len(subject) != 3:
        sys.stderr.write(f"explain takes PRINCIPAL PERMISSION RESOURCE, not {len(subject)} words\n")
        return 2
    try:
        url = json.loads((root / "server.json").read_text())["url"]
        token = (root / "operator-token").read_text().strip()
        answer = _ask(url, token, dict(zip(("principal", "permission", "resource"), subject, strict=True)))
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{json.load(error)['error']['message']}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"No local cloud runs on {root}: {error}\n")
        return 2
    sys.stdout.write(f"{answer['explanation']}\n")
    return 0 if answer["granted"] else 1


def _ask(url: str, token: str, body: dict[str, str]) -> dict[str, str]:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(f"{url}/_local/access/explain", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)
