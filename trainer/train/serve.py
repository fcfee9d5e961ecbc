"""Serves a bundle of train.export: over HTTP as Vertex AI's custom containers do, or a whole file of histories.

    python serve.py --bundle FOLDER                       # AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE
    python serve.py --bundle FOLDER --input histories.jsonl --output recommendations.jsonl

A copy of this file lies in every bundle: it imports torch and the standard library alone (and Google's storage client
for a bundle at gs://), none of the code that trained the model. Owns: the request's form, batching and answers. Does
not own: scores (the bundle's program).
Source: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements

Shapes: B requests, L places of the window, S seen items, K answered items.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

MANIFEST_FILE, PROGRAM_FILE, CATALOG_FILE = "bundle.json", "scorer.pt2", "catalog.json"
BUNDLE_FOLDER = "serving"
FORMAT = 1
_MOST_AT_ONCE = 128
_MOST_BODY_BYTES = 10 << 20  # a request to Vertex AI has at most 1.5 MB, one to a dedicated endpoint 10 MB
_KEYS = {"history", "k", "exclude_seen"}


class WrongRequest(ValueError):
    """What was asked cannot be answered; the text names the value and the rule."""


class Wanted(NamedTuple):
    """One request: known items, oldest first, as places in the catalog."""

    items: list[int]
    unknown: int
    k: int
    exclude_seen: bool


class Bundle:
    """A loaded model. Raises ValueError where files are missing or changed."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads(_read(folder, MANIFEST_FILE))
        if manifest.get("format") != FORMAT:
            raise ValueError(f"{folder} holds a bundle of format {manifest.get('format')}, and this reads {FORMAT}")
        for name, digest in manifest["sha256"].items():
            if hashlib.sha256(_read(folder, name)).hexdigest() != digest:
                raise ValueError(f"{folder / name} differs from its manifest: export the model again")
        catalog = json.loads(_read(folder, CATALOG_FILE))
        self.run_id: str = manifest["run_id"]
        self.most: int = manifest["most"]
        self._window: int = manifest["window"]
        self._items: list[str] = catalog["items"]
        self._popular: list[int] = catalog["popular"]
        self._place = {item: place for place, item in enumerate(self._items)}
        self._score = torch.export.load(folder / PROGRAM_FILE).module()

    def wanted(self, instance: Any, *, where: str = "instance") -> Wanted:
        """Raises WrongRequest."""
        if not isinstance(instance, dict) or not set(instance) <= _KEYS:
            raise WrongRequest(f"{where}: {instance!r} is not an object with {', '.join(sorted(_KEYS))}")
        history, k = instance.get("history", []), instance.get("k", min(10, self.most))
        exclude = instance.get("exclude_seen", True)
        if not isinstance(history, list) or not all(isinstance(item, str) for item in history):
            raise WrongRequest(f"{where}.history: {history!r} is not a list of item ids")
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= self.most:
            raise WrongRequest(f"{where}.k: {k!r} is not a number from 1 to {self.most}")
        if not isinstance(exclude, bool):
            raise WrongRequest(f"{where}.exclude_seen: {exclude!r} is not true or false")
        known = [self._place[item] for item in history if item in self._place]
        return Wanted(known, len(history) - len(known), k, exclude)

    @torch.inference_mode()
    def recommend(self, requests: Sequence[Wanted]) -> list[dict[str, Any]]:
        """The best items and their scores for each; the most popular, without scores, where no item is known."""
        answers: list[dict[str, Any]] = [self._popular_answer(each) for each in requests]
        known = [number for number, each in enumerate(requests) if each.items]
        for first in range(0, len(known), _MOST_AT_ONCE):
            chosen = known[first : first + _MOST_AT_ONCE]
            scores_BK, places_BK = self._score(*self._tensors([requests[number] for number in chosen]))
            for number, scores_K, places_K in zip(chosen, scores_BK.tolist(), places_BK.tolist(), strict=True):
                answers[number] |= self._answer(requests[number], scores_K, places_K)
        return answers

    def _tensors(self, requests: list[Wanted]) -> tuple[torch.Tensor, ...]:
        """Histories aligned left; the padding repeats an item of the history, which changes nothing."""
        windows = [each.items[-self._window :] for each in requests]
        lengths_B = torch.tensor([len(each) for each in windows])
        items_BL = torch.tensor([each + [each[-1]] * (int(lengths_B.max()) - len(each)) for each in windows])
        seen = [sorted(set(each.items)) for each in requests]
        width = max(map(len, seen))
        seen_BS = torch.tensor([each + [each[-1]] * (width - len(each)) for each in seen])
        return items_BL, lengths_B, seen_BS, torch.tensor([each.exclude_seen for each in requests])

    def _answer(self, request: Wanted, scores_K: list[float], places_K: list[int]) -> dict[str, Any]:
        """What is left of the catalog's best: fewer than k where the user has seen nearly everything."""
        best = [(place, score) for place, score in zip(places_K, scores_K, strict=True) if score > float("-inf")]
        best = best[: request.k]
        return {"items": [self._items[place] for place, _ in best], "scores": [score for _, score in best]}

    def _popular_answer(self, request: Wanted) -> dict[str, Any]:
        items = [self._items[place] for place in self._popular[: request.k]]
        return {"items": items, "scores": None, "unknown_items": request.unknown}


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{folder / name} does not exist: this is no whole bundle") from None


def fetch(uri: str, into: Path) -> Path:
    """The bundle at `uri`, or in the folder `serving` of a model there; one at gs:// is copied to `into`."""
    if not uri.startswith("gs://"):
        given = Path(uri)
        return given / BUNDLE_FOLDER if (given / BUNDLE_FOLDER / MANIFEST_FILE).exists() else given
    from google.cloud import storage  # only where a bundle lies in a bucket

    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/")
    client = storage.Client()
    for folder in (f"{prefix}/{BUNDLE_FOLDER}", prefix):
        found = [
            blob for blob in client.list_blobs(bucket, prefix=f"{folder}/") if "/" not in blob.name[len(folder) + 1 :]
        ]
        if any(blob.name == f"{folder}/{MANIFEST_FILE}" for blob in found):
            for blob in found:
                blob.download_to_filename(str(into / blob.name.rpartition("/")[2]))
            return into
    raise ValueError(f"{uri} holds no {MANIFEST_FILE}, nor does its folder {BUNDLE_FOLDER}: export the model first")


def score_file(bundle: Bundle, source: Path, target: Path) -> int:
    """Answer each line of JSON in `source` by a line in `target`, in order; how many. All or nothing is left."""
    partial = target.with_name(f".{target.name}.partial")
    count = 0
    try:
        with source.open() as lines, partial.open("w") as out:
            numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
            while some := list(islice(numbered, _MOST_AT_ONCE)):
                read = [(f"{source}:{number}", _json(f"{source}:{number}", line)) for number, line in some]
                requests = [bundle.wanted(instance, where=where) for where, instance in read]
                out.writelines(json.dumps(answer) + "\n" for answer in bundle.recommend(requests))
                count += len(some)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _json(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise WrongRequest(f"{where}: {line.strip()[:80]!r} is not JSON ({error})") from None


def server(bundle: Bundle, *, host: str, port: int, health_route: str, predict_route: str) -> ThreadingHTTPServer:
    """A server that is bound and not yet running."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves as a whole
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            known = self.path == health_route
            self._say(200 if known else 404, {"run_id": bundle.run_id} if known else {"error": f"no {self.path} here"})

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length > _MOST_BODY_BYTES:
                self.close_connection = True
                self._say(413, {"error": f"{length} bytes are more than {_MOST_BODY_BYTES}"})
                return
            body = self.rfile.read(length)
            if self.path != predict_route:
                self._say(404, {"error": f"no {self.path} here: predictions are at {predict_route}"})
                return
            try:
                self._say(200, {"predictions": bundle.recommend(list(_requests(bundle, body)))})
            except WrongRequest as wrong:
                self._say(400, {"error": str(wrong)})

        def _say(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are counted by whoever routes them."""

    return ThreadingHTTPServer((host, port), Handler)


def _requests(bundle: Bundle, body: bytes) -> Iterator[Wanted]:
    try:
        instances = json.loads(body)["instances"]
    except (ValueError, KeyError, TypeError):
        raise WrongRequest('the body must be JSON of the form {"instances": [{"history": ["item", …]}]}') from None
    if not isinstance(instances, list):
        raise WrongRequest(f"instances: {instances!r} is not a list")
    for number, instance in enumerate(instances):
        yield bundle.wanted(instance, where=f"instances[{number}]")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=f"python -m {__spec__.name}" if __spec__ else "python serve.py",
        description="Serve a recommender's bundle over HTTP, or answer a file of histories.",
    )
    result.add_argument(
        "--bundle", help="its folder or gs:// address (default: AIP_STORAGE_URI, else where this file is)"
    )
    result.add_argument("--input", type=Path, help='a file of lines {"history": ["item", …], "k": 10}, oldest first')
    result.add_argument("--output", type=Path, help="where the answers go, a line each")
    result.add_argument("--host", default="0.0.0.0", help="the address to listen on (%(default)s)")  # noqa: S104
    result.add_argument("--threads", type=int, default=1, help="CPU threads of one request (%(default)s)")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if (options.input is None) != (options.output is None):
        sys.stderr.write("--input and --output go together\n")
        return 2
    torch.set_num_threads(options.threads)
    uri = options.bundle or os.environ.get("AIP_STORAGE_URI") or str(Path(__file__).resolve().parent)
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
            bundle = Bundle(fetch(uri, Path(folder)))
        if options.input is not None:
            sys.stderr.write(f"{score_file(bundle, options.input, options.output)} histories answered\n")
            return 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _serve(bundle, options.host)
    return 0


def _serve(bundle: Bundle, host: str) -> None:
    """Until SIGTERM; requests that have begun are answered."""
    port = int(os.environ.get("AIP_HTTP_PORT", "8080"))
    routes = {
        "health_route": os.environ.get("AIP_HEALTH_ROUTE", "/health"),
        "predict_route": os.environ.get("AIP_PREDICT_ROUTE", "/predict"),
    }
    listening = server(bundle, host=host, port=port, **routes)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=listening.shutdown).start())
    sys.stderr.write(f"run {bundle.run_id} at port {listening.server_address[1]}, {routes['predict_route']}\n")
    sys.stderr.flush()
    with listening:
        listening.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    sys.exit(main())
