"""Checkouts of their own for the end-to-end tests of the local stack."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import shop
from tests.e2e.stack.checkout import Checkout


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.write(tmp_path_factory.mktemp("data") / "first", shop.events(40))


@pytest.fixture(scope="module")
def new_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Checkout]]:
    made: list[Checkout] = []

    def make() -> Checkout:
        made.append(Checkout(tmp_path_factory.mktemp("checkout") / "recsys"))
        return made[-1]

    yield make
    for checkout in made:
        checkout.end()
