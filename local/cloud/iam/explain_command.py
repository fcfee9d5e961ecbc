"""`python -m local.cloud explain PRINCIPAL PERMISSION RESOURCE`: why a running cloud allows or refuses something."""

import sys
from pathlib import Path
from typing import Any

from local.cloud.operator_call import NotAskedError, ask


def explain(root: Path, *subject: str) -> int:
    """Print the explanation. 0: allowed; 1: refused; 2: it could not be asked."""
    if len(subject) != 3:
        sys.stderr.write(f"explain takes PRINCIPAL PERMISSION RESOURCE, not {len(subject)} words\n")
        return 2
    wanted: dict[str, Any] = dict(zip(("principal", "permission", "resource"), subject, strict=True))
    try:
        answer = ask(root, "POST", "/_local/access/explain", wanted)
    except NotAskedError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{answer['explanation']}\n")
    return 0 if answer["granted"] else 1
