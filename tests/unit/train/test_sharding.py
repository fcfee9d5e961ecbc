"""A table whose rows lie on several ranks gives the loss and the gradients of the whole one."""

import functools

import pytest
import torch
from torch.nn import functional
from train.ranks import ALONE, Ranks
from train.sharding import look_up, padded, rows_of, sharded_cross_entropy

from tests.unit.train.several import on_ranks

_ITEMS, _WIDTH = 11, 6


def draws() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A table, its bias, the histories of four users, and what follows each of their items."""
    random = torch.Generator().manual_seed(4)
    table = torch.randn(_ITEMS, _WIDTH, generator=random, dtype=torch.float64)
    bias = torch.randn(_ITEMS, generator=random, dtype=torch.float64)
    items = torch.randint(0, _ITEMS, (4, 5), generator=random)
    return table, bias, items, torch.randint(0, _ITEMS, (4, 5), generator=random)


def whole() -> list[torch.Tensor]:
    """Loss and gradients by plain operations; the first user's last two places have no target."""
    table, bias, items, targets = draws()
    table.requires_grad_(), bias.requires_grad_()
    hidden = functional.embedding(items, table).tanh().flatten(0, 1)
    real = torch.arange(20) >= 2
    loss = functional.cross_entropy((hidden @ table.T + bias)[real], targets.flatten()[real])
    return [loss.detach(), *torch.autograd.grad(3 * loss, (table, bias))]


def sharded(ranks: Ranks) -> list[torch.Tensor]:
    """The same with this rank's rows and users; 0 and 2 have fewer tokens than the others where there are several."""
    table, bias, items, targets = draws()
    held = rows_of(ranks, _ITEMS)
    rows, bias = table[held].clone().requires_grad_(), bias[held].clone().requires_grad_()
    mine = slice(ranks.rank * 4 // ranks.size, (ranks.rank + 1) * 4 // ranks.size)
    hidden = look_up(rows, items[mine], first=held.start, ranks=ranks).tanh().flatten(0, 1)
    own = targets[mine].flatten()
    if ranks.is_first:
        hidden, own = hidden[2:], own[2:]
    hidden, own = padded(hidden, own, ranks=ranks)
    loss = sharded_cross_entropy(hidden, rows, bias, own, first=held.start, ranks=ranks)
    return [loss.detach(), *torch.autograd.grad(3 * loss, (rows, bias))]


@pytest.mark.parametrize("count", [2, 4])
def test_loss_and_gradients_of_a_sharded_table_are_those_of_the_whole(count: int) -> None:
    loss, table, bias = whole()
    found = on_ranks(count, functools.partial(as_arrays, sharded))
    for each in found:
        torch.testing.assert_close(torch.from_numpy(each[0]), loss)
    torch.testing.assert_close(torch.cat([torch.from_numpy(each[1]) for each in found]), table)
    torch.testing.assert_close(torch.cat([torch.from_numpy(each[2]) for each in found]), bias)
    assert max(len(each[1]) for each in found) == -(-_ITEMS // count)


def test_one_rank_holds_all_rows_and_exchanges_nothing() -> None:
    for ours, theirs in zip(sharded(ALONE), whole(), strict=True):
        torch.testing.assert_close(ours, theirs)


def as_arrays(work: functools.partial[list[torch.Tensor]], ranks: Ranks) -> list[object]:
    return [value.numpy() for value in work(ranks)]
