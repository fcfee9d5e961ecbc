"""The network, its loss and the successor counts against plain computations."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from train.loss import full_cross_entropy
from train.model import NextItemModel, drop, recency_mask
from train.optimise import WeightAverage, learning_rate_share
from train.ranking import Histories

from tests.unit.train.examples import small_config


def model_of(items: int = 30, **changes: Any) -> NextItemModel:
    torch.manual_seed(0)
    config = {"window": 12, "width": 16, "heads": 2, "dropout": 0.5, **changes}
    return NextItemModel(small_config(items=items, **config)).eval()


def last_logits(model: NextItemModel, histories: Histories) -> torch.Tensor:
    return model.last_logits(*model.read(histories))


def loss_inputs(tokens: int, items: int, width: int = 8) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(3)
    hidden = torch.randn(tokens, width, generator=random, requires_grad=True)
    weights = torch.randn(items, width, generator=random, requires_grad=True)
    bias = torch.randn(items, generator=random, requires_grad=True)
    return hidden, weights, bias, torch.randint(0, items, (tokens,), generator=random)


@pytest.mark.parametrize(("tokens", "items"), [(7, 5), (300, 40), (65, 1)])
def test_the_fused_loss_and_its_gradient_equal_autograds(
    tokens: int, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.loss._LOGITS_AT_ONCE", 64 * items)  # several chunks
    hidden, weights, bias, targets = loss_inputs(tokens, items)
    plain = functional.cross_entropy(hidden @ weights.T + bias, targets)
    expected = torch.autograd.grad(3 * plain, (hidden, weights, bias))
    fused = full_cross_entropy(hidden, weights, bias, targets, low_precision=False)
    found = torch.autograd.grad(3 * fused, (hidden, weights, bias))
    torch.testing.assert_close(fused, plain)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_low_precision_stays_close_to_the_exact_loss_and_gradient() -> None:
    hidden, weights, bias, targets = loss_inputs(400, 50)
    results = []
    for low_precision in (False, True):
        loss = full_cross_entropy(hidden, weights, bias, targets, low_precision=low_precision)
        results.append((loss, *torch.autograd.grad(loss, (hidden, weights, bias))))
    (exact, *exact_grads), (low, *low_grads) = results
    assert low.item() == pytest.approx(exact.item(), rel=0.01)
    for ours, theirs in zip(low_grads, exact_grads, strict=True):
        assert functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.999


def test_a_later_item_never_changes_what_was_known_before() -> None:
    model = model_of()
    items_BL = torch.randint(0, 30, (3, 12))
    before = model(items_BL)
    changed = items_BL.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 30
    after = model(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


def test_padding_and_batch_mates_change_nothing() -> None:
    model = model_of()
    items_N = np.arange(25) % 30
    long, short = (0, 20), (20, 23)
    together = last_logits(model, Histories(items_N, np.array([long[0], short[0]]), np.array([long[1], short[1]])))
    for row, (start, end) in enumerate((long, short)):
        alone = last_logits(model, Histories(items_N, np.array([start]), np.array([end])))
        torch.testing.assert_close(together[row], alone[0])


def test_only_the_newest_items_of_the_window_are_read() -> None:
    model = model_of(window=4)
    first, second = np.array([1, 2, 3, 9, 8, 7, 6]), np.array([4, 5, 6, 9, 8, 7, 6])
    hidden = [last_logits(model, Histories(items, np.array([0]), np.array([7]))) for items in (first, second)]
    torch.testing.assert_close(*hidden)


def test_the_recency_mask_hides_the_future_and_favours_the_newest() -> None:
    mask_HLL = recency_mask(small_config(items=1, window=5, heads=2, recency_slope=0.5))
    assert torch.isinf(mask_HLL[:, 1, 2]).all()
    assert mask_HLL[0, 4].tolist() == [-2.0, -1.5, -1.0, -0.5, 0.0]
    assert mask_HLL[1, 4].tolist() == [-0.5, -0.375, -0.25, -0.125, 0.0]


def test_dropout_keeps_one_mask_a_sequence_and_the_mean() -> None:
    torch.manual_seed(0)
    dropped_BLD = drop(torch.ones(400, 3, 50), 0.4, training=True)
    assert torch.equal(dropped_BLD[:, 0], dropped_BLD[:, 2])
    assert dropped_BLD.mean().item() == pytest.approx(1.0, abs=0.03)
    assert torch.equal(drop(torch.ones(2, 3, 4), 0.4, training=False), torch.ones(2, 3, 4))


def test_the_learning_rate_warms_up_and_ends_low() -> None:
    shares = [learning_rate_share(step, warmup_steps=10, total_steps=110) for step in range(150)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[10] == 1.0
    assert shares[60] == pytest.approx(0.5)
    assert shares[149] == pytest.approx(0.02)


def test_the_weight_average_follows_and_swaps_back() -> None:
    layer = torch.nn.Linear(2, 1)
    average = WeightAverage(layer, decay=0.9)
    start = [value.clone() for value in average.values]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    average.update(step=1_000_000)
    now = [parameter.detach().clone() for parameter in layer.parameters()]
    for value, before in zip(average.values, start, strict=True):
        torch.testing.assert_close(value, before + 0.1)
    average.swap()
    average.swap()
    for parameter, held in zip(layer.parameters(), now, strict=True):
        assert torch.equal(parameter, held)
