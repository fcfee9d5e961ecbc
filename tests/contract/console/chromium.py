"""A headless Chromium of the system, driven by its DevTools protocol.

Owns: its process and one tab. Does not own: what is looked at.
Source: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import itertools
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS = 30.0
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}


def find() -> str | None:
    """The browser on PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab. `problems` are what its pages wrote to the console as errors, threw, or could not load."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result; events that come in between are taken note of."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=_SECONDS))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(params["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        if message.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.problems.append(str(params["args"]))

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(f"{expression}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression once it is true, within half a minute."""
        deadline = time.monotonic() + _SECONDS
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}\n{self.evaluate('document.body.innerText')[:3000]}")
            time.sleep(0.05)
        return value

    def press(self, key: str, *, shift: bool = False) -> None:
        code = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key], "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": "\r"} if key == "Enter" else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def emulate(self, *, scheme: str, width: int = 1280, height: int = 900) -> None:
        """The size of the window, and whether the system is light or dark."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)

    def screenshot(self, path: Path) -> None:
        """The whole page."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        told = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browser(path: str) -> Iterator[Tab]:
    """A fresh browser with one tab; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [
            *(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-proxy-server", "about:blank"),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            address = _address(process)
            with connect(address, max_size=None, proxy=None) as connection:
                target = _target(connection)
            tab_address = re.sub(r"/devtools/browser/.*", f"/devtools/page/{target}", address)
            with connect(tab_address, max_size=None, proxy=None) as connection:
                yield Tab(connection)
        finally:
            process.terminate()
            process.communicate(timeout=_SECONDS)


def _address(process: "subprocess.Popen[str]") -> str:
    """Where the browser listens, which it says on stderr."""
    seen = []
    for line in process.stderr or ():
        seen.append(line)
        found = re.search(r"DevTools listening on (ws://\S+)", line)
        if found:
            return found[1]
    raise RuntimeError(f"the browser did not start: {''.join(seen)[-2000:]}")


def _target(connection: ClientConnection) -> str:
    connection.send(json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}))
    while (message := json.loads(connection.recv(timeout=_SECONDS))).get("id") != 1:
        pass
    return message["result"]["targetId"]
