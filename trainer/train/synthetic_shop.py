"""A made-up shop whose best reachable quality is known: `python -m train.synthetic_shop --out FOLDER`.

Owns: a seeded event log with the structure that recommenders live on (popularity, taste, sequence, drift) and the
oracle: the true conditional probabilities of each user's last event, ranked by the trainer's own protocol. Does not
own: the protocol.

Items are of kinds (a tripod, a lens, ...). The next item comes from one of four sources, redrawn while the user already
has it:
  follow   a kind that goes with the kind of the user's last item
  recall   a kind that goes with the item before the last
  taste    a kind that the user likes
  popular  the whole catalog
Within a kind, and in the whole catalog, an item is drawn by its popularity at that time, which rises and falls around
the item's own peak. So counts of single transitions know only part: what kinds go together is learned across items,
what a user likes across time.

Shapes: U users, V items, C kinds, S kinds that go with a kind, P periods of the calendar, B users of a batch.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from train.item_features import ITEMS_FILE
from train.metrics import K, metrics_of, rank_from_counts
from train.problems import EXIT_REFUSED, Problem, Refused, refuse_if
from train.shards import INTERACTIONS_FILE

SHOP_FILE = "shop.json"
SOURCES = ("follow", "recall", "taste", "popular")
_SHARES = np.array([0.36, 0.18, 0.36, 0.10])
_FOLLOW, _RECALL, _TASTE, _POPULAR = range(len(SOURCES))
_COMPANION_SHARES = np.array([0.6, 0.3, 0.1])
_PERIODS = 26
_PERIOD_SECONDS = 14 * 86_400
_OPENED = 1_672_531_200  # 2023-01-01
_SHORTEST = 5
_ITEMS_OF_A_KIND = 12


@dataclass(frozen=True)
class ShopSize:
    users: int = 4_000
    items: int = 1_500
    events: int = 90_000

    @property
    def kinds(self) -> int:
        return max(len(_COMPANION_SHARES) + 1, self.items // _ITEMS_OF_A_KIND)


@dataclass(frozen=True)
class Shop:
    """The truth that events are drawn from. Items are sorted by kind."""

    kind_V: np.ndarray
    kind_starts_C1: np.ndarray
    popularity_PV: np.ndarray
    companions_CS: np.ndarray
    taste_UC: np.ndarray


def open_shop(size: ShopSize, random: np.random.Generator) -> Shop:
    """Draws a shop: its catalog, its calendar, and what its users like."""
    kinds = size.kinds
    kind_V = np.sort(np.concatenate([np.arange(kinds), random.integers(0, kinds, size.items - kinds)]))
    base_V = 1.0 / (20.0 + random.permutation(size.items)) ** 0.9
    peak_V = random.random(size.items)
    time_P1 = ((np.arange(_PERIODS) + 0.5) / _PERIODS)[:, None]
    popularity_PV = base_V * (0.1 + np.exp(-(((time_P1 - peak_V) / 0.2) ** 2) / 2))
    others_CC = random.random((kinds, kinds))
    np.fill_diagonal(others_CC, 2.0)
    return Shop(
        kind_V=kind_V,
        kind_starts_C1=np.searchsorted(kind_V, np.arange(kinds + 1)),
        popularity_PV=popularity_PV / popularity_PV.sum(1, keepdims=True),
        companions_CS=np.argsort(others_CC, axis=1)[:, : len(_COMPANION_SHARES)],
        taste_UC=random.dirichlet(np.full(kinds, 3.0 / kinds), size.users),
    )


@dataclass(frozen=True)
class Events:
    """What happened, by user and then time: users' first events come at starts_U1."""

    items_N: np.ndarray
    periods_N: np.ndarray
    seconds_N: np.ndarray
    starts_U1: np.ndarray


def draw_events(shop: Shop, size: ShopSize, random: np.random.Generator) -> Events:
    """Every user's history, drawn step by step for all users at once."""
    mean = max(_SHORTEST + 1, size.events / size.users)
    lengths_U = np.minimum(_SHORTEST + random.geometric(1 / (mean - _SHORTEST + 1), size.users) - 1, size.items // 3)
    starts_U1 = np.concatenate([[0], np.cumsum(lengths_U)])
    periods_N, seconds_N = _calendar(lengths_U, starts_U1, random)
    items_N = np.full(starts_U1[-1], -1)
    seen_UV = np.zeros((size.users, size.items), dtype=bool)
    sampler = _Sampler(shop, random)
    for step in range(lengths_U.max()):
        waiting = np.flatnonzero(lengths_U > step)
        while len(waiting):
            place = starts_U1[waiting] + step
            last = items_N[place - 1] if step else np.full(len(waiting), -1)
            before = items_N[place - 2] if step > 1 else last
            drawn = sampler.draw(waiting, last, before, periods_N[place])
            fresh = ~seen_UV[waiting, drawn]
            items_N[place[fresh]] = drawn[fresh]
            seen_UV[waiting[fresh], drawn[fresh]] = True
            waiting = waiting[~fresh]
    return Events(items_N, periods_N, seconds_N, starts_U1)


def _calendar(
    lengths_U: np.ndarray, starts_U1: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """When events happen: users join at any time, and come back after gaps of very different length."""
    total_seconds = _PERIODS * _PERIOD_SECONDS
    first_U = random.random(len(lengths_U)) * 0.9 * total_seconds
    gaps_N = np.maximum(1, random.lognormal(11.0, 1.5, starts_U1[-1]).astype(np.int64))
    since_N = np.cumsum(gaps_N)
    since_N -= np.repeat(since_N[starts_U1[:-1]], lengths_U)
    # A user whose gaps run past the last day comes back faster instead.
    room_U = total_seconds - 1 - first_U
    used_U = np.maximum(1, since_N[starts_U1[1:] - 1])
    squeezed_N = np.repeat(np.minimum(1.0, room_U / used_U), lengths_U)
    seconds_N = np.repeat(first_U, lengths_U).astype(np.int64) + (since_N * squeezed_N).astype(np.int64)
    return np.minimum(seconds_N // _PERIOD_SECONDS, _PERIODS - 1), _OPENED + seconds_N


class _Sampler:
    """Draws candidates for many users at once, seen items included."""

    def __init__(self, shop: Shop, random: np.random.Generator) -> None:
        self._shop, self._random = shop, random
        # One running total over all periods: a period's items lie between `period` and `period + 1`.
        self._total_PV = np.cumsum(shop.popularity_PV, axis=1)
        self._total_PV[:, -1] = 1.0
        self._flat = (self._total_PV + np.arange(_PERIODS)[:, None]).ravel()
        self._taste_total_UC = np.cumsum(shop.taste_UC, axis=1)

    def draw(self, users: np.ndarray, last: np.ndarray, before: np.ndarray, periods: np.ndarray) -> np.ndarray:
        """One candidate for each user; `last` and `before` are -1 where there is no such item yet."""
        source = np.searchsorted(np.cumsum(_SHARES)[:-1], self._random.random(len(users)), side="right")
        source = np.where((last < 0) & (source < _TASTE), _TASTE, source)
        companion = np.searchsorted(np.cumsum(_COMPANION_SHARES)[:-1], self._random.random(len(users)), side="right")
        liked = (self._taste_total_UC[users] < self._random.random(len(users))[:, None]).sum(1)
        liked = np.minimum(liked, self._shop.taste_UC.shape[1] - 1)
        led_by = np.where(source == _RECALL, before, last)
        led = self._shop.companions_CS[self._shop.kind_V[led_by], companion]
        kind = np.where(source < _TASTE, led, liked)
        return self._popular(periods, kind, whole=source == _POPULAR)

    def _popular(self, periods: np.ndarray, kind: np.ndarray, *, whole: np.ndarray) -> np.ndarray:
        starts = self._shop.kind_starts_C1
        low = np.where(whole, 0, starts[kind])
        high = np.where(whole, len(self._shop.kind_V), starts[kind + 1])
        below = np.where(low > 0, self._total_PV[periods, low - 1], 0.0)
        target = below + self._random.random(len(periods)) * (self._total_PV[periods, high - 1] - below)
        found = np.searchsorted(self._flat, target + periods, side="right") - periods * self._total_PV.shape[1]
        return np.clip(found, low, high - 1)


def true_probabilities(
    shop: Shop, users: np.ndarray, last: np.ndarray, before: np.ndarray, periods: np.ndarray
) -> np.ndarray:
    """P(next item) as probabilities_BV for users with at least two events, before seen items are struck out and the
    rest rescaled.
    """
    popularity_BV = shop.popularity_PV[periods]
    in_kind_BC = np.add.reduceat(popularity_BV, shop.kind_starts_C1[:-1], axis=1)
    wanted_BC = _SHARES[_TASTE] * shop.taste_UC[users]
    rows = np.arange(len(users))[:, None]
    # Each fancy index is free of duplicates: a kind's companions are distinct.
    wanted_BC[rows, shop.companions_CS[shop.kind_V[last]]] += _SHARES[_FOLLOW] * _COMPANION_SHARES
    wanted_BC[rows, shop.companions_CS[shop.kind_V[before]]] += _SHARES[_RECALL] * _COMPANION_SHARES
    return popularity_BV * (_SHARES[_POPULAR] + (wanted_BC / in_kind_BC)[:, shop.kind_V])


def oracle(shop: Shop, events: Events, *, batch: int = 512) -> dict[str, dict[str, float]]:
    """Metrics of ranking by the true probabilities: on the events that happened, and in expectation over what might
    have.
    """
    size = len(shop.kind_V)
    ranks, gains, hits = [], [], []
    discount_K = 1.0 / np.log2(np.arange(K) + 2.0)
    for first in range(0, len(events.starts_U1) - 1, batch):
        users = np.arange(first, min(first + batch, len(events.starts_U1) - 1))
        place = events.starts_U1[users + 1] - 1
        target = events.items_N[place]
        scores_BV = true_probabilities(
            shop, users, events.items_N[place - 1], events.items_N[place - 2], events.periods_N[place]
        )
        for row, user in enumerate(users):
            scores_BV[row, events.items_N[events.starts_U1[user] : place[row]]] = 0.0
        target_B1 = scores_BV[np.arange(len(users)), target][:, None]
        ranks.append(rank_from_counts((scores_BV > target_B1).sum(1), (scores_BV == target_B1).sum(1) - 1))
        best_BK = -np.sort(-np.partition(scores_BV, -K, axis=1)[:, -K:], axis=1) / scores_BV.sum(1, keepdims=True)
        gains.append(best_BK @ discount_K)
        hits.append(best_BK.sum(1))
    expected = {f"ndcg@{K}": float(np.concatenate(gains).mean()), f"hr@{K}": float(np.concatenate(hits).mean())}
    return {"oracle": metrics_of(np.concatenate(ranks), catalog_size=size), "oracle_expected": expected}


def make_shop(folder: Path, *, seed: int, size: ShopSize) -> dict[str, object]:
    """Writes the shop's files into `folder` and returns what shop.json says."""
    refuse_if("shop", _size_problems(size))
    random = np.random.default_rng(seed)
    shop = open_shop(size, random)
    events = draw_events(shop, size, random)
    summary = {
        "seed": seed,
        "users": size.users,
        "items": size.items,
        "interactions": len(events.items_N),
        **oracle(shop, events),
        "shares": dict(zip(SOURCES, _SHARES.tolist(), strict=True)),
        "asked": asdict(size),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_interactions(shop, events, random), folder / INTERACTIONS_FILE)
    pq.write_table(_items(shop, random), folder / ITEMS_FILE)
    (folder / SHOP_FILE).write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def _interactions(shop: Shop, events: Events, random: np.random.Generator) -> pa.Table:
    user_N = np.repeat(np.arange(len(events.starts_U1) - 1), np.diff(events.starts_U1))
    liking_N = shop.taste_UC[user_N, shop.kind_V[events.items_N]]
    rating_N = np.clip(np.round(3.2 + 1.5 * liking_N + random.normal(0, 0.9, len(user_N))), 1, 5).astype(np.float32)
    order_N = np.argsort(events.seconds_N, kind="stable")
    user_ids = pa.array([f"u{user:06d}" for user in range(len(events.starts_U1) - 1)])
    return pa.table(
        {
            "user_id": user_ids.take(pa.array(user_N[order_N])),
            "item_id": _item_ids(shop).take(pa.array(events.items_N[order_N])),
            "timestamp": pa.array(events.seconds_N[order_N]),
            "rating": pa.array(rating_N[order_N]),
        }
    )


def _items(shop: Shop, random: np.random.Generator) -> pa.Table:
    size = len(shop.kind_V)
    brand_V = random.integers(0, max(2, size // 20), size)
    return pa.table(
        {
            "item_id": _item_ids(shop),
            "title": pa.array([f"Item {item} of brand {brand}" for item, brand in enumerate(brand_V)]),
            "kind": pa.array([f"kind-{kind:03d}" for kind in shop.kind_V]),
            "brand": pa.array([f"brand-{brand:03d}" for brand in brand_V]),
            "price": pa.array(np.round(random.lognormal(3.0, 0.8, size), 2)),
        }
    )


def _item_ids(shop: Shop) -> pa.Array:
    return pa.array([f"i{item:06d}" for item in range(len(shop.kind_V))])


def _size_problems(size: ShopSize) -> list[Problem]:
    problems = []
    if not 1 <= size.users <= 1_000_000:
        problems.append(
            Problem("--users", size.users, "must be between 1 and 1,000,000", "The default is a good start")
        )
    if not 30 <= size.items <= 20_000:
        problems.append(Problem("--items", size.items, "must be between 30 and 20,000", "The default is a good start"))
    if size.events < _SHORTEST * size.users:
        rule = f"must be at least {_SHORTEST} a user"
        problems.append(
            Problem("--events", size.events, rule, f"Ask for {_SHORTEST * size.users} or more, or fewer users")
        )
    return problems


def _seed_problems(seed: int) -> list[Problem]:
    if 0 <= seed < 2**32:
        return []
    return [Problem("--seed", seed, f"must be between 0 and {2**32 - 1}", "Leave it out for 0")]


def main(argv: list[str] | None = None) -> int:
    default = ShopSize()
    parser = argparse.ArgumentParser(
        prog="python -m train.synthetic_shop", description="Write a shop whose oracle is known."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write interactions.parquet, items.parquet, shop.json into"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users", type=int, default=default.users)
    parser.add_argument("--items", type=int, default=default.items)
    parser.add_argument("--events", type=int, default=default.events, help="about how many")
    asked = parser.parse_args(argv)
    try:
        refuse_if("flags", _seed_problems(asked.seed))
        summary = make_shop(asked.out, seed=asked.seed, size=ShopSize(asked.users, asked.items, asked.events))
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return EXIT_REFUSED
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
