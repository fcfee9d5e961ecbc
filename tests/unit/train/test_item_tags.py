"""Tags of items: which there are, that their rows do what is said, and that they rank items nobody has had yet."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from train.batches import Batches
from train.data import Sequences
from train.item_tags import Tags, tags_of
from train.learner import learner_of
from train.model import NextItemModel
from train.presets import Settings
from train.ranking import Histories
from train.warm_start import Champion, carry_over

from tests.unit.train.examples import QUICK, sequences_of, small_config

CATALOG = pa.array([f"i{number:02}" for number in range(12)])
KINDS = ["b", "a", None, "b"] * 3


def tags_by_item(found: Tags | None) -> list[list[int]]:
    assert found is not None
    return [[int(tag) for tag in tags_K if tag < found.size] for tags_K in found.tags_VK]


def table(**columns: pa.Array) -> pa.Table:
    return pa.table({"item_id": CATALOG, **columns})


def columns_tags(column: pa.Array) -> Tags | None:
    return tags_of(table(column=column), CATALOG, id_column="item_id")


def test_values_are_tags_in_the_catalogs_order_and_an_item_without_a_row_has_none() -> None:
    rows = table(kind=pa.array(KINDS)).take(pa.array(range(10, -1, -1)))
    found = tags_of(rows, CATALOG, id_column="item_id")
    assert tags_by_item(found) == [[1], [0], [], [1]] * 2 + [[1], [0], [], []]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([3, 1, None, 3] * 3), [[1], [0], [], [1]] * 3),
        (pa.array(KINDS).dictionary_encode(), [[1], [0], [], [1]] * 3),
        (pa.array([["x", "y"], ["y"], [], None] * 3, pa.list_(pa.string())), [[0, 1], [1], [], []] * 3),
        (pa.array([f"Lens {number} {'Red' if number % 3 else 'blue'}" for number in range(12)]), None),
    ],
)
def test_words_whole_numbers_lists_and_the_words_of_text_are_tags(
    column: pa.Array, expected: list[list[int]] | None
) -> None:
    if expected is None:  # of the text: "lens" has everybody, a number nobody else, and red more than half
        expected = [[0] if number % 3 == 0 else [] for number in range(12)]
    assert tags_by_item(columns_tags(column)) == expected


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64()])
def test_a_measure_is_the_place_among_equal_shares(kind: pa.DataType) -> None:
    catalog = pa.array([f"i{number:03}" for number in range(160)])
    values = pa.array(np.random.default_rng(0).permutation(160)).cast(kind)
    found = tags_of(pa.table({"item_id": catalog, "price": values}), catalog, id_column="item_id")
    assert found is not None
    assert found.size == 16
    by_price = found.tags_VK[np.argsort(values.to_numpy()), 0]
    assert by_price.tolist() == np.repeat(np.arange(16), 10).tolist()


@pytest.mark.parametrize(
    "column",
    [pa.array([f"only{number}" for number in range(12)]), pa.array(["same"] * 12), pa.array([{"a": 1}] * 12)],
)
def test_what_tells_nothing_of_other_items_is_no_tag(column: pa.Array) -> None:
    assert columns_tags(column) is None


def test_of_too_many_tags_the_commonest_stay_and_of_an_item_with_many_the_rarest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    column = pa.array([["common", "rare"], ["common"], ["common"], ["rare"], [], [], ["pair"], ["pair"], *[[]] * 4])
    monkeypatch.setattr("train.item_tags._MOST_OF_AN_ITEM", 1)
    assert tags_by_item(columns_tags(column)) == [[2], [0], [0], [2], [], [], [1], [1], *[[]] * 4]
    monkeypatch.setattr("train.item_tags._MOST_TAGS", 1)
    assert tags_by_item(columns_tags(column)) == [[0], [0], [0], *[[]] * 9]


def tagged_model(data: Sequences, settings: Settings = QUICK) -> NextItemModel:
    torch.manual_seed(settings.seed)
    config = small_config(items=len(data.catalog), members=settings.members, width=settings.width, layers=1)
    model = NextItemModel(config, data.tags)
    model.start_from_popularity(data.train_counts_V)
    return model


def shop_of_two_kinds() -> Sequences:
    """Users buy of one kind alone; the last item of each kind was bought by nobody who is learned from."""
    random = np.random.default_rng(0)
    histories = []
    for user in range(120):
        kind = "ab"[user % 2]
        bought = [f"{kind}{number}" for number in random.integers(0, 9, 6)]
        histories.append([*bought, f"{kind}9", f"{kind}9"])  # what is held out is not learned
    data = sequences_of(histories)
    kinds = pa.array([[item[0]] for item in data.catalog.to_pylist()])
    return replace(
        data, tags=tags_of(pa.table({"item_id": data.catalog, "k": kinds}), data.catalog, id_column="item_id")
    )


def learn(model: NextItemModel, data: Sequences, settings: Settings, *, epochs: int = 12) -> None:
    learner = learner_of(model, settings, counts_V=data.train_counts_V)
    batches = Batches(data, window=settings.window, tokens=settings.batch_tokens, seed=0)
    model.train()
    for number in range(epochs):
        epoch = batches.epoch(number)
        for place in range(len(epoch)):
            learner.step(batches.batch(epoch, place), share=1.0)
    model.eval()


@pytest.mark.parametrize("negatives", [0, 12])
def test_items_that_nobody_had_are_ranked_by_what_they_share_with_others(negatives: int) -> None:
    data = shop_of_two_kinds()
    settings = QUICK.model_copy(update={"negatives": negatives, "window": 4})
    with_tags, without = tagged_model(data, settings), tagged_model(replace(data, tags=None), settings)
    places = {item: place for place, item in enumerate(data.catalog.to_pylist())}
    history = np.array([[places["a1"], places["a2"]], [places["b1"], places["b2"]]])

    def lead_of_its_own_kind(model: NextItemModel) -> float:
        """How far the unknown item of the history's kind is above the unknown one of the other."""
        learn(model, data, settings)
        logits_BV = model.last_logits(torch.from_numpy(history), torch.tensor([2, 2]))
        difference_B = logits_BV[:, places["a9"]] - logits_BV[:, places["b9"]]
        return float((difference_B[0] - difference_B[1]).detach())

    assert lead_of_its_own_kind(with_tags) > 2.0
    assert abs(lead_of_its_own_kind(without)) < 1.0


def test_an_items_row_is_its_own_and_those_of_its_tags() -> None:
    data = replace(shop_of_two_kinds(), tags=Tags(np.array([[0, 2], [2, 1], [2, 2]] + [[1, 0]] * 17), 2))
    model = tagged_model(data)
    own, table = model.item_embedding.weight, model.tag_embedding.weight
    by_hand = [own[0] + table[0], own[1] + table[1], own[2], own[3] + table[1] + table[0]]
    torch.testing.assert_close(model.item_rows()[:4], torch.stack(by_hand))
    some = torch.tensor([3, 2])
    torch.testing.assert_close(model.with_tags(own[some], some), torch.stack([by_hand[3], by_hand[2]]))


def test_an_item_that_never_occurs_has_no_row_of_its_own_where_it_has_tags() -> None:
    data = shop_of_two_kinds()
    model = tagged_model(data)
    never = [place for place, count in enumerate(data.train_counts_V) if count == 0]
    assert [data.catalog[place].as_py() for place in never] == ["a9", "b9"]
    torch.testing.assert_close(model.item_rows()[never], model.tag_embedding.weight[[0, 1]])


def test_a_folded_model_scores_alike_and_is_stored_like_one_without_tags() -> None:
    data = shop_of_two_kinds()
    model = tagged_model(data)
    learn(model, data, QUICK.model_copy(update={"window": 4}), epochs=2)
    histories = Histories(data.items_N, data.offsets_U1[:5], data.offsets_U1[1:6])
    before = model.scores(histories)
    model.fold_tags()
    torch.testing.assert_close(model.scores(histories), before)
    plain = tagged_model(replace(data, tags=None))
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain.eval().scores(histories), before)


def test_a_warm_start_keeps_known_items_and_places_new_ones_by_their_tags() -> None:
    data = shop_of_two_kinds()
    model = tagged_model(data)
    learn(model, data, QUICK.model_copy(update={"window": 4}))
    model.fold_tags()
    champion = Champion("/models/old", model, data.catalog, int(data.is_train_N.sum()))
    known = data.catalog.to_pylist()
    grown = sequences_of([["lone_a"], ["lone_b"], [*known, *known]])
    kinds = pa.array([[item[-1] if item.startswith("lone") else item[0]] for item in grown.catalog.to_pylist()])
    tags = tags_of(pa.table({"item_id": grown.catalog, "k": kinds}), grown.catalog, id_column="item_id")
    grown = replace(grown, tags=tags)
    started = tagged_model(grown)
    assert carry_over(started, champion, grown) == 2
    place = {item: number for number, item in enumerate(grown.catalog.to_pylist())}
    rows, old = started.item_rows().detach(), model.item_rows().detach()
    torch.testing.assert_close(rows[[place[item] for item in known]], old)
    for kind in "ab":
        mean = old[[item.startswith(kind) for item in known]].mean(0)
        torch.testing.assert_close(rows[place[f"lone_{kind}"]], mean)
