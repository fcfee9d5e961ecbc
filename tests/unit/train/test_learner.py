"""Steps: the sampled softmax against plain computations, and both learners on the same data."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from train.batches import Batch, Batches
from train.candidates import CandidateSampler
from train.data import Sequences
from train.learner import FullLearner, SampledLearner, learner_of
from train.loss import sampled_cross_entropy
from train.model import SHAPES, ModelConfig, NextItemModel
from train.optimise import RowwiseAdagrad, WeightAverage
from train.presets import Settings
from train.successors import feature_sizes

from tests.unit.train.examples import QUICK

CPU = torch.device("cpu")
SAMPLED = QUICK.model_copy(update={"negatives": 40, "members": 2})


def new_model(sequences: Sequences, settings: Settings) -> NextItemModel:
    torch.manual_seed(settings.seed)
    shape = {name: getattr(settings, name) for name in SHAPES}
    model = NextItemModel(ModelConfig(items=len(sequences.catalog), feature_sizes=feature_sizes(sequences), **shape))
    model.start_from_popularity(sequences.train_counts_V)
    return model


def batches_of(sequences: Sequences, settings: Settings) -> list[Batch]:
    batches = Batches(sequences, window=settings.window, tokens=settings.batch_tokens, seed=settings.seed)
    epoch = batches.epoch(0)
    return [batches.batch(epoch, number) for number in range(len(epoch))]


def test_the_sampled_loss_and_its_gradient_equal_autograds() -> None:
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(90, 8, generator=random, requires_grad=True)
    rows = torch.randn(20, 8, generator=random, requires_grad=True)
    bias = torch.randn(20, generator=random, requires_grad=True)
    log_chance = torch.rand(20, generator=random).log()
    targets = torch.randint(0, 20, (90,), generator=random)
    weighed = hidden @ rows.T + bias - log_chance
    is_target = functional.one_hot(targets, 20).bool()
    plain = functional.cross_entropy(torch.where(is_target, weighed + log_chance, weighed), targets)
    expected = torch.autograd.grad(2 * plain, (hidden, rows, bias))
    fused = sampled_cross_entropy(hidden, rows, bias, targets, log_chance, low_precision=False)
    found = torch.autograd.grad(2 * fused, (hidden, rows, bias))
    torch.testing.assert_close(fused, plain)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_a_step_draws_its_own_targets_and_numbers_them_right(shop: Sequences) -> None:
    batch = batches_of(shop, SAMPLED)[0]
    drawn = CandidateSampler(shop.train_counts_V, uniform=40, device=CPU).draw(batch)
    assert torch.equal(drawn.rows_R[drawn.items_BL], batch.items_BL)
    assert torch.equal(drawn.rows_R[drawn.candidates_S][drawn.targets_T], batch.targets_T)
    assert len(torch.unique(drawn.rows_R)) == len(drawn.rows_R)
    assert len(batch.targets_T.unique()) < len(drawn.candidates_S) <= len(batch.targets_T.unique()) + 40


def test_the_chance_to_be_drawn_is_what_repeated_draws_show() -> None:
    counts = np.array([50, 30, 15, 4, 1, 0])
    sampler = CandidateSampler(counts, uniform=2, device=CPU)
    torch.manual_seed(0)
    draws, hits = 20_000, torch.zeros(6)
    for targets in torch.multinomial(torch.tensor(counts / 100.0), draws * 3, replacement=True).view(draws, 3):
        uniform = torch.randint(6, (2,))
        hits[torch.cat([targets, uniform]).unique()] += 1
    chances = sampler.log_chance(torch.arange(6), tokens=3).exp()
    torch.testing.assert_close(chances, hits / draws, atol=0.012, rtol=0)


def test_the_weighed_sample_has_the_full_denominator_on_average() -> None:
    """Over many draws, the other items' weighed terms add up to what the whole catalog would give."""
    counts = np.array([40, 25, 15, 10, 5, 3, 1, 1])
    sampler = CandidateSampler(counts, uniform=2, device=CPU)
    logits = torch.linspace(-1.0, 1.0, 8)
    torch.manual_seed(0)
    total, draws = 0.0, 20_000
    popular = torch.multinomial(torch.tensor(counts / 100.0), draws * 4, replacement=True).view(draws, 4)
    for others in popular:
        found = torch.cat([others, torch.randint(8, (2,))]).unique()
        total += float((logits[found] - sampler.log_chance(found, tokens=4)).exp().sum())
    assert total / draws == pytest.approx(float(logits.exp().sum()), rel=0.03)


def test_a_sampled_step_leaves_every_row_that_it_did_not_draw_as_it_was(shop: Sequences) -> None:
    settings = SAMPLED.model_copy(update={"negatives": 3, "batch_tokens": 16})
    model = new_model(shop, settings)
    learner = SampledLearner(model, settings, counts_V=shop.train_counts_V)
    batch = batches_of(shop, settings)[0]
    before, bias = model.item_embedding.weight.detach().clone(), model.item_bias.detach().clone()
    torch.manual_seed(5)
    learner.step(batch, share=1.0)
    torch.manual_seed(5)
    touched = CandidateSampler(shop.train_counts_V, uniform=3, device=CPU).draw(batch).rows_R
    changed = (model.item_embedding.weight != before).any(1).nonzero()[:, 0]
    assert torch.equal(changed, touched)
    assert set((model.item_bias != bias).nonzero()[:, 0].tolist()) <= set(touched.tolist())


def test_a_sampled_learner_ends_near_the_full_one(shop: Sequences) -> None:
    def loss_after(settings: Settings) -> float:
        model = new_model(shop, settings)
        learner = learner_of(model, settings, counts_V=shop.train_counts_V)
        for _ in range(12):
            for batch in batches_of(shop, settings):
                learner.step(batch, share=1.0)
        return held_loss(model.eval(), batches_of(shop, settings))

    settings = QUICK.model_copy(update={"dropout": 0.0, "width": 32})
    full, sampled = loss_after(settings), loss_after(settings.model_copy(update={"negatives": 60}))
    assert sampled < full + 0.15
    assert sampled < math.log(len(shop.catalog)) - 0.5


def held_loss(model: NextItemModel, batches: list[Batch]) -> float:
    with torch.no_grad():
        losses = [
            functional.cross_entropy(model.logits(model(batch.items_BL).flatten(0, 1)[batch.places_T]), batch.targets_T)
            for batch in batches
        ]
    return float(torch.stack(losses).mean())


def test_each_member_learns_its_own_loss(shop: Sequences) -> None:
    """Two members are two networks: the gradient of one is what it would be alone."""
    settings = QUICK.model_copy(update={"members": 2, "dropout": 0.0})
    model = new_model(shop, settings)
    FullLearner(model, settings).step(batches_of(shop, settings)[0], share=0.0)
    alone = new_model(shop, settings.model_copy(update={"members": 1}))
    width = settings.width
    with torch.no_grad():
        trained = new_model(shop, settings)
        alone.item_embedding.weight.copy_(trained.item_embedding.weight[:, width:])
        alone.members[0].load_state_dict(trained.members[1].state_dict())
    FullLearner(alone, settings).step(batches_of(shop, settings)[0], share=0.0)
    ours, theirs = model.item_embedding.weight.grad, alone.item_embedding.weight.grad
    assert ours is not None
    assert theirs is not None
    torch.testing.assert_close(2 * ours[:, width:], theirs, atol=2e-5, rtol=2e-2)
    assert not torch.allclose(ours[:, width:], ours[:, :width])


def test_the_members_mean_logit_ranks(shop: Sequences) -> None:
    model = new_model(shop, QUICK.model_copy(update={"members": 3})).eval()
    hidden = model(torch.tensor([[1, 2, 3]]))[:, -1]
    parts = zip(model.by_member(hidden), model.by_member(model.item_embedding.weight), strict=True)
    mean = torch.stack([part @ weights.T for part, weights in parts]).mean(0) + model.item_bias
    torch.testing.assert_close(model.logits(hidden), mean)


def test_rowwise_adagrad_is_adagrad_where_a_rows_gradients_are_alike() -> None:
    """Against torch's Adagrad, on gradients that are equal within a row."""
    random = torch.Generator().manual_seed(2)
    start = torch.randn(6, 4, generator=random)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    rowwise = RowwiseAdagrad(ours, learning_rate=0.1)
    reference = torch.optim.Adagrad([theirs], lr=0.1)
    rows = torch.tensor([0, 3, 4])
    for _ in range(5):
        gradients = torch.randn(3, 1, generator=random).expand(3, 4).contiguous()
        theirs.grad = torch.zeros(6, 4).index_copy(0, rows, gradients)
        reference.step()
        rowwise.step(rows, gradients, share=1.0)
    torch.testing.assert_close(ours, theirs)


def test_a_learners_state_continues_to_the_same_bits(shop: Sequences) -> None:
    def steps(model: NextItemModel, learner: Any, batches: list[Batch]) -> None:
        for batch in batches:
            learner.step(batch, share=1.0)

    batches = batches_of(shop, SAMPLED)[:6]
    whole = new_model(shop, SAMPLED)
    learner = learner_of(whole, SAMPLED, counts_V=shop.train_counts_V)
    steps(whole, learner, batches[:3])
    state, weights, random = (
        copy.deepcopy(learner.state_dict()),
        copy.deepcopy(whole.state_dict()),
        torch.get_rng_state(),
    )
    steps(whole, learner, batches[3:])

    resumed = new_model(shop, SAMPLED)
    resumed.load_state_dict(weights)
    again = learner_of(resumed, SAMPLED, counts_V=shop.train_counts_V)
    again.load_state_dict(state)
    torch.set_rng_state(random)
    steps(resumed, again, batches[3:])
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_table_that_is_not_averaged_is_the_parameter_itself() -> None:
    layer = torch.nn.Linear(2, 1)
    average = WeightAverage(layer, decay=0.9, as_they_are=[layer.weight])
    with torch.no_grad():
        layer.weight.add_(1.0)
        layer.bias.add_(1.0)
    average.update(step=1_000_000)
    assert torch.equal(average.values[0], layer.weight)
    assert not torch.equal(average.values[1], layer.bias)
    held = layer.weight.detach().clone()
    average.swap()
    assert torch.equal(layer.weight, held)
