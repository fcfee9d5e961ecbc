"""The console in a real browser: it is live, by keyboard, in the dark and in the light, and on a narrow screen."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from . import chromium
from .conftest import BUCKET, PATH, Shop

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on PATH: apt-get install chromium")

_STEADY = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
_TICKING = """
import itertools, json, time
for step in itertools.count(1):
    print(json.dumps({"metric": "loss", "value": 1 / step, "step": step}), flush=True)
    time.sleep(0.2)
"""
# Every text that is seen, with its size, weight and the worst contrast that its colours have to what is behind it.
_CONTRASTS = """
(() => {
  const parts = (color) => { const n = color.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => { const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const behind = (element) => { const layers = [];
    for (let at = element; at; at = at.parentElement) {
      if (at instanceof SVGElement && at.nodeName !== "svg") continue;
      layers.push(parts(getComputedStyle(at).backgroundColor)); }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("title, .skip")) continue;
    const style = getComputedStyle(element), isDrawn = element instanceof SVGElement;
    let ground = behind(element);
    const box = isDrawn && element.parentElement.querySelector("rect");
    if (box) ground = over(parts(getComputedStyle(box).fill), ground);
    const color = over(parts(isDrawn ? style.fill : style.color), ground);
    const [high, low] = [light(color), light(ground)].sort((a, b) => b - a);
    found.push({ text: text.slice(0, 40), name: element.nodeName, ratio: (high + 0.05) / (low + 0.05) });
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def tab(shop_cloud: Shop) -> Iterator[chromium.Tab]:
    """A browser that has entered the console."""
    with chromium.browser(chromium.find() or "") as tab:
        tab.emulate(scheme="light")
        tab.open(shop_cloud.cloud.json("POST", f"{PATH}/tickets")["url"])
        tab.wait_for("!!document.getElementById('live')")
        yield tab


@pytest.fixture
def page(tab: chromium.Tab, shop_cloud: Shop) -> Iterator[chromium.Tab]:
    """The console's page, loaded anew; whatever the browser complains of is the test's failure."""
    tab.problems.clear()
    tab.emulate(scheme="light")
    tab.open(f"{shop_cloud.cloud.url}{PATH}")
    tab.wait_for("document.getElementById('pause').hidden === false")
    yield tab
    assert tab.problems == []


def cancelled(shop: Shop, name: str) -> None:
    shop.cloud.json("POST", f"/v1/{name}:cancel", {})
    shop.wait_for(name, lambda each: each["state"] == "JOB_STATE_CANCELLED")


def focused(tab: chromium.Tab) -> str:
    """What has the focus, in words."""
    look = (
        "(() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent || e.id; })()"
    )
    return " ".join(str(tab.evaluate(look)).split())


def tab_to(tab: chromium.Tab, wanted: str, *, most: int = 120) -> None:
    """Press Tab until what has the focus begins with `wanted`."""
    seen = []
    for _ in range(most):
        tab.press("Tab")
        seen.append(focused(tab)[:60])
        if seen[-1].startswith(wanted):
            return
    raise AssertionError(f"{wanted!r} was not reached; the order was {seen}")


def test_a_running_job_is_seen_live_without_a_reload(page: chromium.Tab, shop_cloud: Shop) -> None:
    page.evaluate("window.loaded = 'once'")
    job = shop_cloud.submit("ticking", _TICKING, pool="main")
    try:
        page.wait_for("document.querySelector('#pools').textContent.includes('ticking')")
        page.wait_for("/ticking\\s*running/.test(document.querySelector('#jobs').textContent)")
        page.evaluate(
            "[...document.querySelectorAll('#jobs a')].find((a) => a.textContent.includes('ticking')).click()"
        )
        points = "document.querySelector('#jobs .curve polyline')?.getAttribute('points') || ''"
        first = page.wait_for(points)
        page.wait_for(f"({points}) !== {first!r}")
        page.wait_for("document.querySelectorAll('#jobs .log > div').length > 3")
    finally:
        cancelled(shop_cloud, job)
    page.wait_for("/ticking\\s*cancelled/.test(document.querySelector('#jobs').textContent)")
    assert page.evaluate("window.loaded") == "once"


def test_news_leave_focus_scrolling_and_what_is_open_or_typed(page: chromium.Tab, shop_cloud: Shop) -> None:
    page.evaluate(
        """(() => {
          const kind = document.querySelector('#faults details[data-key="latency"]');
          kind.open = true;
          const seconds = kind.querySelector('[name=seconds]');
          seconds.value = '2.5';
          seconds.focus();
          scrollTo(0, 400);
        })()"""
    )
    job = shop_cloud.submit("newcomer", _STEADY, pool="main")
    try:
        page.wait_for("document.querySelector('#jobs').textContent.includes('newcomer')")
        kept = page.evaluate(
            "[document.querySelector('#faults details[data-key=latency]').open, document.activeElement.name,"
            " document.activeElement.value, scrollY > 300]"
        )
        assert kept == [True, "seconds", "2.5", True]
    finally:
        cancelled(shop_cloud, job)


def test_it_pauses_and_goes_on(page: chromium.Tab, shop_cloud: Shop) -> None:
    page.evaluate("document.getElementById('pause').click()")
    assert page.evaluate("document.getElementById('pause').textContent.trim()") == "paused"
    job = shop_cloud.submit("unseen", _STEADY, pool="main")
    try:
        assert not page.evaluate(
            "new Promise((done) => setTimeout(done, 2500)).then(() => document.body.textContent.includes('unseen'))"
        )
        page.evaluate("document.getElementById('pause').click()")
        page.wait_for("document.body.textContent.includes('unseen')")
    finally:
        cancelled(shop_cloud, job)


def test_the_keyboard_opens_a_task_and_comes_back(page: chromium.Tab) -> None:
    page.evaluate("document.querySelector('#runs').scrollIntoView()")
    tab_to(page, "letter: succeeded")
    assert page.evaluate("getComputedStyle(document.activeElement.querySelector('.task')).strokeWidth") == "3.5px"
    page.press("Enter")
    page.wait_for("location.search.includes('task=')")
    page.wait_for("document.querySelector('.task-detail h3').textContent.includes('announce-2')")
    assert focused(page).startswith("letter: succeeded")
    page.evaluate("history.back()")
    page.wait_for("!location.search.includes('task=')")


def test_the_keyboard_adds_and_removes_a_fault(page: chromium.Tab, shop_cloud: Shop) -> None:
    page.evaluate("document.querySelector('#faults .seed button').focus()")
    tab_to(page, "drop")
    page.press("Enter")
    tab_to(page, "Add")
    page.press("Enter")
    page.wait_for("document.querySelector('#faults .rules')?.textContent.includes('drop')")
    assert [each["kind"] for each in shop_cloud.cloud.json("GET", "/_local/faults")["faults"]] == ["drop"]
    page.evaluate("document.querySelector('#faults').focus()")
    tab_to(page, "Remove fault 1, drop", most=400)
    page.press("Enter")
    page.wait_for("!document.querySelector('#faults .rules')")
    assert shop_cloud.cloud.json("GET", "/_local/faults")["faults"] == []


def test_tab_reaches_every_link_button_and_field_in_the_order_of_the_page(page: chromium.Tab) -> None:
    page.evaluate("document.getElementById('pause').click()")
    ways = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']"
    seen = (
        f"[...document.querySelectorAll({ways!r})].filter((e) => e.checkVisibility() || e.classList.contains('skip'))"
    )
    count = page.evaluate(f"({seen}).forEach((e, i) => (e.dataset.place = i)) || ({seen}).length")
    page.evaluate("document.activeElement.blur()")
    order = []
    for _ in range(count):
        page.press("Tab")
        order.append(page.evaluate("Number(document.activeElement.dataset.place ?? -1)"))
    assert order == list(range(count))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(page: chromium.Tab, shop_cloud: Shop, scheme: str) -> None:
    page.emulate(scheme=scheme)
    page.open(f"{shop_cloud.cloud.url}{PATH}?job={shop_cloud.job}&access=refused&kind=aiplatform.CustomJob")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.name = ''; each.open = true; })")
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
    texts = page.evaluate(_CONTRASTS)
    assert len(texts) > 200
    assert {each["name"].lower() for each in texts} >= {"text", "code", "small", "td", "button", "span"}
    assert [each for each in texts if each["ratio"] < 4.5] == []


@pytest.mark.parametrize("width", [400, 800, 1440])
def test_no_width_makes_the_page_scroll_sideways(page: chromium.Tab, shop_cloud: Shop, width: int) -> None:
    page.emulate(scheme="light", width=width)
    page.open(f"{shop_cloud.cloud.url}{PATH}?job={shop_cloud.job}&access=refused&kind=aiplatform.CustomJob")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.name = ''; each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('section')].every((each) => each.offsetWidth > innerWidth * 0.8)"
    )


def test_an_artifact_is_saved_and_not_opened(page: chromium.Tab, shop_cloud: Shop, tmp_path: Path) -> None:
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.send("Browser.setDownloadBehavior", **behaviour)
    folder = quote('pages/"><script>alert(1)</')
    page.open(f"{shop_cloud.cloud.url}{PATH}?bucket={BUCKET}&prefix={folder}")
    before = page.evaluate("location.href")
    page.evaluate("document.querySelector('#storage .files a').click()")
    deadline = time.monotonic() + 20
    while not (saved := [each for each in tmp_path.iterdir() if each.suffix == ".html"]):
        assert time.monotonic() < deadline, list(tmp_path.iterdir())
        time.sleep(0.05)
    assert saved[0].read_bytes() == b"<script>1</script>"
    assert page.evaluate("location.href") == before


def test_harmful_names_stay_text(page: chromium.Tab) -> None:
    assert page.evaluate("document.title") == "Local cloud"
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0


def test_it_says_when_the_cloud_does_not_answer_or_the_session_is_over(page: chromium.Tab) -> None:
    page.evaluate("fetch = () => Promise.reject(new Error('gone'))")
    page.wait_for("!document.getElementById('trouble').hidden")
    assert "does not answer" in page.evaluate("document.getElementById('trouble').textContent")
