"""`python -m train.main`: writes a model that is only a number."""

import argparse
import os
import sys
import time

from train.files import now, read, write


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-minutes", type=float, required=True)
    parser.add_argument("--score", type=float, default=0.1)
    parser.add_argument("--fail", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    started = now()
    if arguments.fail:
        sys.exit("the stand-in was told to fail")
    time.sleep(arguments.seconds)
    snapshot = read(f"{os.environ['STAGING_PREFIX']}/snapshot.json")
    run_id = os.environ["RUN_ID"]
    scored = {"ndcg@10": arguments.score, "hr@10": arguments.score * 2, "auc@10": 0.5}
    folder = f"{os.environ['MODEL_DIR']}/{run_id}"
    summary = {
        "run_id": run_id,
        "git_sha": os.environ.get("GIT_SHA", "unknown"),
        "started": started,
        "first_step": now(),
        "seconds": 0.5,
        "steps": 3,
        "stopped_by": "max_epochs",
        "data_fingerprint": snapshot["fingerprint"],
        "users": snapshot["users"],
        "items": snapshot["items"],
        "interactions": snapshot["interactions"],
        "curve": [{"step": 1, "seconds": 0.2, "train_loss": 3.0, "metrics": scored}],
        "metrics": scored,
    }
    write(f"{folder}/training.json", summary)


if __name__ == "__main__":
    main()
