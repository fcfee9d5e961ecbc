"""docs/api.md: of each method of the APIs that are served, whether the local cloud has it. `python -m` writes it.

Owns: the table. `methods.json` lists Google's methods; it is renewed from a folder of discovery documents by
`python -m tests.contract.api_table FOLDER`, where `pubsub.v1.json` is what
https://pubsub.googleapis.com/$discovery/rest?version=v1 answers. `notes.toml` says what is missing of a method that
has a route; a method with a route and no note is full.
"""

import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.cloud.app import Cloud
from local.cloud.routing import Router

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs/api.md"
DATA = ROOT / "tests/data/api"
_TITLES = {"aiplatform.v1": "Vertex AI API"}
_HEAD = """# What the local cloud serves

Written by `python -m tests.contract.api_table`; a test holds it up to date. Of each method of an API: **full**, it does
what the reference says; **partial**, with what is missing below the table; **not there**, it is answered with 400
UNIMPLEMENTED. Resources of which no method is there are named in one line. Operations (get, list, wait, cancel, delete)
are the same for every service. Lists come in pages, PATCH obeys update masks, and a policy is kept, everywhere.

"""


def methods() -> dict[str, dict[str, Any]]:
    return json.loads((DATA / "methods.json").read_text())


def notes() -> dict[str, str]:
    return tomllib.loads((DATA / "notes.toml").read_text())


def served(router: Router, api: dict[str, Any]) -> set[str]:
    """The ids of an API's methods that have a route."""
    return {name for name, (verb, path) in api["methods"].items() if _has_route(router, verb, f"{api['base']}{path}")}


def _has_route(router: Router, method: str, template: str) -> bool:
    """The custom verb of a path must be the route's own; else it would be taken for the end of a name."""
    path = re.sub(r"\{\+?\w+\}", "x1", template)
    match = router.match(method, path)
    verb = re.search(r":\w+$", path)
    return match is not None and (match.route.template.endswith(verb.group()) if verb else True)


def render(router: Router) -> str:
    found = notes()
    parts = [_HEAD]
    for name, api in methods().items():
        parts.append(_service(name, api, served(router, api), found))
    return "\n".join(parts)


def _service(name: str, api: dict[str, Any], have: set[str], found: dict[str, str]) -> str:
    resources: dict[str, list[str]] = {}
    for method in api["methods"]:
        resources.setdefault(_resource(name, method), []).append(method)
    partial = {method for method in have if _noted(name, method) in found}
    lines = [f"## {_TITLES.get(name, api['title'])} {name.rpartition('.')[2]}", ""]
    lines += [f"{len(have) - len(partial)} full, {len(partial)} partial, of {len(api['methods'])} methods.", ""]
    lines += ["| resource | full | partial | not there |", "|---|---|---|---|"]
    for resource, names in resources.items():
        if have.intersection(names):
            groups = (have - partial, partial, set(names) - have)
            cells = (", ".join(each.rpartition(".")[2] for each in names if each in group) for group in groups)
            lines.append(f"| {resource} | {' | '.join(cells)} |")
    missing = {_noted(name, each): each for each in sorted(partial)}
    lines += ["", *(f"* `{short.partition('.')[2]}`: {found[short]}." for short in missing)]
    absent = [resource for resource, names in resources.items() if not have.intersection(names)]
    known = {resource.partition(".")[0] for resource, names in resources.items() if have.intersection(names)}
    tops = dict.fromkeys(top for each in absent if (top := each.partition(".")[0]) not in known)
    deeper = [each for each in absent if each.partition(".")[0] in known]
    if tops or deeper:
        lines += ["", f"Not there at all: {', '.join([*tops, *deeper])}."]
    return "\n".join(lines) + "\n"


def _resource(api: str, method: str) -> str:
    """`topics` of `pubsub.projects.topics.get`; a service's own methods are of `(service)`."""
    path = method.rpartition(".")[0].removeprefix(api.partition(".")[0]).removeprefix(".")
    short = re.sub(r"^projects\.(locations\.(?!$))?", "", path)
    return short or "(service)"


def _noted(api: str, method: str) -> str:
    """`pubsub.topics.get`, as the notes name `pubsub.projects.topics.get`."""
    return f"{api.partition('.')[0]}.{_resource(api, method)}.{method.rpartition('.')[2]}"


def unknown_notes(router: Router) -> list[str]:
    """Notes on methods that do not exist or have no route."""
    known = {_noted(name, method) for name, api in methods().items() for method in served(router, api)}
    return sorted(set(notes()) - known)


def router_of(folder: Path) -> Router:
    cloud = Cloud(folder)
    try:
        return cloud.router
    finally:
        cloud.stop()


def renew(folder: Path) -> None:
    """Write methods.json anew from discovery documents, without operations and what is not of a project."""
    written: dict[str, Any] = {}
    for name in methods():
        document = json.loads((folder / f"{name}.json").read_text())
        found = {
            method["id"]: [method["httpMethod"], _path(method)]
            for method in _walk(document)
            if not re.search(
                r"[oO]perations\.|^\w+\.(folders|organizations|billingAccounts\.(?!budgets))", method["id"]
            )
        }
        base, title = f"/{document['servicePath']}", document["title"]
        written[name] = {"title": title, "revision": document["revision"], "base": base, "methods": found}
    (DATA / "methods.json").write_text(json.dumps(written, indent=0, separators=(",", ":")) + "\n")


def _walk(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("methods", {}).values()
    for inner in document.get("resources", {}).values():
        yield from _walk(inner)


def _path(method: dict[str, Any]) -> str:
    """The flat path; of services whose parents may be anything, with a project."""
    return re.sub(r"\{v1Id\}(?=/\{v1Id1\})", "projects", method.get("flatPath") or method["path"])


def main() -> None:
    if len(sys.argv) > 1:
        renew(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        TARGET.write_text(render(router_of(Path(folder))))


if __name__ == "__main__":
    main()
