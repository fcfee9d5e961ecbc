"""`python -m local.cloud`: serve a cloud, print how clients find it, open its console, or let something go wrong."""

import argparse
import json
import logging
import os
import shlex
import sys
from pathlib import Path

from local.cloud.clients import client_environment
from local.cloud.iam.explain_command import explain


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["fault"]:
        from local.cloud.faults import command

        return command.main(words[1:])
    if words[:1] == ["console"]:
        from local.cloud.console import command as console_command

        return console_command.main(words[1:])
    options = _parser().parse_intermixed_args(words)
    if options.command == "env":
        return _print_environment(options.root)
    if options.command == "explain":
        return explain(options.root.resolve(), *options.subject)
    return _serve(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud",
        description="Google Cloud's APIs on the loopback, on files.",
        epilog="python -m local.cloud console --help: the link to a running cloud's page; "
        "python -m local.cloud fault --help: let something go wrong on it",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "env", "explain"],
        default="serve",
        help="env prints export lines; explain says why PRINCIPAL may or may not do something",
    )
    parser.add_argument(
        "subject", nargs="*", metavar="PRINCIPAL PERMISSION RESOURCE", help="of explain; the resource as projects/…"
    )
    parser.add_argument(
        "--root", type=Path, default=Path(".local/cloud"), help="the folder of its state (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument(
        "--iam", choices=["enforce", "audit", "off"], default="audit", help="who may call (default: %(default)s)"
    )
    parser.add_argument(
        "--quotas", action="store_true", help="Vertex AI's limits: 600 requests and 60 submissions a minute"
    )
    return parser


def _serve(options: argparse.Namespace) -> int:
    from local.cloud.app import Cloud
    from local.cloud.lock import RootLock
    from local.cloud.server import Server

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    root = options.root.resolve()
    os.umask(0o077)  # what this cloud and its jobs write is their user's alone
    with RootLock(root) as lock:
        root.chmod(0o700)
        lock.end_process_when_lost()
        try:
            cloud = Cloud(root, iam=options.iam)
            if options.quotas:
                cloud.vertex.limit_requests()
            server = Server(cloud, options.port)
        except OSError as error:
            sys.stderr.write(
                f"port {options.port} on 127.0.0.1: {error.strerror}. Stop what holds it, or pass --port 0\n"
            )
            return 1
        server.run(on_ready=_tell)
    return 0


def _tell(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _print_environment(root: Path) -> int:
    root = root.resolve()
    try:
        url = json.loads((root / "server.json").read_text())["url"]
        token_file = root / "operator-token"
        environment = client_environment(url, operator_token=token_file.read_text().strip(), token_file=str(token_file))
    except FileNotFoundError as missing:
        command = f"python -m local.cloud --root {shlex.quote(str(root))}"
        sys.stderr.write(f"{missing.filename} does not exist: no local cloud runs on this root. Start one: {command}\n")
        return 1
    sys.stdout.write("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items())))
    return 0


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)  # threads that wait for a client or a job must not hold the process back
