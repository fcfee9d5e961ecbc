"""A page of another origin, in a browser that has the console's cookie: another port of 127.0.0.1 is the same site, so
that the cookie goes with what the page asks for.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.contract.cloud_process import CloudProcess

from . import chromium
from .conftest import PATH

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on PATH: apt-get install chromium")

_ATTACK = """
(async () => {
  const url = %r;
  const body = new URLSearchParams({ kind: "drop" });
  const told = {};
  for (const [name, options] of Object.entries({
    read: {}, write: { method: "POST", body }, blind: { method: "POST", body, mode: "no-cors" },
  })) {
    const where = name === "read" ? url : url + "/faults";
    told[name] = await fetch(where, { credentials: "include", ...options })
      .then((answer) => answer.text()).catch(() => "refused");
  }
  const framed = (prepare) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = "frame" + Math.random();
    frame.onload = () => done(frame.contentDocument ? frame.contentDocument.body.innerText : "refused");
    prepare(frame);
  });
  told.frame = await framed((frame) => { frame.src = url; document.body.append(frame); });
  told.form = await framed((frame) => {
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"), { method: "POST", action: url + "/faults" });
    form.target = frame.name;
    form.innerHTML = '<input name="kind" value="drop">';
    document.body.append(form);
    setTimeout(() => form.submit(), 200);
  });
  told.script = await new Promise((done) => {
    const script = Object.assign(document.createElement("script"), { src: url + "/static/console.js" });
    script.onload = () => done("loaded");
    script.onerror = () => done("refused");
    document.body.append(script);
  });
  return told;
})()
"""


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another</title><body>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def foreign_page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    cloud = CloudProcess(tmp_path_factory.mktemp("attacked")).start()
    yield cloud
    cloud.stop()


def test_it_reads_nothing_frames_nothing_and_changes_nothing(cloud: CloudProcess, foreign_page: str) -> None:
    with chromium.browser(chromium.find() or "") as tab:
        tab.open(cloud.json("POST", f"{PATH}/tickets")["url"])
        tab.wait_for("!!document.getElementById('live')")
        tab.open(foreign_page)
        tab.wait_for("document.title === 'another'")
        told = tab.evaluate(_ATTACK % f"{cloud.url}{PATH}")
        assert {told[name] for name in ("read", "write", "frame", "script")} == {"refused"}
        assert told["blind"] in ("refused", "")
        frames = tab.send("Page.getFrameTree")["frameTree"]["childFrames"]
        assert frames[0]["frame"]["url"].startswith("chrome-error:")
        assert cloud.json("GET", "/_local/faults")["faults"] == []
        tab.open(f"{cloud.url}{PATH}")
        tab.wait_for("!!document.getElementById('live')")
