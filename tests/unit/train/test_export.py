"""The serving bundle: it ranks as the trainer does, without the trainer's code."""

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.data import Sequences, read_folder
from train.export import main, write_bundle
from train.model import NextItemModel
from train.ranking import Histories
from train.serve import Bundle, WrongRequest, fetch, server
from train.storage import open_folder
from train.successors import feature_sizes
from train.synthetic_shop import ShopSize, make_shop

from .examples import small_config


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Sequences:
    """A shop of 1,000 users and 240 items."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, seed=1, size=ShopSize(users=1_000, items=240, events=12_000))
    return read_folder(open_folder(str(folder)))


def example_model(shop: Sequences) -> NextItemModel:
    torch.manual_seed(3)
    model = NextItemModel(small_config(items=len(shop.catalog), window=20, heads=2, feature_sizes=feature_sizes(shop)))
    model.start_from_popularity(shop.train_counts_V)
    model.successors.fit(shop)
    model.successors.strength.fill_(0.5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def made(shop: Sequences, tmp_path_factory: pytest.TempPathFactory) -> tuple[NextItemModel, Path]:
    folder = tmp_path_factory.mktemp("model") / "serving"
    model = example_model(shop)
    write_bundle(
        open_folder(str(folder)), model=model, catalog=shop.catalog, counts_V=shop.train_counts_V, run_id="run-1"
    )
    return model, folder


@pytest.fixture(scope="module")
def bundle(made: tuple[NextItemModel, Path]) -> Bundle:
    return Bundle(made[1])


def history(shop: Sequences, user: int) -> list[str]:
    first, last = shop.offsets_U1[user], shop.offsets_U1[user + 1]
    return [shop.catalog[int(item)].as_py() for item in shop.items_N[first:last]]


def trainers_scores(model: NextItemModel, shop: Sequences, user: int, *, exclude_seen: bool) -> torch.Tensor:
    starts_B, ends_B = np.array([shop.offsets_U1[user]]), np.array([shop.offsets_U1[user + 1]])
    with torch.no_grad():
        scores_V = model.scores(Histories(shop.items_N, starts_B, ends_B))[0].clone()
    if exclude_seen:
        scores_V[torch.from_numpy(np.unique(shop.items_N[starts_B[0] : ends_B[0]]))] = -torch.inf
    return scores_V


def trainers_ranking(model: NextItemModel, shop: Sequences, user: int, *, exclude_seen: bool) -> list[str]:
    scores_V = trainers_scores(model, shop, user, exclude_seen=exclude_seen)
    order = torch.argsort(scores_V, descending=True, stable=True)
    return [shop.catalog[int(item)].as_py() for item in order if scores_V[item] > -torch.inf]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_each_of_a_thousand_users_is_ranked_as_by_the_trainer(
    shop: Sequences, made: tuple[NextItemModel, Path], bundle: Bundle, *, exclude_seen: bool
) -> None:
    users, tied = range(1_000), 0
    asked = [{"history": history(shop, user), "k": 50, "exclude_seen": exclude_seen} for user in users]
    answers = bundle.recommend([bundle.wanted(each) for each in asked])
    for user, answer in zip(users, answers, strict=True):
        wanted = trainers_ranking(made[0], shop, user, exclude_seen=exclude_seen)[:50]
        if answer["items"] != wanted:  # two items whose scores differ by a rounding may change places
            score_of = trainers_scores(made[0], shop, user, exclude_seen=exclude_seen)
            place = {item: number for number, item in enumerate(shop.catalog.to_pylist())}
            pairs = zip(answer["items"], wanted, strict=True)
            assert max(abs(float(score_of[place[one]] - score_of[place[other]])) for one, other in pairs) < 1e-5
            tied += 1
        assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert tied < 5


def test_one_history_of_any_length_gives_what_a_batch_gives(shop: Sequences, bundle: Bundle) -> None:
    whole = history(shop, 7) * 3
    wanted = [bundle.wanted({"history": whole[:length]}) for length in (1, 2, 19, 20, 21, len(whole))]
    alone = [bundle.recommend([each])[0]["items"] for each in wanted]
    assert [each["items"] for each in bundle.recommend(wanted)] == alone


def test_a_user_without_known_items_gets_the_most_popular(shop: Sequences, bundle: Bundle) -> None:
    best = np.argsort(-shop.train_counts_V, kind="stable")[:3]
    (answer,) = bundle.recommend([bundle.wanted({"history": ["gone"], "k": 3})])
    assert answer == {"items": [shop.catalog[int(item)].as_py() for item in best], "scores": None, "unknown_items": 1}


def test_who_has_seen_nearly_everything_gets_what_is_left(shop: Sequences, bundle: Bundle) -> None:
    items = shop.catalog.to_pylist()
    (answer,) = bundle.recommend([bundle.wanted({"history": items[:-2], "k": 10})])
    assert sorted(answer["items"]) == sorted(items[-2:])


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        ([], r"\[\] is not an object"),
        ({"histroy": []}, "'histroy'"),
        ({"history": [3]}, r"history: \[3\] is not a list"),
        ({"k": 0}, "k: 0 is not a number from 1 to 240"),
        ({"k": True}, "k: True"),
        ({"exclude_seen": "no"}, "'no' is not true or false"),
    ],
)
def test_a_request_that_is_wrong_is_told_its_value(bundle: Bundle, instance: Any, told: str) -> None:
    with pytest.raises(WrongRequest, match=told):
        bundle.wanted(instance)


@pytest.fixture(scope="module")
def address(bundle: Bundle) -> Iterator[str]:
    listening = server(bundle, host="127.0.0.1", port=0, health_route="/alive", predict_route="/v1/rank")
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    listening.server_close()


def call(url: str, body: bytes | None = None) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, body, timeout=30) as answer:  # noqa: S310 - the loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_server_answers_on_the_routes_that_vertex_ai_names(shop: Sequences, address: str) -> None:
    assert call(f"{address}/alive") == (200, {"run_id": "run-1"})
    asked = {"instances": [{"history": history(shop, 1), "k": 2}, {"history": []}]}
    status, answer = call(f"{address}/v1/rank", json.dumps(asked).encode())
    assert status == 200
    assert [len(each["items"]) for each in answer["predictions"]] == [2, 10]
    assert call(f"{address}/predict", b"{}")[0] == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"instances": 3}', b'{"instances": [{"k": 9999}]}'])
def test_the_server_refuses_what_it_cannot_answer_in_words(address: str, body: bytes) -> None:
    status, answer = call(f"{address}/v1/rank", body)
    assert status == 400
    assert answer["error"]


def test_a_file_of_histories_is_answered_without_any_of_the_trainer_s_code(
    shop: Sequences, made: tuple[NextItemModel, Path], tmp_path: Path
) -> None:
    alone = shutil.copytree(made[1], tmp_path / "alone")
    asked = tmp_path / "asked.jsonl"
    asked.write_text("\n".join(json.dumps({"history": history(shop, user), "k": 3}) for user in range(5)))
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-I", "serve.py", "--input", str(asked), "--output", str(tmp_path / "told.jsonl")]
    done = subprocess.run(command, cwd=alone, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "5 histories answered\n")
    told = [json.loads(line)["items"] for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert told == [trainers_ranking(made[0], shop, user, exclude_seen=True)[:3] for user in range(5)]


def test_a_line_that_is_wrong_leaves_no_answers(bundle: Bundle, tmp_path: Path) -> None:
    from train.serve import score_file

    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"history": []}\n{"history": 7}\n')
    with pytest.raises(WrongRequest, match=r"asked\.jsonl:2\.history: 7"):
        score_file(bundle, asked, tmp_path / "told.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["asked.jsonl"]


@pytest.mark.parametrize("name", ["scorer.pt2", "catalog.json"])
def test_a_bundle_that_was_changed_is_not_loaded(made: tuple[NextItemModel, Path], tmp_path: Path, name: str) -> None:
    spoilt = shutil.copytree(made[1], tmp_path / "spoilt")
    (spoilt / name).write_bytes((spoilt / name).read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{name} differs from its manifest"):
        Bundle(fetch(str(spoilt), tmp_path))


def test_a_folder_without_a_bundle_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"bundle\.json does not exist"):
        Bundle(fetch(str(tmp_path), tmp_path))
    assert main(["--model-uri", str(tmp_path)]) == 2
    assert "holds no manifest.json" in capsys.readouterr().err
