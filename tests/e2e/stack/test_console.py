"""`make console` on a checkout where nothing runs yet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.stack.checkout import Checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has"),
]


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_it_starts_the_cloud_gives_a_link_that_opens_it_and_the_next_one_finds_it_running(
    new_checkout: Callable[[], Checkout], session: requests.Session
) -> None:
    checkout = new_checkout()
    done = checkout.make("console")
    assert done.returncode == 0, done.stdout + done.stderr
    pid, link = checkout.cloud_pid, done.stdout.splitlines()[-1]
    assert link.startswith(checkout.url)
    page = session.get(link, timeout=30)
    assert page.status_code == 200
    assert "No pipeline has run yet." in page.text
    again = checkout.make("console")
    assert again.stdout.splitlines()[-1] != link
    assert checkout.cloud_pid == pid
    assert checkout.make("stop").returncode == 0
