"""Starting from a champion: what is carried over, what is new, what is refused, and that it pays."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from train import main
from train.data import Sequences
from train.model import NextItemModel
from train.presets import resolve, statistics
from train.problems import Refused
from train.warm_start import FINE_TUNE, FRESH, ITEM_ROWS, WARM, Champion, Start, carry_over, choose, newest, settings_of

from tests.unit.train.examples import random_sequences, sequences_of, small_config

from .test_main import QUICK_FLAGS, job, lines_of  # noqa: F401 - a fixture


def trained(data: Sequences, **changes: Any) -> Champion:
    """A model of the data whose every number is its own."""
    torch.manual_seed(4)
    model = NextItemModel(small_config(items=len(data.catalog), **changes))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return Champion("/models/old", model.eval(), data.catalog, int(data.is_train_N.sum()))


def started(data: Sequences) -> NextItemModel:
    model = NextItemModel(small_config(items=len(data.catalog)))
    model.start_from_popularity(data.train_counts_V)
    return model


HISTORIES = [["b", "a", "c", "a", "b", "c"], ["c", "b", "a", "b", "c"], ["a", "b", "c", "c"]]


def test_every_table_that_grows_with_the_catalog_is_carried_over_by_row() -> None:
    shapes = [
        {name: parameter.shape for name, parameter in NextItemModel(small_config(items=size)).named_parameters()}
        for size in (25, 26)
    ]
    grown = {name for name, shape in shapes[0].items() if shape != shapes[1][name]}
    assert grown == set(ITEM_ROWS)


def test_rows_of_known_items_are_carried_over_exactly_and_so_is_the_network() -> None:
    champion = trained(sequences_of(HISTORIES))
    data = sequences_of([["aa", "b", "new", "a", "c", "b"], *HISTORIES])  # places of known items move
    model = started(data)
    assert carry_over(model, champion, data) == 2
    places = dict(zip(data.catalog.to_pylist(), range(5), strict=True))
    for name, given in champion.model.named_parameters():
        found = dict(model.named_parameters())[name]
        if name in ITEM_ROWS:
            found = found[[places[item] for item in champion.catalog.to_pylist()]]
        assert torch.equal(found, given), name


def test_a_new_item_starts_near_its_neighbours_and_with_its_popularity() -> None:
    champion = trained(sequences_of(HISTORIES))
    data = sequences_of([["a", "new", "c", "new", "c", "b", "a"], ["lone", "lone2", "a"], *HISTORIES])
    model, fresh = started(data), started(data)
    carry_over(model, champion, data)
    places = dict(zip(data.catalog.to_pylist(), range(len(data.catalog)), strict=True))
    rows, old = model.item_embedding.weight.detach(), champion.model.item_embedding.weight.detach()
    a, c = (old[champion.catalog.to_pylist().index(item)] for item in "ac")
    # What is learned from: a new c new c; so `new` has one a and three c beside it.
    assert torch.allclose(rows[places["new"]], (a + 3 * c) / 4, atol=0.1)
    assert torch.allclose(rows[places["lone2"]], old.mean(0), atol=0.1)
    moved = (model.item_bias - fresh.item_bias).detach()
    known = [places[item] for item in "abc"]
    assert moved[places["new"]] == pytest.approx(float(moved[known].mean()), abs=1e-5)


def test_a_catalog_that_lost_items_keeps_the_rows_of_the_others() -> None:
    champion = trained(sequences_of([["gone", "a", "b", "gone", "c"], *HISTORIES]))
    data = sequences_of(HISTORIES)
    model = started(data)
    assert carry_over(model, champion, data) == 0
    kept = [champion.catalog.to_pylist().index(item) for item in "abc"]
    assert torch.equal(model.item_embedding.weight, champion.model.item_embedding.weight[kept])


def test_shapes_are_the_champion_s_and_a_flag_for_another_is_refused() -> None:
    data = random_sequences()
    resolved = partial(resolve, statistics(data))
    start = Start(WARM, "", trained(data, width=8, layers=2, window=4))
    found = settings_of(start, {}, resolved)
    assert (found.width, found.layers, found.window) == (8, 2, 4)
    assert found.learning_rate < resolved({}).learning_rate
    assert settings_of(start, {"learning_rate": 0.5, "width": 8}, resolved).learning_rate == 0.5
    with pytest.raises(Refused, match=r"--width = 32: differs from the 8 of the model to start from, /models/old"):
        settings_of(start, {"width": 32}, resolved)
    fresh = settings_of(Start(FRESH, ""), {"width": 32}, resolved)
    assert fresh.width == 32


def test_the_start_is_chosen_by_what_the_data_gained() -> None:
    data = random_sequences(users=90)
    champion = trained(data)
    settings = settings_of(Start(WARM, "", champion), {}, partial(resolve, statistics(data)))
    events = int(data.is_train_N.sum())

    def chosen(**changes: Any) -> str:
        return choose(champion._replace(**changes), data, settings)[0]

    assert chosen() == FINE_TUNE
    assert chosen(counts=int(events * 0.95)) == WARM
    assert chosen(counts=int(events * 0.85)) == FRESH
    assert chosen(catalog=pa.array(["other", "items"])) == FRESH
    mode, reason = choose(champion, data, settings.model_copy(update={"width": 64}))
    assert (mode, reason) == (FRESH, "the champion has width 8, and 64 fits this data")


def test_the_newest_events_are_those_of_late_users_with_what_came_before() -> None:
    data = random_sequences(users=90)
    found = newest(data, 0.2, context=3)
    assert newest(data, 1.0, context=3) is data
    assert found.catalog.equals(data.catalog)
    since = np.quantile(data.times_N[data.is_train_N], 0.8, method="higher")
    for user in range(len(data.users)):
        whole = slice(data.offsets_U1[user], data.offsets_U1[user + 1])
        part = slice(found.offsets_U1[user], found.offsets_U1[user + 1])
        late = int((data.times_N[whole][: data.train_lengths_U[user]] >= since).sum())
        kept = found.items_N[part].tolist()
        assert bool(kept) == bool(late)
        assert kept == data.items_N[whole].tolist()[len(data.items_N[whole]) - len(kept) :]
        if late:  # what was held out stays held out
            held_out = data.lengths_U[user] - data.train_lengths_U[user]
            assert found.lengths_U[user] - found.train_lengths_U[user] == held_out
            assert found.train_lengths_U[user] >= min(late + 3, data.train_lengths_U[user])


def training_of(folder: Path, run_id: str) -> dict[str, Any]:
    return json.loads((folder / "models" / run_id / "training.json").read_text())


def test_a_run_starts_from_the_champion_that_the_snapshot_names_and_resuming_wins(
    job: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(QUICK_FLAGS) == 0
    assert training_of(job, "run-1")["start"]["mode"] == FRESH
    events = pq.read_table(job / "staging" / "interactions.parquet")
    renamed = pc.replace_substring(events["item_id"], "i00000", "x00000")  # a few items are new, a few are gone
    events = events.set_column(events.column_names.index("item_id"), "item_id", renamed)
    pq.write_table(events, job / "staging" / "interactions.parquet")
    snapshot = {"fingerprint": "next", "champion_uri": str(job / "models" / "run-1")}
    (job / "staging" / "snapshot.json").write_text(json.dumps(snapshot))
    monkeypatch.setenv("RUN_ID", "run-2")
    assert main.main(QUICK_FLAGS) == 0
    second = training_of(job, "run-2")
    assert (second["start"]["mode"], second["start"]["uri"]) == (FINE_TUNE, str(job / "models" / "run-1"))
    assert second["curve"][0]["step"] == 0  # the champion's weights are judged first
    first = training_of(job, "run-1")
    assert second["curve"][0]["metrics"]["ndcg@10"] > first["curve"][0]["metrics"]["ndcg@10"] / 2
    capsys.readouterr()
    assert main.main(QUICK_FLAGS) == 0
    assert any(line.get("message") == "resumed" for line in lines_of(capsys))
    assert training_of(job, "run-2")["metrics"] == second["metrics"]


def test_a_champion_that_is_lost_is_no_start_unless_it_was_asked_for(
    job: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = str(job / "models" / "lost")
    assert main.main([*QUICK_FLAGS, "--warm-start", lost]) == 0
    start = training_of(job, "run-1")["start"]
    assert start["mode"] == FRESH
    assert "holds no manifest.json" in start["reason"]
    capsys.readouterr()
    assert main.main([*QUICK_FLAGS, "--warm-start", lost, "--start", "warm"]) == 2
    assert f"--model-uri = '{lost}': holds no manifest.json" in lines_of(capsys)[-1]["message"]
    assert main.main([*QUICK_FLAGS, "--start", "fine-tune", "--learn-newest", "1.5"]) == 2
    assert "--learn-newest = 1.5: must be above 0 and at most 1" in lines_of(capsys)[-1]["message"]
    assert main.main([*QUICK_FLAGS, "--start", "fine-tune"]) == 2
    assert "--start = 'fine-tune': needs a model to start from" in lines_of(capsys)[-1]["message"]
