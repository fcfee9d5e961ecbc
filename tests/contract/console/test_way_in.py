"""Who gets to see the console, and what no other page can make a browser do to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from local.cloud.__main__ import main
from tests.contract.cloud_process import CloudProcess

from .conftest import PATH, Reader

PAGES = ("", "/", "?run=x", "/object?bucket=b&name=n", "/log?job=1&task=t&stream=stdout")
FORMS = ("/faults", "/faults/clear", "/faults/seed", "/leave", "/enter")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    cloud = CloudProcess(tmp_path_factory.mktemp("guarded"), iam="audit").start()
    yield cloud
    cloud.stop()


@pytest.fixture
def inside(cloud: CloudProcess) -> Reader:
    return Reader(cloud).enter()


def fault_of(cloud: CloudProcess) -> list[str]:
    return [each["kind"] for each in cloud.json("GET", "/_local/faults")["faults"]]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_a_session_only_says_how_to_get_one(cloud: CloudProcess, page: str) -> None:
    answer = requests.get(f"{cloud.url}{PATH}{page}", timeout=10)
    assert answer.status_code == 401
    assert "python -m local.cloud console --root" in answer.text
    assert "Pipeline runs" not in answer.text


def test_only_the_operator_gets_links(cloud: CloudProcess) -> None:
    assert requests.post(f"{cloud.url}{PATH}/tickets", timeout=10).status_code == 401
    headers = {"authorization": f"Bearer {cloud.token_of('somebody@acme.example')}"}
    assert cloud.call("POST", f"{PATH}/tickets", headers=headers).status_code == 403


def test_a_link_opens_the_console_once(cloud: CloudProcess) -> None:
    link = cloud.json("POST", f"{PATH}/tickets")["url"]
    first = requests.get(link, timeout=10, allow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, PATH)
    cookie = first.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", f"Path={PATH}"} <= set(cookie.split("; "))
    second = requests.get(link, timeout=10, allow_redirects=False)
    assert second.status_code == 401
    assert "has been used" in second.text


def test_the_operators_token_opens_it_too(cloud: CloudProcess) -> None:
    reader = Reader(cloud)
    assert reader.post("/enter", token="guessed").status_code == 401
    assert reader.get().status_code == 401
    assert reader.post("/enter", token=cloud.token).status_code == 303
    assert "Pipeline runs" in reader.get().text


def test_cookies_of_other_servers_on_the_loopback_are_in_nobodys_way(cloud: CloudProcess, inside: Reader) -> None:
    kept = "; ".join(f"{name}={value}" for name, value in inside.session.cookies.items())
    headers = {"cookie": f'_xsrf=2|{{"a"}}|[,]; bare; username="2|1:0|x=="; {kept}; =; after="'}
    assert requests.get(f"{cloud.url}{PATH}", headers=headers, timeout=10).status_code == 200


def test_a_session_ends_when_its_reader_leaves(cloud: CloudProcess, inside: Reader) -> None:
    kept = dict(inside.session.cookies)
    assert inside.post("/leave").status_code == 303
    assert requests.get(f"{cloud.url}{PATH}", cookies=kept, timeout=10).status_code == 401


def test_a_session_outlives_a_restart_of_the_cloud(new_cloud: Callable[..., CloudProcess]) -> None:
    cloud = new_cloud().start()
    reader = Reader(cloud).enter()
    port = int(cloud.url.rsplit(":", 1)[1])
    cloud.kill()
    cloud.start(port)
    assert reader.get().status_code == 200


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_another_origin_or_of_none_is_refused(
    cloud: CloudProcess, inside: Reader, form: str, origin: str
) -> None:
    answer = inside.post(form, origin, kind="error", seed="7", token=cloud.token)
    assert answer.status_code == 403
    assert "is refused" in answer.text
    assert (fault_of(cloud), cloud.json("GET", "/_local/faults")["seed"]) == ([], 0)
    assert inside.get().status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_neither_reads_nor_writes_even_with_the_cookie(inside: Reader, site: str) -> None:
    url = f"{inside.cloud.url}{PATH}"
    fetched = inside.session.get(url, headers={"sec-fetch-site": site, "sec-fetch-mode": "cors"}, timeout=10)
    assert fetched.status_code == 403
    form = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "origin": inside.cloud.url}
    assert inside.session.post(f"{url}/faults", headers=form, data={"kind": "drop"}, timeout=10).status_code == 403


def test_no_get_changes_anything(cloud: CloudProcess, inside: Reader) -> None:
    for form in FORMS[:3]:
        assert inside.get(form, kind="error", seed=7).status_code == 400
    assert (fault_of(cloud), cloud.json("GET", "/_local/faults")["seed"]) == ([], 0)


def test_a_page_runs_its_own_script_only_and_is_framed_by_nobody(inside: Reader) -> None:
    for answer in (inside.get(), inside.get("/enter"), inside.get("/object", bucket="none", name="n")):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_a_host_that_is_not_loopback_is_refused_here_too(inside: Reader) -> None:
    url = f"{inside.cloud.url}{PATH}"
    assert inside.session.get(url, headers={"host": "attacker.example"}, timeout=10).status_code == 403


def test_a_form_that_is_too_long_is_refused(inside: Reader) -> None:
    assert inside.post("/faults", kind="error", path="x" * 100_000).status_code == 413


def test_the_command_prints_a_link_that_works(cloud: CloudProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["console", "--no-open", "--root", str(cloud.root)]) == 0
    link = capsys.readouterr().out.splitlines()[-1]
    assert "Pipeline runs" in requests.Session().get(link, timeout=10).text


def test_the_command_says_when_no_cloud_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["console", "--no-open", "--root", str(tmp_path)]) == 1
    assert "no local cloud runs on this root" in capsys.readouterr().err
