"""Small data for the trainer's tests. One thread: small tensors gain nothing from more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from train.data import Sequences, read_folder
from train.storage import open_folder
from train.synthetic_shop import ShopSize, make_shop


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 500 users and 240 items."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, seed=1, size=ShopSize(users=500, items=240, events=8_000))
    return folder


@pytest.fixture(scope="session")
def shop(shop_folder: Path) -> Sequences:
    return read_folder(open_folder(str(shop_folder)))
