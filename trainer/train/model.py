"""The next-item model: causal self-attention over a history, the catalog's embeddings tied to the output.

SASRec (Kang and McAuley, ICDM 2018) with pre-norm blocks, full softmax, an item bias that starts at log popularity, and
a linear recency penalty in place of position embeddings (ALiBi, Press et al., ICLR 2022): a history of any length can
be read, and the newest items count most. Dropout draws one mask a sequence (Gal and Ghahramani, NeurIPS 2016), which is
as good here and costs less.

The model may have several members, networks that share the item bias alone and are each trained on its own loss; their
mean logit ranks (deep ensembles, Lakshminarayanan et al., NeurIPS 2017). Their embeddings stand side by side in one
table, so that scoring is one product however many they are.

Where items have tags (item_tags.py), an item's row is its own and those of its tags, in and out, as long as the model
learns; then they are folded, so that what is stored, served and compared is a model without tags.

Owns: the network and its scores. Does not own: the loss, training, or who is ranked. Histories are aligned left and
padded right: under the causal mask no real place sees the padding.

Shapes: B histories, L places, M members, D width of a member, E width of all (M * D), H heads, T tokens (real places),
V items.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn
from torch.nn import functional as F

from train.item_tags import Tags
from train.ranking import Histories
from train.successors import SuccessorCounts

_ROW_SCALE = 0.02


class ModelConfig(BaseModel):
    """Everything that shapes the network. `window` is how many of the newest items of a history it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: int
    window: int
    members: int
    width: int
    layers: int
    heads: int
    dropout: float
    recency_slope: float
    feature_sizes: tuple[int, ...] = ()  # of the items' features, which the successor counts know


# What settings choose; the rest follows from the data.
SHAPES = tuple(name for name in ModelConfig.model_fields if name not in ("items", "feature_sizes"))


class NextItemModel(nn.Module):
    """Scores the catalog for the item that comes after each place of a history."""

    def __init__(self, config: ModelConfig, tags: Tags | None = None) -> None:
        super().__init__()
        self.config = config
        self.item_embedding = nn.Embedding(config.items, config.members * config.width)
        self.tag_embedding: nn.Embedding | None = None
        self.item_bias = nn.Parameter(torch.zeros(config.items))
        self.members = nn.ModuleList(_Member(config) for _ in range(config.members))
        self.successors = SuccessorCounts(config.items, feature_sizes=config.feature_sizes)
        self.mask_HLL: torch.Tensor
        self.register_buffer("mask_HLL", recency_mask(config), persistent=False)
        nn.init.normal_(self.item_embedding.weight, std=_ROW_SCALE)
        if tags is not None:
            self.tags_VK: torch.Tensor
            self.own_V1: torch.Tensor
            self.register_buffer("tags_VK", torch.from_numpy(tags.tags_VK), persistent=False)
            self.register_buffer("own_V1", torch.ones(config.items, 1), persistent=False)
            self.tag_embedding = nn.Embedding(tags.size + 1, config.members * config.width, padding_idx=tags.size)
            with torch.no_grad():
                self.tag_embedding.weight[:-1].normal_(std=_ROW_SCALE)

    def start_from_popularity(self, counts_V: np.ndarray) -> None:
        """Sets the item bias to log popularity, so that the first steps need not learn it. An item with tags that never
        occurs has no row of its own: all that such a row could learn is to stand apart from whoever was asked.
        """
        log_V = np.log(counts_V + 1.0)
        with torch.no_grad():
            self.item_bias.copy_(torch.from_numpy(log_V - log_V.max()))
            if self.tag_embedding:
                has_tags_V = (self.tags_VK < self.tag_embedding.num_embeddings - 1).any(1)
                has_events_V = torch.from_numpy(counts_V > 0).to(has_tags_V.device)
                self.own_V1.copy_((has_events_V | ~has_tags_V)[:, None])

    def forward(self, items_BL: torch.Tensor) -> torch.Tensor:
        """hidden_BLE: at each place, what each member knows after its item."""
        return self.encode(F.embedding(items_BL, self.item_rows()))

    def item_rows(self) -> torch.Tensor:
        """rows_VE by which items are read and ranked."""
        return self.with_tags(self.item_embedding.weight)

    def with_tags(self, own_RE: torch.Tensor, items_R: torch.Tensor | None = None) -> torch.Tensor:
        """The items' own rows and the sum of their tags' rows; of all items by default."""
        if self.tag_embedding is None:
            return own_RE
        own_R1, tags_RK = (part if items_R is None else part[items_R] for part in (self.own_V1, self.tags_VK))
        none = self.tag_embedding.padding_idx
        return own_RE * own_R1 + F.embedding_bag(tags_RK, self.tag_embedding.weight, mode="sum", padding_idx=none)

    @torch.no_grad()
    def fold_tags(self) -> None:
        """Makes what the tags add a part of the items' own rows: scores stay, and the tags are no longer needed."""
        if self.tag_embedding:
            self.item_embedding.weight.copy_(self.item_rows())
            self.tag_embedding = None

    def encode(self, embedded_BLE: torch.Tensor) -> torch.Tensor:
        """hidden_BLE of items whose embeddings are given."""
        length = embedded_BLE.shape[1]
        mask_HLL = self.mask_HLL[:, :length, :length]
        dropped_BLE = drop(embedded_BLE, self.config.dropout, training=self.training)
        parts = zip(self.members, self.by_member(dropped_BLE), strict=True)
        return torch.cat([member(part_BLD, mask_HLL) for member, part_BLD in parts], dim=-1)

    def by_member(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Each member's part of embeddings or hidden states."""
        return rows.unflatten(-1, (self.config.members, self.config.width)).unbind(-2)

    def logits(self, hidden_BE: torch.Tensor) -> torch.Tensor:
        """logits_BV of the network alone, the members' mean."""
        return torch.addmm(self.item_bias, hidden_BE, self.item_rows().T, alpha=1 / self.config.members)

    def read(self, histories: Histories) -> tuple[torch.Tensor, torch.Tensor]:
        """items_BL and lengths_B of the newest items of each history, as many as the window holds."""
        starts_B = np.maximum(histories.starts_B, histories.ends_B - self.config.window)
        lengths_B = histories.ends_B - starts_B
        place_BL = starts_B[:, None] + np.minimum(np.arange(lengths_B.max()), lengths_B[:, None] - 1)
        device = self.item_bias.device
        items_BL = torch.from_numpy(histories.items_N[place_BL].astype(np.int64, copy=False)).to(device)
        return items_BL, torch.from_numpy(lengths_B).to(device)

    def last_logits(self, items_BL: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """logits_BV of the network after each history's last item."""
        row_B = torch.arange(items_BL.shape[0], device=items_BL.device)
        return self.logits(self(items_BL)[row_B, lengths_B - 1])

    def scores(self, histories: Histories, *, strength: float | None = None) -> torch.Tensor:
        """scores_BV by which items are ranked: the network's logits and what the successor counts add."""
        (scores_BV,) = self.variants(histories, [strength])
        return scores_BV

    def variants(self, histories: Histories, strengths: Iterable[float | None]) -> Iterator[torch.Tensor]:
        """scores_BV for each strength of the successor counts (None: the chosen one), from one pass of the network."""
        items_BL, lengths_B = self.read(histories)
        logits_BV, gains_BV = self.last_logits(items_BL, lengths_B), self.successors.gains(items_BL, lengths_B)
        for strength in strengths:
            yield self.successors.add_to(logits_BV.clone(), gains_BV, strength=strength)


class _Member(nn.Module):
    """One network: blocks, then a norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, hidden_BLD: torch.Tensor, mask_HLL: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            hidden_BLD = block(hidden_BLD, mask_HLL)
        return self.norm(hidden_BLD)


class _Block(nn.Module):
    """Attention, then a feed-forward layer, each normed before and added after."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self._heads, self._dropout = config.heads, config.dropout
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projection, self.mixing = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_in, self.feed_out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden_BLD: torch.Tensor, mask_HLL: torch.Tensor) -> torch.Tensor:
        batch, length, width = hidden_BLD.shape
        projected = self.projection(self.attention_norm(hidden_BLD))
        query, key, value = projected.view(batch, length, 3, self._heads, width // self._heads).permute(2, 0, 3, 1, 4)
        attended_BHLD = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_HLL)
        mixed_BLD = self.mixing(attended_BHLD.transpose(1, 2).reshape(batch, length, width))
        hidden_BLD = hidden_BLD + drop(mixed_BLD, self._dropout, training=self.training)
        fed_BLD = self.feed_out(F.relu(self.feed_in(self.feed_norm(hidden_BLD))))
        return hidden_BLD + drop(fed_BLD, self._dropout, training=self.training)


def drop(hidden_BLD: torch.Tensor, share: float, *, training: bool) -> torch.Tensor:
    """Dropout with one mask for all places of a sequence."""
    if not training or share == 0:
        return hidden_BLD
    batch, _, width = hidden_BLD.shape
    kept_B1D = torch.empty(batch, 1, width, device=hidden_BLD.device, dtype=hidden_BLD.dtype).bernoulli_(1 - share)
    return hidden_BLD * kept_B1D.div_(1 - share)


def recency_mask(config: ModelConfig) -> torch.Tensor:
    """mask_HLL, added to attention scores: -inf for later places, a penalty that grows with distance for earlier ones.

    Each head's slope is a quarter of the one before, so that some heads look farther back.
    """
    place_L = torch.arange(config.window)
    distance_LL = place_L[:, None] - place_L[None, :]
    slopes_H = config.recency_slope * 0.25 ** torch.arange(config.heads)
    penalty_HLL = -slopes_H[:, None, None] * distance_LL
    return penalty_HLL.masked_fill(distance_LL < 0, -torch.inf)
