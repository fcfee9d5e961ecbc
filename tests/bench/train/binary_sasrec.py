"""SASRec as it was first published and is most often copied: binary cross-entropy of each next item against one
negative drawn at random (Kang and McAuley, ICDM 2018). Ours, in the style of the PyTorch code that people start from:
that is no package.

Shapes: B users of a batch, W places of a window, D width, V items (1 is the first, 0 is none).
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus
from train.ranking import Histories

from tests.bench.train.points import Task
from tests.bench.train.windows import in_our_order, newest

_WIDTH, _BLOCKS, _DROPOUT, _WINDOW = 50, 2, 0.2, 50
_USERS_AT_ONCE, _RATE, _BETAS = 128, 0.001, (0.9, 0.98)
_MOST_EPOCHS = 10_000


class Block(nn.Module):
    """Attention over the past, then a feed-forward net for each place; norms come first."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(_WIDTH)
        self.attention = nn.MultiheadAttention(_WIDTH, 1, dropout=_DROPOUT, batch_first=True)
        self.before_feed = nn.LayerNorm(_WIDTH)
        self.feed = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH), nn.Dropout(_DROPOUT), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.Dropout(_DROPOUT)
        )

    def forward(self, hidden_BWD: torch.Tensor, future_WW: torch.Tensor) -> torch.Tensor:
        asked_BWD = self.before_attention(hidden_BWD)
        seen_BWD, _ = self.attention(asked_BWD, hidden_BWD, hidden_BWD, attn_mask=future_WW, need_weights=False)
        fed_BWD = self.before_feed(asked_BWD + seen_BWD)
        return fed_BWD + self.feed(fed_BWD)


class BinarySasRec(nn.Module):
    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, _WIDTH, padding_idx=0)
        self.places = nn.Embedding(_WINDOW, _WIDTH)
        self.dropout = nn.Dropout(_DROPOUT)
        self.blocks = nn.ModuleList(Block() for _ in range(_BLOCKS))
        self.norm = nn.LayerNorm(_WIDTH)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter.data)
        with torch.no_grad():
            self.items.weight[0] = 0.0
        self.register_buffer("future_WW", torch.ones(_WINDOW, _WINDOW, dtype=torch.bool).triu(1))

    def forward(self, ids_BW: torch.Tensor) -> torch.Tensor:
        hidden_BWD = self.items(ids_BW) * _WIDTH**0.5 + self.places.weight
        hidden_BWD = self.dropout(hidden_BWD) * (ids_BW > 0).unsqueeze(-1)
        for block in self.blocks:
            hidden_BWD = block(hidden_BWD, self.future_WW)
        return self.norm(hidden_BWD)


def train(task: Task) -> None:
    torch.manual_seed(task.seed)
    random = np.random.default_rng(task.seed)
    sequences = task.sequences
    size = len(sequences.catalog)
    theirs_V = np.arange(1, size + 1)
    starts_U = sequences.offsets_U1[:-1]
    everyone = Histories(sequences.items_N, starts_U, starts_U + sequences.train_lengths_U)
    ids_UW, lengths_U = newest(everyone, theirs_V, window=_WINDOW + 1)
    users = np.flatnonzero(lengths_U > 1)
    model = BinarySasRec(size)
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE, betas=_BETAS)

    def scores(histories: Histories) -> torch.Tensor:
        model.eval()
        ids_BW, _ = newest(histories, theirs_V, window=_WINDOW)
        scores_BV = model(torch.from_numpy(ids_BW))[:, -1] @ model.items.weight.T
        model.train()
        return in_our_order(scores_BV, theirs_V)

    model.train()
    for _ in range(_MOST_EPOCHS):
        random.shuffle(users)
        for first in range(0, len(users), _USERS_AT_ONCE):
            ids_BW = ids_UW[users[first : first + _USERS_AT_ONCE]]
            loss = _loss(model, torch.from_numpy(ids_BW), torch.from_numpy(_others(random, ids_BW, size)))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            task.offer(scores)


def _others(random: np.random.Generator, ids_BW: np.ndarray, size: int) -> np.ndarray:
    """An item for each target that is not in the same row; drawn again where it is, a few times."""
    others_BW = random.integers(1, size + 1, (len(ids_BW), _WINDOW))
    for _ in range(4):
        clash_BW = (others_BW[:, :, None] == ids_BW[:, None, :]).any(-1)
        others_BW[clash_BW] = random.integers(1, size + 1, int(clash_BW.sum()))
    return others_BW


def _loss(model: BinarySasRec, ids_BW: torch.Tensor, others_BW: torch.Tensor) -> torch.Tensor:
    hidden_BWD, next_BW = model(ids_BW[:, :-1]), ids_BW[:, 1:]
    there = (ids_BW[:, :-1] > 0) & (next_BW > 0)
    hidden_ND = hidden_BWD[there]
    wanted_N = (hidden_ND * model.items(next_BW[there])).sum(-1)
    other_N = (hidden_ND * model.items(others_BW[there])).sum(-1)
    return softplus(-wanted_N).mean() + softplus(other_N).mean()
