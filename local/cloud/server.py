"""A cloud on a loopback port.

Owns: the socket, the server's life, and the files by which others find it: `server.json` under the root.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from local.cloud.app import Cloud
from local.cloud.asgi import HttpApp
from local.cloud.protocol import BoundedProtocol

_HOST = "127.0.0.1"


class Server:
    """`port` 0 takes a free one; `url` tells which."""

    def __init__(self, cloud: Cloud, port: int = 0) -> None:
        self.cloud = cloud
        # With its protocol named: asyncio turns Nagle's algorithm off only then, which else costs 40 ms an answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, port))
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._app = HttpApp(cloud)
        config = uvicorn.Config(
            self._app,
            http=BoundedProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            server_header=False,
            proxy_headers=False,
        )
        self._server = _Uvicorn(config)
        cloud.request_stop = self.request_stop

    def run(self, on_ready: Callable[[str], None] = lambda _: None) -> None:
        """Serve until SIGINT, SIGTERM or `request_stop`; `on_ready` gets the URL once calls are answered."""
        asyncio.run(self._serve(on_ready))

    def request_stop(self) -> None:
        self._server.should_exit = True

    async def _serve(self, on_ready: Callable[[str], None]) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self.request_stop)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.005)
        if not serving.done():
            await asyncio.to_thread(self.cloud.start, self.url)
            _announce(self.cloud.root, self.url)
            on_ready(self.url)
        try:
            await serving
        finally:
            await asyncio.to_thread(self.cloud.stop)
            self._app.stop()
            _server_file(self.cloud.root).unlink(missing_ok=True)


class _Uvicorn(uvicorn.Server):
    """Uvicorn raises a captured signal again when it has ended, which would cut off the cloud's own end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _announce(root: Path, url: str) -> None:
    path = _server_file(root)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.rename(path)


def _server_file(root: Path) -> Path:
    return root / "server.json"
