"""The names that the trainer repeats are the ones that the rest of the platform uses."""

import numpy as np
from train import artifacts, baselines, card, data, environment, item_features, judge, log, metrics, serve, shards

from contracts import job_environment, log_fields, run_artifacts, table_schemas


def test_the_environments_names_are_the_contracts() -> None:
    assert environment.REQUIRED == job_environment.REQUIRED
    assert environment.OPTIONAL == job_environment.OPTIONAL


def test_the_log_fields_are_the_contracts() -> None:
    assert log.LOG_FIELDS == log_fields.LOG_FIELDS


def test_the_files_metrics_and_baselines_are_the_contracts() -> None:
    assert artifacts.TRAINING_FILE == run_artifacts.TRAINING_FILE
    assert artifacts.EVALUATION_FILE == run_artifacts.EVALUATION_FILE
    assert (card.CARD_FILE, card.CARD_PAGE) == (run_artifacts.CARD_FILE, run_artifacts.CARD_PAGE)
    assert f"{serve.BUNDLE_FOLDER}/{serve.MANIFEST_FILE}" == run_artifacts.BUNDLE_MANIFEST
    assert serve.__file__.endswith(f"/{run_artifacts.BUNDLE_PROGRAM}")
    assert metrics.PRIMARY == run_artifacts.PRIMARY_METRIC
    assert set(run_artifacts.SHOWN_METRICS) == set(metrics.metrics_of(np.zeros(1), catalog_size=9))
    assert judge.CHAMPION == run_artifacts.CHAMPION
    assert (baselines.MOST_POPULAR, baselines.MARKOV) == (run_artifacts.MOST_POPULAR, run_artifacts.MARKOV)


def test_the_data_files_and_columns_are_the_contracts() -> None:
    assert shards.INTERACTIONS_FILE == table_schemas.INTERACTIONS_FILE
    assert item_features.ITEMS_FILE == table_schemas.ITEMS_FILE
    assert data.INTERACTION_COLUMNS == table_schemas.INTERACTION_COLUMNS
