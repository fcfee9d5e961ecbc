"""`python -m train.evaluate`: the numbers that training noted, against fixed baselines."""

import argparse

from train.files import read, write


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-uri", required=True)
    parser.add_argument("--data-uri", required=True)
    parser.add_argument("--champion-uri", default="")
    arguments = parser.parse_args()
    training = read(f"{arguments.model_uri}/training.json")
    champion = None
    if arguments.champion_uri:
        metrics = read(f"{arguments.champion_uri}/training.json")["metrics"]
        champion = {"uri": arguments.champion_uri, "metrics": metrics}
    evaluation = {
        "run_id": training["run_id"],
        "model": {"uri": arguments.model_uri, "metrics": training["metrics"]},
        "champion": champion,
        "baselines": {
            "most_popular": {"ndcg@10": 0.05, "hr@10": 0.1, "auc@10": 0.4},
            "markov": {"ndcg@10": 0.15, "hr@10": 0.3, "auc@10": 0.6},
        },
        "users": training["users"],
        "items": training["items"],
        "k": 10,
        "protocol": "leave-one-out, full ranking",
        "data_fingerprint": training["data_fingerprint"],
    }
    write(f"{arguments.model_uri}/evaluation.json", evaluation)


if __name__ == "__main__":
    main()
