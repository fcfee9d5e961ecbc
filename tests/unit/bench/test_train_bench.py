"""The comparison of trainers without any peer: its clock and points, its key, its table and picture, and what others'
item ids do to histories and scores.
"""

import ast
import contextlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from train.baselines import Markov, Popularity
from train.data import Sequences, read_folder
from train.evaluate import evaluate
from train.ranking import Histories, Scorer, held_out_ranks
from train.storage import open_folder

from tests.bench.train import results
from tests.bench.train.__main__ import main, missing, need_their_environment, write
from tests.bench.train.binary_sasrec import train as train_binary
from tests.bench.train.chart import chart
from tests.bench.train.contestants import CONTESTANTS, NEURAL, OURS, ROOT, Contestant, named, pinned, version
from tests.bench.train.factors import train_als, train_bpr
from tests.bench.train.points import CAP, ENDED, STALE, Enough, Points, Task
from tests.bench.train.runs import Run, command, environment, key, planned, result
from tests.bench.train.table import document, rows, verdict
from tests.bench.train.windows import NO_SCORE, in_our_order, learned, newest, to_the_left
from tests.bench.train.worker import run
from tests.unit.train.examples import random_sequences, sequences_of, table_of


class Clock:
    """Shows what it was last set to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    histories = [[f"i{(user + step) % 9}" for step in range(3 + user % 5)] for user in range(50)]
    pq.write_table(table_of(histories), tmp_path / "interactions.parquet")
    return tmp_path


def histories_of(sequences: Sequences) -> Histories:
    return Histories(sequences.items_N, sequences.offsets_U1[:-1], sequences.offsets_U1[1:])


def a_result(contestant: str, kind: str, points: list[tuple[float, float, float]], **changes: Any) -> dict[str, Any]:
    """Points are (CPU seconds, quality on validation, on test)."""
    found = [
        {"cpu_seconds": seconds, "validation": validation, "ndcg@10": test, "hr@10": 2 * test}
        for seconds, validation, test in points
    ]
    return {
        **{"fingerprint": "f", "contestant": contestant, "version": "1", "recipe": "as it comes", "cap_seconds": 600.0},
        **{"seed": 0, "kind": kind, "data": "toys", "interactions": 1000, "users": 10, "items": 20, "ended": CAP},
        **{"date": "2026-11-24", "machine": "a core", "peak_gb": 1.0, "points": found, **changes},
    }


SAMPLE = [
    a_result("this trainer", OURS, [(29.0, 0.05, 0.05)], cap_seconds=30.0),
    a_result("this trainer", OURS, [(58.0, 0.06, 0.06)], cap_seconds=60.0),
    a_result("this trainer", OURS, [(60.0, 0.06, 0.064)], cap_seconds=60.0, seed=1),
    a_result("slow", NEURAL, [(100.0, 0.01, 0.01), (300.0, 0.04, 0.055), (600.0, 0.05, 0.054)]),
    a_result("good", NEURAL, [(300.0, 0.07, 0.07)]),
    a_result("<most> popular", "floor", [(0.5, 0.01, 0.012)], ended=ENDED),
]


def test_a_point_is_taken_at_growing_intervals_and_the_last_model_always() -> None:
    sequences, clock = random_sequences(), Clock()
    points = Points(sequences, cap_seconds=1000.0, clock=clock)
    for second in range(1, 31):
        clock.seconds = second
        points.offer(Markov(sequences))
    points.close()
    assert [point["cpu_seconds"] for point in points.found] == [5, 8, 13, 21, 30]
    assert points.ended == ENDED


def test_a_point_has_the_quality_that_the_trainers_own_evaluation_finds() -> None:
    sequences = random_sequences()
    points = Points(sequences, cap_seconds=1000.0, clock=Clock())
    points.offer(Markov(sequences), judge=True)
    assert {name: points.found[0][name] for name in ("ndcg@10", "hr@10", "auc@10")} == evaluate(
        sequences, Markov(sequences)
    )


def test_judging_costs_a_trainer_nothing() -> None:
    sequences, clock = random_sequences(), Clock()
    points = Points(sequences, cap_seconds=1000.0, clock=clock)

    def expensive(histories: Histories) -> torch.Tensor:
        clock.seconds += 50
        return Markov(sequences)(histories)

    for _ in range(3):
        clock.seconds += 10
        points.offer(expensive, judge=True)
    assert [point["cpu_seconds"] for point in points.found] == [10, 20, 30]


def test_a_run_ends_at_the_cap_with_a_point_there() -> None:
    sequences, clock = random_sequences(), Clock()
    points = Points(sequences, cap_seconds=6.0, clock=clock)
    clock.seconds = 5.5
    points.offer(Markov(sequences))
    clock.seconds = 6.5
    with pytest.raises(Enough):
        points.offer(Markov(sequences))
    assert (points.ended, points.found[-1]["cpu_seconds"]) == (CAP, 6.5)


def test_a_run_ends_when_validation_was_best_long_ago_but_not_in_the_first_third() -> None:
    sequences, clock = random_sequences(), Clock()
    points = Points(sequences, cap_seconds=90.0, clock=clock)
    with contextlib.suppress(Enough):
        for second in range(1, 90):
            clock.seconds = second
            points.offer(Markov(sequences))
    assert (points.ended, clock.seconds) == (STALE, 30)


def test_a_scorer_that_is_not_finite_is_refused() -> None:
    sequences = random_sequences()
    points = Points(sequences, cap_seconds=9.0, clock=Clock())
    with pytest.raises(FloatingPointError, match="not finite"):
        points.offer(lambda histories: Markov(sequences)(histories) * torch.nan, judge=True)


@pytest.mark.parametrize("window", [3, 50])
def test_the_newest_items_stand_at_the_right_end_in_the_others_ids(window: int) -> None:
    sequences = random_sequences(users=30)
    theirs_V = np.random.default_rng(1).permutation(len(sequences.catalog)) + 1
    theirs_V[::5] = 0
    ids_BW, lengths_B = newest(histories_of(sequences), theirs_V, window=window)
    left_BW = to_the_left(ids_BW, lengths_B)
    for user, (first, last) in enumerate(zip(sequences.offsets_U1[:-1], sequences.offsets_U1[1:], strict=True)):
        known = [theirs_V[item] for item in sequences.items_N[first:last] if theirs_V[item]][-window:]
        padding = [0] * (window - len(known))
        assert ids_BW[user].tolist() == padding + known
        assert left_BW[user].tolist() == known + padding


def test_scores_in_anothers_ids_rank_as_our_own() -> None:
    sequences = random_sequences()
    theirs_V = np.random.default_rng(2).permutation(len(sequences.catalog)) + 1
    ours_P = torch.from_numpy(np.argsort(np.concatenate([[0], theirs_V])))[1:] - 1

    def another(histories: Histories) -> torch.Tensor:
        scores_BV = Markov(sequences)(histories)
        nothing_B1 = torch.full((len(scores_BV), 1), 1e6, dtype=scores_BV.dtype)
        return in_our_order(torch.cat([nothing_B1, scores_BV[:, ours_P]], dim=1), theirs_V)

    assert held_out_ranks(sequences, another).tolist() == held_out_ranks(sequences, Markov(sequences)).tolist()


def test_an_item_that_another_does_not_know_comes_last() -> None:
    scores_BV = in_our_order(torch.tensor([[9.0, 1.0, 2.0]]), np.array([2, 0, 1]))
    assert scores_BV.tolist() == [[2.0, NO_SCORE, 1.0]]


def test_others_learn_from_all_but_the_last_two_events_in_order() -> None:
    sequences = sequences_of([["a", "b", "c", "d"], ["b", "a"], ["c", "b", "a"]])
    user_N, item_N, place_N = learned(sequences)
    assert user_N.tolist() == [0, 0, 1, 1, 2]
    assert [sequences.catalog[item].as_py() for item in item_N] == ["a", "b", "b", "a", "c"]
    assert place_N.tolist() == [0, 1, 0, 1, 0]


def test_a_worker_judges_what_a_contestant_offers(folder: Path) -> None:
    sequences = read_folder(open_folder(str(folder)))
    found = run("closed_forms:markov", folder, seed=0, cap_seconds=10.0)
    (point,) = found["points"]
    assert point["ndcg@10"] == evaluate(sequences, Markov(sequences))["ndcg@10"]
    assert found["ended"] == ENDED


def test_ours_runs_by_its_own_rule_within_a_budget_of_cpu_time(folder: Path) -> None:
    ours = next(each for each in CONTESTANTS if each.kind == OURS)
    sequences = read_folder(open_folder(str(folder)))
    found = result(Run(ours, 2.0, 3), sequences, folder)
    assert results.key_of(found) == key(Run(ours, 2.0, 3), sequences)
    assert found["points"][0]["cpu_seconds"] <= 4.0
    assert found["settings"]["members"] >= 1
    assert found["course_of_validation"]


def test_a_run_that_fails_says_whose_it_was_and_why(tmp_path: Path) -> None:
    ours = next(each for each in CONTESTANTS if each.kind == OURS)
    with pytest.raises(RuntimeError, match=r"(?s)'this trainer' on .* ended with 1: .*interactions.parquet"):
        result(Run(ours, 1.0, 0), random_sequences(), tmp_path)


def quality(train: Any, sequences: Sequences, *, offers: int) -> float:
    """The best test ndcg@10 within so many offers."""
    clock = Clock()
    points = Points(sequences, cap_seconds=float(offers), clock=clock)

    def offer(scorer: Scorer) -> None:
        clock.seconds += 1
        points.offer(scorer)

    with contextlib.suppress(Enough):
        train(Task(Path(), sequences, 0, float(offers), offer))
    points.close()
    return max(point["ndcg@10"] for point in points.found)


def test_the_binary_loss_learns_what_comes_next() -> None:
    cycle = sequences_of([[f"i{(user + step) % 8}" for step in range(6)] for user in range(40)])
    assert quality(train_binary, cycle, offers=50) > 0.9


@pytest.mark.parametrize("train", [train_als, train_bpr])
def test_factors_learn_what_goes_together(train: Any) -> None:
    random = np.random.default_rng(0)
    shelves = [[f"{'ab'[user % 2]}{item:02d}" for item in random.permutation(20)[:12]] for user in range(60)]
    together = sequences_of(shelves)
    assert quality(train, together, offers=30) > 1.2 * evaluate(together, Popularity(together))["ndcg@10"]


def test_what_the_file_has_is_not_run_again_and_a_new_version_or_recipe_is(tmp_path: Path) -> None:
    sequences, file = random_sequences(), tmp_path / "results.jsonl"
    (rival,) = named(["implicit ALS"])
    wanted = Run(rival, 600.0, 0)
    assert missing([wanted], sequences, file) == [wanted]
    results.append(file, a_result("x", NEURAL, [(1.0, 0.1, 0.1)]) | key(wanted, sequences)._asdict())
    assert missing([wanted], sequences, file) == []
    for changed in (
        wanted._replace(contestant=rival._replace(recipe="another")),
        wanted._replace(cap_seconds=601.0),
        wanted._replace(seed=1),
        wanted._replace(contestant=rival._replace(package="scipy")),
    ):
        assert missing([changed], sequences, file) == [changed]
    other = random_sequences(seed=5)
    assert missing([wanted], Sequences(**{**vars(other), "fingerprint": "another"}), file) == [wanted]


def test_a_line_that_was_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results.append(file, SAMPLE[0])
    with file.open("a") as stream:
        stream.write('{"fingerprint": "f", "conte')
    with pytest.raises(ValueError, match=r"results.jsonl:2: .*conte.* is not a result .* Remove the line"):
        results.read(file)


def test_of_two_versions_the_page_shows_the_newest() -> None:
    old, new = SAMPLE[4], SAMPLE[4] | {"version": "2", "cap_seconds": 300.0}
    assert results.newest([old, *SAMPLE[:2], new]) == [*SAMPLE[:2], new]


def test_ours_runs_with_every_budget_and_seed_and_the_others_once() -> None:
    runs = planned(named([]), budgets=[1, 4], cap_seconds=600.0, seeds=[3, 4])
    ours = [(run.cap_seconds, run.seed) for run in runs if run.contestant.kind == OURS]
    assert ours == [(60, 3), (240, 3), (60, 4), (240, 4)]
    assert [run.seed for run in runs if run.contestant.kind != OURS] == [3] * (len(CONTESTANTS) - 1)
    assert {run.contestant.kind for run in runs[-4:]} == {NEURAL}


def test_a_peer_runs_in_its_environment_with_one_thread() -> None:
    run = Run(next(each for each in CONTESTANTS if each.apart), 600.0, 0)
    assert Path(command(run, Path("data"), Path("out"))[0]).parts[-3:] == (".peers", "bin", "python")
    assert environment(run)["OMP_NUM_THREADS"] == "1"
    assert "MALLOC_MMAP_MAX_" in environment(run)
    assert "MALLOC_MMAP_MAX_" not in environment(run._replace(contestant=CONTESTANTS[0]))


def test_a_missing_environment_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.bench.train.__main__.PEERS_PYTHON", tmp_path / "python")
    need_their_environment(named(["EASE"]))
    with pytest.raises(LookupError, match="make bench-train"):
        need_their_environment(named(["RecBole SASRec"]))


def test_a_folder_without_events_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"
    flags = ["--only", "EASE", "--data", str(tmp_path), "--results", str(file), "--page", str(tmp_path)]
    assert main(flags) == 2
    assert f"--data = {str(tmp_path)!r}: there is no interactions.parquet in it" in capsys.readouterr().err
    assert not file.exists()


def test_a_second_command_runs_nothing_and_writes_the_page(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    file, sequences = tmp_path / "results.jsonl", read_folder(open_folder(str(folder)))
    (popular,) = named(["most popular"])
    results.append(file, SAMPLE[5] | key(Run(popular, 9.0, 0), sequences)._asdict())
    given = {"only": "most popular", "data": folder, "cap-seconds": 9, "results": file, "page": tmp_path}
    assert main([text for name, value in given.items() for text in (f"--{name}", str(value))]) == 0
    assert len(results.read(file)) == 1
    assert "| most popular |" in (tmp_path / "peers.md").read_text()
    assert capsys.readouterr().out == ""


def test_an_unknown_contestant_is_refused() -> None:
    with pytest.raises(LookupError, match=r"\['LightFM'\]: there is no such contestant. Name some of 'this trainer'"):
        named(["EASE", "LightFM"])


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda each: each.name)
def test_every_contestant_has_its_function_and_its_version(contestant: Contestant) -> None:
    module, function = contestant.trainer.split(":")
    source = ast.parse((ROOT / "tests" / "bench" / "train" / f"{module}.py").read_text())
    assert function in [node.name for node in source.body if isinstance(node, ast.FunctionDef)]
    assert version(contestant)


def test_a_package_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("pm-implicit==1.0\n")
    with pytest.raises(LookupError, match="'implicit' is not pinned"):
        pinned(tmp_path / "lock.txt", "implicit")


def test_a_rival_counts_with_the_point_that_validation_chose_and_ours_with_the_mean_of_seeds() -> None:
    found = {row.name: row for row in rows(SAMPLE)}
    slow = found["slow"]
    assert (slow.quality, slow.seconds) == (0.054, 300.0)
    assert slow.reached == 59.0
    assert found["good"].reached is None
    minute = found["**this trainer**, 1 min"]
    assert minute.quality == pytest.approx(0.062)
    assert minute.spread == (2, pytest.approx(0.004 / 2**0.5))
    assert [row.name for row in rows(SAMPLE)][2:] == ["good", "slow", "<most> popular"]


def test_the_verdict_names_the_best_network_and_the_best_floor() -> None:
    assert verdict(rows(SAMPLE)) == (
        "The best neural peer is good: 0.0700 after 300 CPU-s. This trainer does not get there. "
        "Its best, 0.0620, is above the best model without a network, <most> popular with 0.0120."
    )
    without = [each for each in SAMPLE if each["contestant"] != "good"]
    assert "slow: 0.0540 after 300 CPU-s. This trainer has more after 59 CPU-s, 5.1 times fewer." in verdict(
        rows(without)
    )


def test_the_page_has_a_line_for_each_run_and_a_section_for_each_data_set() -> None:
    text = document(
        [*SAMPLE, a_result("slow", NEURAL, [(9.0, 0.1, 0.1)], data="games", fingerprint="g")], picture="peers.svg"
    )
    assert "## toys: 1,000 interactions, 10 users, 20 items" in text
    assert "## games: " in text
    assert "| slow | 0.0540 | 0.1080 | 300 | 59 s | 5.1 | the cap, 600 s | 1.0 | 1 |" in text
    assert "| **this trainer**, 1 min | 0.0620 ± 0.0028 (2 seeds) |" in text
    assert "* **slow**: as it comes." in text
    assert "(peers.svg)" in text


def test_the_picture_names_everyone_and_time_goes_to_the_right() -> None:
    drawn = ElementTree.fromstring(chart(SAMPLE))  # noqa: S314
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"this trainer 0.0620", "slow 0.0540", "good 0.0700", "<most> popular 0.0120"} <= set(texts)
    paths = [each.get("points", "").split() for each in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(path) for path in paths] == [2, 3, 1, 2]
    across = [[float(place.split(",")[0]) for place in path] for path in paths]
    assert all(places == sorted(places) for places in across)


def test_the_page_is_written_from_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in SAMPLE))
    write(file, tmp_path)
    assert "## toys" in (tmp_path / "peers.md").read_text()
    assert (tmp_path / "peers.svg").read_text().startswith("<svg")


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    found = results.read(results.RESULTS)
    assert found
    assert (ROOT / "docs" / "peers.md").read_text() == document(found, picture="peers.svg")
    assert (ROOT / "docs" / "peers.svg").read_text() == chart(found)
