"""What Google accepts as names, regions, members, counts and schedules.

Pure and without opinions: each `…_rule` answers with the broken rule in words, or None. Owns no choice of ours (that is
`policy/`), no configuration key (infra/rules.py) and no machine (infra/machines.py). The provider sends most of this to
the API unchecked, where it fails after the plan was fine.
"""

import re
import zoneinfo
from datetime import datetime

DISK_GB = range(100, 64_001)
MIN_JOB_MINUTES = 1 / 60  # the trainer's budget has whole seconds
MAX_JOB_MINUTES = 7 * 24 * 60  # a custom job's default timeout is 604800 s
MAX_REPLICAS = 1_000  # Google documents none but the quota; a group of machines in one zone ends here
MAX_OBJECT_AGE_DAYS = 2**31 - 1  # of a bucket's lifecycle rule: an int32 in the API
MAX_RUNS = 2**31 - 1  # of a schedule, and at once
MAX_KEPT = 10_000  # versions or days of an image's past: more is a mistake, and both are int32 in the API
MAX_BUDGET = 10**9  # of a month; Google's is an int64
MAX_ALERT_HOURS = 25  # an alert's longest look back: https://cloud.google.com/monitoring/alerts/concepts-indepth
ROTATION_DAYS = range(1, 36_501)  # a key's rotation period is a day at least
MAX_RETENTION_DAYS = 36_500  # of a bucket's policy: https://cloud.google.com/storage/docs/bucket-lock
SOFT_DELETE_DAYS = range(7, 91)  # https://cloud.google.com/storage/docs/soft-delete
MAX_PARTITIONS = 10_000  # of one BigQuery table: https://cloud.google.com/bigquery/quotas#partitioned_tables

# google-cloud-aiplatform 1.165.1, constants/base.py, without "global".
_REGIONS = """
    africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
    asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1
    europe-north2 europe-southwest1 europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8
    europe-west9 europe-west12 me-central1 me-central2 me-west1 northamerica-northeast1 northamerica-northeast2
    southamerica-east1 southamerica-west1 us-central1 us-east1 us-east4 us-east5 us-east7 us-south1 us-west1
    us-west2 us-west3 us-west4 us-west8
"""
VERTEX_REGIONS = frozenset(_REGIONS.split())

_NAMES = {
    "project": (
        r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
        "6-30 lower-case letters, digits and dashes, a letter first, no dash last",
    ),
    "label": (r"[a-z][a-z0-9_-]{0,62}", "1-63 lower-case letters, digits, _ and -, a letter first"),
    "persistent resource": (
        r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "at most 63 lower-case letters, digits and dashes, a letter first, no dash last",
    ),
    "bucket": (
        r"(?!goog)(?!.*google)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]",
        '3-63 lower-case letters, digits, _ and -, a letter or digit at both ends, without "google"',
    ),
    "dataset": (r"[A-Za-z0-9_]{1,1024}", "1-1024 letters, digits and _"),
    "service account": (
        r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
        "6-30 lower-case letters, digits and dashes, a letter first, no dash last",
    ),
    "repository": (
        r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "at most 63 lower-case letters, digits and dashes, a letter first",
    ),
    "GitHub repository": (
        r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}",
        "owner/name, as in the repository's address",
    ),
    "branch": (r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?", "letters, digits and . _ / - between them"),
    "billing account": (
        r"[0-9A-F]{6}(-[0-9A-F]{6}){2}",
        "three groups of six hexadecimal digits: 01AB23-45CD67-89EF01",
    ),
    "schedule": (r"[a-z][a-z0-9-]{0,39}", "1-40 lower-case letters, digits and dashes, a letter first"),
    "experiment": (r"[a-z0-9][a-z0-9-]{0,127}", "1-128 lower-case letters, digits and dashes, no dash first"),
    "model": (r"[a-z_][a-z0-9_-]{0,62}", "1-63 lower-case letters, digits, _ and -, a letter or _ first"),
}

_MEMBER = re.compile(
    r"(user|group|serviceAccount):[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
    r"|principal(Set)?://iam\.googleapis\.com/[!-~]+"
)
_PUBLIC = ("allUsers", "allAuthenticatedUsers")

_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})  # files beside the time zones

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CRON_FIELDS = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of week", 0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
)


def name_rule(kind: str, name: str) -> str | None:
    """`kind` is a key of the table above: project, label, persistent resource, bucket, dataset, …"""
    pattern, words = _NAMES[kind]
    return None if re.fullmatch(pattern, name) else f"is no {kind} name ({words})"


def email_rule(address: str) -> str | None:
    return None if _MEMBER.fullmatch(f"user:{address}") else "is no e-mail address"


def region_rule(region: str) -> str | None:
    return None if region in VERTEX_REGIONS else "is no region of Vertex AI"


def member_rule(member: str) -> str | None:
    if member in _PUBLIC:
        return "would let everybody act as the pipeline"
    if _MEMBER.fullmatch(member):
        return None
    return "is no IAM member: user:…@…, group:…@…, serviceAccount:…@… or principal://… or principalSet://…"


def same_member(member: str) -> str:
    """One text for all spellings of a member: the case of an address means nothing to IAM, that of a principal does."""
    kind, colon, address = member.partition(":")
    return member if kind.startswith("principal") else f"{kind}{colon}{address.lower()}"


def replicas_rule(count: int, low: int, high: int) -> str | None:
    """Replicas of a resource pool; `low` == `high` is a pool of fixed size, otherwise it scales between the two."""
    if not 0 < low <= count <= high:
        return "0 < minReplicas <= replicas <= maxReplicas must hold (there is no scale to zero)"
    return f"a pool has at most {MAX_REPLICAS} replicas" if high > MAX_REPLICAS else None


def time_zone_rule(zone: str) -> str | None:
    known = zoneinfo.available_timezones() - _NO_PLACES
    return None if zone in known else "is no time zone of the IANA database"


def moment_rule(text: str) -> str | None:
    """One form only: the service answers in it, and any other would be an update on every preview."""
    try:
        written = f"{datetime.strptime(text, '%Y-%m-%dT%H:%M:%SZ'):%Y-%m-%dT%H:%M:%SZ}"
    except ValueError:
        written = ""
    return None if written == text else "is no time in UTC, such as 2027-01-31T06:00:00Z"


def cron_rule(cron: str) -> str | None:
    """Five fields of unix-cron: numbers, names, lists, ranges and steps. The time zone is not part of it."""
    fields = cron.split(" ")
    if len(fields) != len(_CRON_FIELDS):
        names = ", ".join(name for name, *_ in _CRON_FIELDS)
        return f"has {len(fields)} fields between single spaces; unix-cron has five: {names}"
    meant: list[set[int]] = []
    for text, (name, low, high, words) in zip(fields, _CRON_FIELDS, strict=True):
        parts = [_cron_part(part, low, high, words) for part in text.split(",")]
        for part, numbers in zip(text.split(","), parts, strict=True):
            if not numbers:
                return f"{part!r} is no {name} (from {low} to {high}, with * , - and /)"
        meant.append({number for numbers in parts for number in numbers})
    _, _, days, months, _ = meant
    if fields[4] == "*" and not any(day <= _LONGEST[month - 1] for month in months for day in days):
        return "never comes: no such month has such a day"
    return None


def _cron_part(part: str, low: int, high: int, words: list[str]) -> range:
    """The numbers that `part` stands for: none where it is wrong."""
    span, slash, step_text = part.partition("/")
    step = _number(step_text) if slash else 1
    if step is None or not 0 < step <= high:
        return range(0)
    if span == "*":
        return range(low, high + 1, step)
    first, dash, last = span.partition("-")
    start = _cron_number(first, low, words)
    end = _cron_number(last, low, words) if dash else high if slash else start
    if start is None or end is None or not low <= start <= end <= high:
        return range(0)
    return range(start, end + 1, step)


def _cron_number(text: str, low: int, words: list[str]) -> int | None:
    return words.index(text.lower()) + low if text.lower() in words else _number(text)


def _number(text: str) -> int | None:
    """`str.isdecimal` and `int` take the digits of every script; Google takes these."""
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None
