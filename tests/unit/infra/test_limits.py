import pytest

from infra import limits

GOOD_NAMES = [
    ("project", "acme-recsys-dev"),
    ("label", "dev"),
    ("persistent resource", "a"),
    ("persistent resource", "recsys-train-blue"),
    ("bucket", "acme-recsys-dev-artifacts"),
    ("dataset", "recsys_logs"),
    ("service account", "recsys-pipeline"),
    ("repository", "recsys-training"),
    ("experiment", "recsys-dev"),
    ("model", "recsys_2"),
]
BAD_NAMES = [
    ("project", "Acme"),
    ("project", "short"),
    ("project", "a" * 31),
    ("label", "Dev"),
    ("persistent resource", "Warm_Pool"),
    ("persistent resource", "a" * 64),
    ("persistent resource", "train-"),
    ("bucket", "Bad_Name"),
    ("bucket", "goog-artifacts"),
    ("bucket", "my-google-artifacts"),
    ("bucket", "ab"),
    ("dataset", "bad-id"),
    ("service account", "ab"),
    ("service account", "a" * 31),
    ("repository", "Bad_ID"),
    ("experiment", "Recsys Dev"),
    ("model", "2nd-model"),
    ("model", "m" * 64),
]


@pytest.mark.parametrize(("kind", "name"), GOOD_NAMES)
def test_a_good_name_is_accepted(kind: str, name: str) -> None:
    assert limits.name_rule(kind, name) is None


@pytest.mark.parametrize(("kind", "name"), BAD_NAMES)
def test_a_bad_name_breaks_the_rule_of_its_kind(kind: str, name: str) -> None:
    rule = limits.name_rule(kind, name)

    assert rule is not None
    assert kind in rule


@pytest.mark.parametrize(
    "cron",
    [
        "0 3 * * *",
        "*/15 0-6,22 1 jan,JUL mon-fri",
        "59 23 31 12 7",
        "0 0 * * SUN",
        "5/10 * * * *",
        "0 3 29 2 *",
        "0 3 31 2 mon",
    ],
)
def test_a_good_cron_is_accepted(cron: str) -> None:
    assert limits.cron_rule(cron) is None


@pytest.mark.parametrize(
    ("cron", "word"),
    [
        ("every day", "five"),
        ("0 3 * *", "five"),
        ("TZ=Europe/Paris 0 3 * * *", "five"),
        ("60 3 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 3 0 * *", "day of month"),
        ("0 3 * 13 *", "month"),
        ("0 3 * * 8", "day of week"),
        ("0 3 * * noday", "day of week"),
        ("0 6-3 * * *", "hour"),
        ("*/0 * * * *", "minute"),
        ("0, 3 * * *", "minute"),
        ("-5 3 * * *", "minute"),
        ("٣ 3 * * *", "minute"),
        ("*/٣ * * * *", "minute"),
        ("*/1000000 * * * *", "minute"),
        ("0\t3 * * *", "five"),
        ("0 3 * *  *", "five"),
        ("0 3\u00a0* * *", "five"),
        ("0 3 31 2 *", "never"),
        ("0 3 31 feb,apr-jun/5 *", "never"),
        ("0 3 30-31 2 *", "never"),
    ],
)
def test_a_bad_cron_is_told_by_its_field(cron: str, word: str) -> None:
    rule = limits.cron_rule(cron)

    assert rule is not None
    assert word in rule


@pytest.mark.parametrize(
    "member",
    [
        "user:ann@acme.example",
        "group:ml@acme.example",
        "serviceAccount:ci@acme-dev.iam.gserviceaccount.com",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gh/attribute.repository/a/b",
    ],
)
def test_an_iam_member_is_accepted(member: str) -> None:
    assert limits.member_rule(member) is None


@pytest.mark.parametrize(
    "member", ["ann@acme.example", "serviceAccount:", "domain:acme.example", "user:ann", "", "user:änn@acme.example"]
)
def test_what_is_no_iam_member_is_told(member: str) -> None:
    assert "no IAM member" in str(limits.member_rule(member))


@pytest.mark.parametrize("member", ["allUsers", "allAuthenticatedUsers"])
def test_the_public_may_not_act_as_the_pipeline(member: str) -> None:
    assert "everybody" in str(limits.member_rule(member))


@pytest.mark.parametrize(("count", "low", "high"), [(1, 1, 1), (2, 1, 4), (4, 1, 4)])
def test_replicas_within_their_bounds_are_accepted(count: int, low: int, high: int) -> None:
    assert limits.replicas_rule(count, low, high) is None


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 1), (1, 0, 1), (1, 2, 3), (5, 1, 4), (2, 3, 1)])
def test_replicas_outside_their_bounds_are_told(count: int, low: int, high: int) -> None:
    assert "no scale to zero" in str(limits.replicas_rule(count, low, high))


def test_more_replicas_than_a_group_of_machines_can_have_are_told() -> None:
    assert "at most 1000" in str(limits.replicas_rule(1, 1, 1001))


def test_regions_and_time_zones_are_known_by_name() -> None:
    assert limits.region_rule("europe-west4") is None
    assert limits.region_rule("global") is not None
    assert limits.time_zone_rule("Europe/Paris") is None
    assert limits.time_zone_rule("Paris") is not None
