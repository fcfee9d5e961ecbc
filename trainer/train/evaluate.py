"""Judge a trained model on held-out items: `python -m train.evaluate --model-uri URI --data-uri URI`.

Owns: the command and the report that the gate reads: the model, the champion where there is one, and the baselines on
the same users and the same catalog. Does not own: measuring (judge.py), or who wins. Writes evaluation.json and
the model card beside the model.
"""

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from train import environment as job_environment
from train.artifacts import EVALUATION_FILE, TRAINING_FILE, NoModel, read_json, read_model, write_json
from train.baselines import baselines
from train.card import CARD_FILE, CARD_PAGE, card
from train.card_page import page
from train.champion import TranslatedModel
from train.data import Sequences, read_folder
from train.intervals import interval_of
from train.judge import MOST_USERS, Judge, best_of
from train.log import Log
from train.metrics import KS, PRIMARY, K, metrics_of
from train.model import NextItemModel
from train.presets import MOST_THREADS
from train.problems import EXIT_REFUSED, Problem, Refused, refuse_if
from train.ranking import PROTOCOL, Scorer, drawn_users, held_out_ranks
from train.ranks import ALONE, Ranks
from train.storage import join, open_folder

REFUSAL_FILE = "refusal-evaluate.json"
_LONGEST = 1000


def evaluate(sequences: Sequences, scorer: Scorer, *, ranks: Ranks = ALONE) -> dict[str, float]:
    """Test metrics of one scorer over every user who can be evaluated."""
    (ranks_U,) = ranks.divided(
        sequences.evaluated, lambda users: held_out_ranks(sequences, scorer, users=users)[np.newaxis]
    )
    return metrics_of(ranks_U, catalog_size=len(sequences.catalog))


def report(
    *, model_uri: str, data_uri: str, champion_uri: str = "", ks: Sequence[int] = KS, most_users: int = MOST_USERS
) -> dict[str, Any]:
    """The EvaluationReport of a model on the data, as plain values."""
    folder = open_folder(model_uri)
    model, catalog = read_model(folder)
    training = read_json(folder, TRAINING_FILE) or {}
    sequences = read_folder(open_folder(data_uri))
    refuse_if("data", _nothing_to_evaluate(sequences, data_uri))
    judge = Judge(sequences, users=drawn_users(sequences.evaluated, most_users), ks=ks)
    judged = judge.rank(_scorer(model, catalog, sequences))
    old, champion_scorer, lost = _champion(champion_uri, sequences)
    champion = judge.rank(champion_scorer) if champion_scorer else None
    known = baselines(sequences)
    ranked = {name: judge.rank(scorer) for name, scorer in known.items()}
    return {
        "run_id": training.get("run_id", ""),
        "model": {"uri": model_uri, **judge.scored(judged)},
        "champion": {**old, **judge.scored(champion)} if champion else None,
        "champion_lost": lost,
        "baselines": {name: judge.metrics(each) for name, each in ranked.items()},
        "baseline_intervals": {name: list(interval_of(each.values[PRIMARY])) for name, each in ranked.items()},
        "baselines_left_out": known.left_out,
        "best_baseline": best_of(ranked),
        "comparisons": judge.comparisons(judged, champion, ranked),
        "slices": judge.slices(judged, {"champion": champion, **ranked}),
        "shown": judge.shown({"this model": judged, **({"champion": champion} if champion else {}), **ranked}),
        "seconds": {"model": judged.seconds, **{name: each.seconds for name, each in ranked.items()}},
        "users": len(judge.users),
        "users_evaluable": len(sequences.evaluated),
        "items": len(sequences.catalog),
        "k": K,
        "ks": list(ks),
        "protocol": PROTOCOL,
        "data_fingerprint": sequences.fingerprint,
    }


def _champion(uri: str, sequences: Sequences) -> tuple[dict[str, Any], Scorer | None, str]:
    """What is told of the champion, its scores, and why they cannot be had. One whose files are gone counts as none:
    else no later run could ever replace it.
    """
    if not uri:
        return {}, None, ""
    try:
        old, old_catalog = read_model(open_folder(uri))
    except NoModel as lost:
        (problem,) = lost.problems
        return {}, None, f"{uri}: {problem.key if problem.key != '--model-uri' else 'the folder'} {problem.rule}"
    translated = TranslatedModel(old, old_catalog, sequences)
    return {"uri": uri, "unknown_items": translated.unknown_items}, translated, ""


def _scorer(model: NextItemModel, catalog: pa.StringArray, sequences: Sequences) -> Scorer:
    if catalog.equals(sequences.catalog):
        return model.scores
    return TranslatedModel(model, catalog, sequences)


def _nothing_to_evaluate(sequences: Sequences, uri: str) -> list[Problem]:
    if len(sequences.evaluated):
        return []
    rule = "no user has three events, so nothing can be held out"
    return [Problem("--data-uri", uri, rule, "Evaluate on a longer history")]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate", description="Judge a trained model on held-out items."
    )
    parser.add_argument("--model-uri", required=True, help="folder of the model, MODEL_DIR/RUN_ID")
    parser.add_argument("--data-uri", required=True, help="folder with interactions.parquet")
    parser.add_argument("--champion-uri", default="", help="folder of the model to compare with; empty: there is none")
    parser.add_argument("--output-file", type=Path, help="also write the report to this file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--k", type=int, nargs="+", default=list(KS), help=f"lengths of the list, {K} among them (default: %(default)s)"
    )
    parser.add_argument(
        "--most-users", type=int, default=MOST_USERS, help="evaluate a drawn sample above it (default: %(default)s)"
    )
    parser.add_argument("--negatives", type=int, help="refused: every item of the catalog is ranked, never a sample")
    asked = parser.parse_args(argv)
    _, request_id, experiment = job_environment.identity()
    run_id = asked.model_uri.rstrip("/").rsplit("/", 1)[-1]
    log = Log(run_id=run_id, request_id=request_id, experiment=experiment)
    try:
        refuse_if("flags", _flag_problems(asked))
        torch.set_num_threads(asked.threads)
        found = report(
            model_uri=asked.model_uri,
            data_uri=asked.data_uri,
            champion_uri=asked.champion_uri,
            ks=sorted(set(asked.k)),
            most_users=asked.most_users,
        )
        write_json(open_folder(asked.model_uri), EVALUATION_FILE, found)
        _write_card(asked.model_uri, found, log)
    except Refused as refused:
        for problem in refused.problems:
            log.failure(str(problem), refused=refused.subject)
        _tell_the_pipeline(asked.model_uri, refused, log)
        return EXIT_REFUSED
    except Exception as error:
        log.failure(f"evaluation failed: {type(error).__name__}: {error}", stack_trace=traceback.format_exc())
        return 1
    if asked.output_file:
        asked.output_file.write_text(json.dumps(found, indent=1) + "\n")
    if found["champion_lost"]:
        log.warning(f"the champion cannot be read, as if there were none: {found['champion_lost']}")
    for name, scored in (("champion_", found["champion"]), ("", found["model"])):
        for metric, value in (scored or {"metrics": {}})["metrics"].items():
            log.metric(name + metric, value, step=0)
    return 0


def _write_card(model_uri: str, found: dict[str, Any], log: Log) -> None:
    """card.json and card.html beside the model; the verdict is logged. The report is worth more than they are."""
    try:
        folder = open_folder(model_uri)
        made = card(found, read_json(folder, TRAINING_FILE) or {})
        write_json(folder, CARD_FILE, made)
        folder.write(CARD_PAGE, page(made).encode())
        log.info(made["words"][0], card=join(model_uri, CARD_PAGE))
    except Exception as error:
        log.warning(f"the model has no card ({type(error).__name__}: {error})")


def _tell_the_pipeline(model_uri: str, refused: Refused, log: Log) -> None:
    """Leaves the reason beside the model, where whoever follows the run finds it."""
    try:
        write_json(open_folder(model_uri), REFUSAL_FILE, {"step": "evaluate", "text": str(refused)})
    except Exception as error:
        log.warning(f"the reason was not left in {model_uri}: {error}")


def _flag_problems(asked: argparse.Namespace) -> list[Problem]:
    problems = [*_sampling_problems(asked)]
    if not 1 <= asked.threads <= MOST_THREADS:
        problems.append(Problem("--threads", asked.threads, f"must be between 1 and {MOST_THREADS}", "Leave it out"))
    if asked.output_file:
        try:
            asked.output_file.parent.mkdir(parents=True, exist_ok=True)
            with asked.output_file.open("a"):
                pass
        except OSError as error:
            rule = f"cannot be written ({error.strerror})"
            problems.append(Problem("--output-file", str(asked.output_file), rule, "Name a file in a writable folder"))
    return problems


def _sampling_problems(asked: argparse.Namespace) -> list[Problem]:
    problems = []
    if asked.negatives is not None:
        rule = (
            "metrics over a sample of negatives are not computed: they are several times higher than over the whole "
            "catalog, cannot be compared between samples, and may order two models the wrong way round (Krichene and "
            "Rendle, KDD 2020)"
        )
        fix = "Leave it out: every item is ranked, and --most-users makes that cheaper without any bias"
        problems.append(Problem("--negatives", asked.negatives, rule, fix))
    if wrong := [k for k in asked.k if not 1 <= k <= _LONGEST]:
        problems.append(Problem("--k", wrong, f"must be between 1 and {_LONGEST}", "Leave it out"))
    if K not in asked.k:
        problems.append(Problem("--k", asked.k, f"must hold {K}, by which models are compared", f"Add {K}"))
    if asked.most_users < 1:
        problems.append(Problem("--most-users", asked.most_users, "must be at least 1", "Leave it out"))
    return problems


if __name__ == "__main__":
    sys.exit(main())
