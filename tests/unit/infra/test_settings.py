"""Each rule refuses its value, with the key, the value and a fix, before anything is declared."""

import json
from typing import Any

import pulumi
import pytest

from infra import settings
from infra.settings import RefusedSettings, Settings
from tests.unit.infra.deploy import ROOT_FOLDER, deploy

TRAINING, STEPS = "recsys-training:trainingPool", "recsys-training:stepsPool"
SCHEDULE, RETENTION = "recsys-training:schedules", "recsys-training:retention"
REGISTRY = "recsys-training:registry"
ENCRYPTION = "recsys-training:encryption"
OPERATIONS = "recsys-training:operations"
JOB, FEDERATION = "recsys-training:training", "recsys-training:federation"


def load(stack: str = "dev", *, environment: dict[str, str] | None = None, **changes: Any) -> Settings:
    loaded: list[Settings] = []
    deploy(lambda: loaded.append(settings.load()), stack=stack, config=changes, environment=environment)
    return loaded[0]


def refusal(stack: str = "dev", **changes: Any) -> str:
    with pytest.raises(RefusedSettings) as refused:
        load(stack, **changes)
    return str(refused.value)


REFUSED = [
    ("gcp:project", "acme-recsys-prod", "'acme-recsys-prod': is the project of Pulumi.prod.yaml too"),
    # key, value, what the message says of it
    ("gcp:project", "Acme", "'Acme': is no project name (6-30"),
    ("gcp:project", "my-google-project", "'my-google-project-artifacts'"),
    ("gcp:region", "us-central9", "'us-central9': is no region of Vertex AI"),
    ("recsys-training:environment", "Dev Box", "'Dev Box': is no label name"),
    ("recsys-training:stateBackend", "acme-state", "'acme-state': must begin with one of gs://"),
    (
        "recsys-training:stateBackend",
        "file:///tmp/state",
        "'file:///tmp/state': keeps the state of real resources on one",
    ),
    ("recsys-training:stateBackend", "gs://", "'gs://': names no place behind gs://"),
    ("recsys-training:stateBackend", "gs:///folder", "'gs:///folder': names no place behind gs://"),
    ("recsys-training:stateBackend", "gs://Acme", "'gs://Acme': names the bucket 'Acme', which is no bucket name"),
    ("recsys-training:stateBackend", "https:// x", "'https:// x': names no place behind https://"),
    ("recsys-training:imagesLock", "no\0such", "'no\\x00such': must name a readable file (embedded null byte)"),
    ("recsys-training:imagesLock", "no/such.json", "'no/such.json': must name a readable file (No such file"),
    ("recsys-training:protect", "perhaps", "'perhaps': must be true or false"),
    ("recsys-training:submitters", "ann@acme.example", "'ann@acme.example': must be a list"),
    ("recsys-training:submitters", ["ann@acme.example"], "submitters[0] = 'ann@acme.example': is no IAM member"),
    ("recsys-training:submitters", ["allUsers"], "'allUsers': would let everybody"),
    (
        "recsys-training:submitters",
        ["user:a@b.example", "user:a@b.example"],
        "submitters[1] = 'user:a@b.example': is listed",
    ),
    (
        "recsys-training:submitters",
        ["user:Ann@acme.example", "user:ann@acme.example"],
        "submitters[1] = 'user:ann@acme.example': is listed twice: IAM takes it for 'user:Ann@acme.example'",
    ),
    (
        "recsys-training:submitters",
        ["serviceAccount:recsys-pipeline@acme-recsys-dev.iam.gserviceaccount.com"],
        "is one of the platform's own accounts",
    ),
    ("recsys-training:submitters", [5], "submitters[0] = 5: must be text"),
    ("recsys-training:protect", "1", "protect = 1: must be true or false"),
    (TRAINING, {"maxReplicas": 10**6}, "(1, 1, 1000000): a pool has at most 1000 replicas"),
    (TRAINING, {"machine_type": "g2-standard-8"}, "Rename it to 'recsys-training:trainingPool.machineType'"),
    (TRAINING, {"replicas": "1"}, "trainingPool.replicas = '1': must be a whole number, without quotes"),
    (SCHEDULE, {"maxConcurrentRuns": True}, "schedules[0].maxConcurrentRuns = True: must be a whole number"),
    (SCHEDULE, {"paused": 0}, "schedules[0].paused = 0: must be true or false"),
    (SCHEDULE, {"timeZone": "localtime"}, "schedules[0].timeZone = 'localtime': is no time zone"),
    (SCHEDULE, {"cron": "0 3 31 2 *"}, "schedules[0].cron = '0 3 31 2 *': never comes"),
    (RETENTION, {"stagingDays": 10**12}, "retention.stagingDays = 1000000000000: a bucket's rule has at most"),
    (JOB, {"maxMinutes": 1e-9}, "training.maxMinutes = 1e-09: must be at least a second"),
    (JOB, {"maxMinutes": float("nan")}, "training.maxMinutes = nan: must be at least a second"),
    (TRAINING, "n1-standard-4", "'n1-standard-4': must be a mapping"),
    (TRAINING, {"persistentResourceId": "Warm_Pool"}, "'Warm_Pool-blue': is no persistent resource name"),
    (TRAINING, {"generation": "x" * 60}, f"'recsys-train-{'x' * 60}': is no persistent resource name"),
    (TRAINING, {"machineType": "g2-standard-6"}, "'g2-standard-6': is no machine type"),
    (TRAINING, {"acceleratorType": "NVIDIA_NOPE"}, "'1 x NVIDIA_NOPE': g2-standard-8 takes 1 x NVIDIA_L4"),
    (TRAINING, {"acceleratorCount": 2}, "'2 x NVIDIA_L4': g2-standard-8 takes 1 x NVIDIA_L4"),
    (TRAINING, {"acceleratorCount": "many"}, "trainingPool.acceleratorCount = 'many': must be a whole number"),
    (TRAINING, {"bootDiskType": "pd-standard"}, "'pd-standard': the boot disk of g2-standard-8 is pd-ssd"),
    (TRAINING, {"bootDiskSizeGb": 1}, "trainingPool.bootDiskSizeGb = 1: a boot disk has 100 to 64000 GB"),
    (TRAINING, {"bootDiskSizeGb": 64_001}, "trainingPool.bootDiskSizeGb = 64001"),
    (TRAINING, {"replicas": 0}, "(0, 1, 1): 0 < minReplicas <= replicas <= maxReplicas"),
    (TRAINING, {"minReplicas": 0}, "(1, 0, 1): 0 < minReplicas"),
    (TRAINING, {"replicas": 5}, "(5, 1, 1): 0 < minReplicas"),
    (TRAINING, {"minReplicas": 3, "maxReplicas": 2}, "(1, 3, 2): 0 < minReplicas"),
    (STEPS, {"persistentResourceId": "recsys-train"}, "'recsys-train-blue': is the training pool's name too"),
    (TRAINING, {"retiringGeneration": "blue"}, "trainingPool.retiringGeneration = 'blue': is the current generation"),
    (STEPS, {"retiringGeneration": "blue"}, "stepsPool.retiringGeneration = 'blue': is the current generation"),
    (STEPS, {"retiringGeneration": "Old"}, "'Old': names the persistent resource 'recsys-steps-Old', which is no"),
    (SCHEDULE, {"cron": "every day"}, "schedules[0].cron = 'every day': has 2 fields"),
    (SCHEDULE, {"cron": "0 25 * * *"}, "'0 25 * * *': '25' is no hour"),
    (SCHEDULE, {"timeZone": "Paris"}, "schedules[0].timeZone = 'Paris': is no time zone"),
    (SCHEDULE, {"maxConcurrentRuns": 0}, "schedules[0].maxConcurrentRuns = 0: a schedule runs at least one"),
    (SCHEDULE, {"maxConcurrentRuns": 2}, "maxConcurrentRuns = 2: recsys-training:trainingPool has at most 1 replica"),
    (SCHEDULE, {"maxConcurrentRuns": 2}, "maxConcurrentRuns = 2: recsys-training:stepsPool has at most 1 replica"),
    (RETENTION, {"stagingDays": 0}, "retention.stagingDays = 0: must be at least one day"),
    (RETENTION, {"checkpointsDays": -1}, "retention.checkpointsDays = -1: must be"),
    (RETENTION, {"logsDays": 10_001}, "retention.logsDays = 10001: a table has at most 10000 partitions"),
    (RETENTION, {"driftDays": 417}, "retention.driftDays = 417: a table has at most 10000 partitions, here 416 days"),
    (FEDERATION, {"githubRepository": "acme"}, "githubRepository = 'acme': is no GitHub repository name (owner/name"),
    (FEDERATION, {"githubRepository": "a/b' || true"}, 'githubRepository = "a/b\' || true": is no GitHub repository'),
    (FEDERATION, {"branch": "main' || '"}, "federation.branch = \"main' || '\": is no branch name"),
    (OPERATIONS, {"emails": ["ann"]}, "operations.emails[0] = 'ann': is no e-mail address"),
    (OPERATIONS, {"emails": ["a@b.example", "a@b.example"]}, "operations.emails[1] = 'a@b.example': is listed twice"),
    (OPERATIONS, {"noSuccessHours": 26}, "operations.noSuccessHours = 26: an alert looks back 1 to 25 hours"),
    (OPERATIONS, {"idlePoolHours": -1}, "operations.idlePoolHours = -1: an alert looks back"),
    (OPERATIONS, {"billingAccount": "my-account"}, "billingAccount = 'my-account': is no billing account name (three"),
    (OPERATIONS, {"monthlyBudget": 0}, "operations.monthlyBudget = 0: must be at least 1"),
    (OPERATIONS, {"monthlyBudget": 10**10}, "operations.monthlyBudget = 10000000000: must be at most 1000000000"),
    (RETENTION, {"softDeleteDays": 5}, "retention.softDeleteDays = 5: a bucket keeps what is deleted 7 to 90 days"),
    (RETENTION, {"softDeleteDays": -1}, "retention.softDeleteDays = -1: a bucket keeps"),
    (RETENTION, {"versionsDays": 0}, "retention.versionsDays = 0: must be at least one day"),
    (REGISTRY, {"keptVersions": 0}, "registry.keptVersions = 0: must be 1 to 10000"),
    (REGISTRY, {"untaggedDays": 10_001}, "registry.untaggedDays = 10001: must be 1 to 10000"),
    (ENCRYPTION, {"rotationDays": 0}, "encryption.rotationDays = 0: a key is turned over after 1 to 36500 days"),
    (JOB, {"experiment": "Recsys Dev"}, "training.experiment = 'Recsys Dev': is no experiment name"),
    (JOB, {"modelName": "2nd"}, "training.modelName = '2nd': is no model name"),
    (JOB, {"maxMinutes": 0}, "training.maxMinutes = 0.0: must be at least a second"),
    (JOB, {"maxMinutes": 20_000}, "training.maxMinutes = 20000.0: must be at least a second and at most 10080"),
    (
        "gcp:defaultLabels",
        {"team": "recsys"},
        'gcp:defaultLabels = \'{"team": "recsys"}\': changes the labels of every',
    ),
    ("gcp:addPulumiAttributionLabel", "false", "gcp:addPulumiAttributionLabel = 'false': changes the labels of every"),
    (
        "gcp:storageCustomEndpoint",
        "http://x/",
        "gcp:storageCustomEndpoint = 'http://x/': endpoints come from the environment",
    ),
    ("recsys-training:poolLabels", {"team": "x"}, 'poolLabels = \'{"team": "x"}\': is no key of this program'),
    ("recsys-training:protection", "true", "Rename it to 'recsys-training:protect'"),
    (TRAINING, {"labels": {"team": "x"}}, "trainingPool.labels = {'team': 'x'}: is no key of this program"),
    (TRAINING, {"machinType": "n1-standard-4"}, "Rename it to 'recsys-training:trainingPool.machineType'"),
    (TRAINING, {"machineType": None}, "trainingPool.machineType = None: is missing"),
    ("recsys-training:environment", None, "environment = None: is missing. Add it to Pulumi.dev.yaml"),
]


@pytest.mark.parametrize(("key", "value", "words"), REFUSED, ids=lambda item: str(item)[:60])
def test_a_value_that_breaks_a_rule_is_refused_with_its_key_and_value(key: str, value: Any, words: str) -> None:
    message = refusal(**{key: value})

    assert words in message
    assert key in message


def test_all_problems_are_shown_at_once() -> None:
    message = refusal(
        **{
            "gcp:region": "us-central9",
            TRAINING: {"machineType": "g2-standard-6", "replicas": 0},
            STEPS: {"typo": 1},
            SCHEDULE: {"cron": "every day"},
            "recsys-training:environment": None,
        }
    )

    assert message.startswith("Pulumi.dev.yaml refused:")
    for words in ("us-central9", "g2-standard-6", "(0, 1, 1)", "stepsPool.typo", "every day", "environment = None"):
        assert words in message
    assert message.count("\n  - ") == 6


@pytest.mark.parametrize(
    ("training", "steps", "words"),
    [
        ({}, {"retiringGeneration": "old"}, ["'recsys-train-blue': is the training pool's name too"]),
        ({"retiringGeneration": "old"}, {"generation": "old"}, ["'recsys-train-old': is the retiring training pool's"]),
        ({}, {"generation": "new", "retiringGeneration": "blue"}, ["'recsys-train-blue': is the training pool's name"]),
        (
            {"retiringGeneration": "old"},
            {"retiringGeneration": "old"},
            ["'recsys-train-blue': is the training pool's", "'recsys-train-old': is the retiring training pool's"],
        ),
    ],
)
def test_no_pool_has_the_name_of_another_whether_retiring_or_not(
    training: dict[str, str], steps: dict[str, str], words: list[str]
) -> None:
    message = refusal(**{TRAINING: training, STEPS: {"persistentResourceId": "recsys-train", **steps}})

    assert [word for word in words if word not in message] == []
    assert message.count("\n  - ") == len(words)


def test_a_retiring_generation_that_is_the_current_one_is_one_problem() -> None:
    assert refusal(**{TRAINING: {"retiringGeneration": "blue"}}).count("\n  - ") == 1


def test_a_machine_is_refused_where_its_region_has_none() -> None:
    assert "'g2-standard-8': is not offered in me-west1" in refusal(**{"gcp:region": "me-west1"})


def test_a_refusal_comes_before_the_first_resource_and_is_what_engines_print_without_a_traceback() -> None:
    with pytest.raises(pulumi.RunError) as refused:
        deploy(config={"gcp:region": "nowhere1"})

    assert isinstance(refused.value, RefusedSettings)
    assert [problem.value for problem in refused.value.problems] == ["nowhere1"]


def test_the_state_may_lie_on_one_machine_only_for_the_local_environment(image_lock: str) -> None:
    assert load("local", **{"recsys-training:imagesLock": image_lock}).state_backend == "file://.local/state"


def test_a_pool_of_fixed_size_has_no_autoscaling_and_a_range_has() -> None:
    fixed = load().training_pool.spec()
    scaling = load(**{TRAINING: {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}}).training_pool.spec()

    assert (fixed.autoscaling, fixed.max_replica_count) == (None, 1)
    assert scaling.autoscaling is not None
    assert (scaling.replica_count, scaling.autoscaling.min_replica_count, scaling.max_replica_count) == (2, 1, 4)


def test_the_lock_file_names_both_images_by_digest(image_lock: str) -> None:
    source = load(**{"recsys-training:imagesLock": image_lock}).image_source

    assert source.model_dump().keys() == {"trainer", "steps"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "must hold the images as JSON (trainer: Field required; steps: Field required)"),
        ("not json", "must hold the images as JSON"),
        (
            json.dumps({"trainer": "h/p/r/n:latest", "steps": f"h/p/r/n@sha256:{'0' * 64}"}),
            "'h/p/r/n:latest': must be host",
        ),
    ],
)
def test_a_lock_file_that_names_no_digests_is_refused_with_the_command_that_writes_it(
    tmp_path: Any, content: str, words: str
) -> None:
    lock = tmp_path / "images.json"
    lock.write_text(content)

    message = refusal(**{"recsys-training:imagesLock": str(lock)})

    assert words in message
    assert "Run `make up STACK=local`" in message


def test_without_a_lock_file_the_images_are_tagged_with_the_checkouts_revision() -> None:
    source = load().image_source

    assert isinstance(source, settings.Checkout)
    assert len(source.revision.removesuffix("-dirty")) == 40


def test_building_from_what_is_no_checkout_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PROJECT_ROOT", tmp_path)

    assert f"means to build from the checkout, but {tmp_path} is none (fatal: not a git repository" in refusal()


def test_endpoints_are_the_origins_of_the_providers_own_variables() -> None:
    environment = {
        "GOOGLE_VERTEX_AI_CUSTOM_ENDPOINT": "http://127.0.0.1:8123/aiplatform/v1beta1/",
        "GOOGLE_STORAGE_CUSTOM_ENDPOINT": "http://127.0.0.1:8123/storage/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "/run/token",
    }

    endpoints = load(environment=environment).endpoints

    assert (endpoints.vertex, endpoints.storage, endpoints.bigquery) == (*["http://127.0.0.1:8123"] * 2, "")
    assert endpoints.access_token_file == "/run/token"


def test_at_google_no_token_file_of_the_deployer_is_handed_on() -> None:
    endpoints = load(environment={"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "/home/ann/token"}).endpoints

    assert set(endpoints.model_dump().values()) == {""}


def test_only_settings_reads_configuration_and_environment() -> None:
    readers = {
        path.name
        for path in (ROOT_FOLDER / "infra").glob("*.py")
        if any(word in path.read_text() for word in ("os.environ", "pulumi.Config(", "runtime.config", "getenv"))
    }

    assert readers == {"settings.py"}
