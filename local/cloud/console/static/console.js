// Keeps the page in step with the cloud: fetches it anew and changes only what differs, so that focus, scrolling, what
// is typed and what is folded open stay. Without it every link and form works as well, by loading the page.
"use strict";
(() => {
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  const trouble = document.getElementById("trouble");
  const every = Number(document.body.dataset.poll);
  let paused = false;
  let turn = 0;
  let timer = 0;

  const keyOf = (node) => (node.nodeType === 1 ? node.id || node.dataset.key || "" : "");
  const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;

  function bring(node, wanted) {
    if (node.nodeType !== 1) {
      if (node.nodeValue !== wanted.nodeValue) node.nodeValue = wanted.nodeValue;
      return;
    }
    if (node.isEqualNode(wanted)) return;
    const stays = node.nodeName === "DETAILS" ? "open" : "";
    for (const { name } of [...node.attributes]) {
      if (name !== stays && !wanted.hasAttribute(name)) node.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (name !== stays && node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    const follows = node.dataset.tail !== undefined && atEnd(node);
    bringChildren(node, wanted);
    if (follows) node.scrollTop = node.scrollHeight;
  }

  function bringChildren(node, wanted) {
    const keep = new Set([...wanted.childNodes].map(keyOf));
    for (const child of [...node.childNodes]) {
      if (keyOf(child) && !keep.has(keyOf(child))) child.remove();
    }
    const keyed = new Map([...node.childNodes].filter(keyOf).map((child) => [keyOf(child), child]));
    let at = node.firstChild;
    for (const next of [...wanted.childNodes]) {
      const key = keyOf(next);
      let found = key ? keyed.get(key) : at;
      if (found && !key && (keyOf(found) || !alike(found, next))) found = null;
      if (found && !alike(found, next)) found = null;
      if (!found) {
        node.insertBefore(document.importNode(next, true), at);
        continue;
      }
      if (found === at) at = at.nextSibling;
      else node.insertBefore(found, at);
      bring(found, next);
    }
    while (at) {
      const rest = at.nextSibling;
      at.remove();
      at = rest;
    }
  }

  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const toEnds = () => document.querySelectorAll("[data-tail]").forEach((box) => (box.scrollTop = box.scrollHeight));

  function tell(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
    pause.classList.toggle("lost", Boolean(text));
  }

  async function load(address) {
    const mine = ++turn;
    try {
      const answer = await fetch(address, { credentials: "same-origin", cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== turn) return false;
      const content = page.getElementById("live");
      if (answer.status === 401 || !content) {
        tell(answer.status === 401 ? "Signed out. Load the page anew to enter again." : `The cloud answered ${answer.status}.`);
        return false;
      }
      bringChildren(live, content);
      tell("");
      return true;
    } catch {
      if (mine === turn) tell("The cloud does not answer. This page goes on as soon as it does.");
      return false;
    }
  }

  async function poll() {
    clearTimeout(timer);
    if (!paused && !document.hidden) await load(location.href);
    timer = setTimeout(poll, every);
  }

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-soft]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const address = link.href.baseVal ?? link.href;
    const target = new URL(address, location.href);
    const section = document.getElementById(target.hash.slice(1));
    const elsewhere = section && !section.contains(link);
    const seen = new Set([...document.querySelectorAll("[data-tail]")].map((box) => box.id));
    if (!(await load(target.href))) {
      location.assign(target.href);
      return;
    }
    history.pushState(null, "", target.href);
    document.querySelectorAll("[data-tail]").forEach((box) => {
      if (!seen.has(box.id)) box.scrollTop = box.scrollHeight;
    });
    if (elsewhere) section.scrollIntoView();
  });
  addEventListener("popstate", () => load(location.href));
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("span").textContent = paused ? "paused" : "live";
    if (!paused) poll();
  });
  pause.hidden = false;
  toEnds();
  timer = setTimeout(poll, every);
})();
