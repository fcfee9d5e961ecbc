"""An optional HTTP server in a thread: /healthz for liveness, /metrics for Prometheus.

Owns: serving the last value of each metric. Does not own: measuring.
"""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


class HealthServer:
    """Listens on all interfaces, as a container's probe needs. Port 0 takes a free one; `port` says which."""

    def __init__(self, port: int, *, run_id: str) -> None:
        self._run_id = run_id
        self._values: dict[str, float] = {}
        self._step = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("0.0.0.0", port), self._handler())  # noqa: S104
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def observe(self, name: str, value: float, step: int) -> None:
        with self._lock:
            self._values[name] = value
            self._step = step

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def exposition(self) -> str:
        """The metrics in Prometheus' text format."""
        run = self._run_id.replace("\\", "\\\\").replace('"', '\\"')
        with self._lock:
            samples = {**self._values, "step": float(self._step)}
        lines = []
        for name, value in samples.items():
            metric = "train_" + _UNSAFE.sub("_", name.replace("@", "_at_"))
            lines += [f"# TYPE {metric} gauge", f'{metric}{{run_id="{run}"}} {value}']
        return "\n".join(lines) + "\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        health = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/healthz":
                    self._answer(200, "ok\n", "text/plain")
                elif self.path == "/metrics":
                    self._answer(200, health.exposition(), "text/plain; version=0.0.4")
                else:
                    self._answer(404, "only /healthz and /metrics are served\n", "text/plain")

            def _answer(self, status: int, text: str, kind: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes are no events: stdout is for the structured log."""

        return Handler
