"""What a stack's configuration must satisfy beyond its types, each rule with the key that breaks it and the way out.

Pure. Ties configuration keys to Google's limits (infra/limits.py) and keys to one another; those of the pools are in
infra/pool_rules.py. A rule is checked where the keys that it needs were readable, so that one broken key hides no
problem of another.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from contracts.problems import Problem
from infra import limits, naming, network_rules, pool_rules
from infra.refusals import broken, named_after, problem
from infra.stack_config import (
    AuditLogSettings,
    EncryptionSettings,
    FederationSettings,
    OperationsSettings,
    RegistrySettings,
    RetentionSettings,
    ScheduleSettings,
    TrainingSettings,
    config_key,
)

_FROM_RUN_ON = ("persistent_resource_id", "strategy")
_FROM_POOL = ("machine_type", "accelerator_type", "accelerator_count", "boot_disk_type", "boot_disk_size_gb")
_STATE_SCHEMES = ("gs://", "s3://", "azblob://", "https://", "file://")
_NAME_A_BUCKET = "Name a bucket, such as gs://my-project-pulumi"
_POOL_LABELS = "changes the labels of every persistent resource, which replaces it and cancels the jobs on it"
_POOL_LABEL_KEYS = ("gcp:defaultLabels", "gcp:addPulumiAttributionLabel")


def stack_problems(draft: Mapping[str, Any]) -> list[Problem]:
    """`draft` holds the fields of `StackConfig` that could be read."""
    return [
        found
        for needed, rule in _RULES
        if all(field in draft for field in needed)
        for found in rule(*(draft[f] for f in needed))
    ]


def provider_problems(keys: Mapping[str, str]) -> list[Problem]:
    """Provider configuration that would change resources behind the program's back."""
    return list(_provider(keys))


def _provider(keys: Mapping[str, str]) -> Iterator[Problem]:
    for key in _POOL_LABEL_KEYS:
        if key in keys:
            yield problem(key, keys[key], _POOL_LABELS, "Remove it")
    for key in sorted(keys):
        if key.startswith("gcp:") and key.endswith("CustomEndpoint"):
            rule = "endpoints come from the environment, as stack configuration they land in the state"
            fix = "Remove it and export the provider's GOOGLE_…_CUSTOM_ENDPOINT variable"
            yield problem(key, keys[key], rule, fix)


def shared_project(project: str, others: Mapping[str, str]) -> Iterator[Problem]:
    """`others`: the projects of the other stack files. Every name here follows from the project."""
    for file, taken in others.items():
        if taken == project:
            rule = f"is the project of {file} too, whose bucket, accounts and pools have the same names"
            yield problem(config_key("project"), project, rule, "Give each environment a project of its own")


def _project(project: str, region: str) -> Iterator[Problem]:
    key, fix = config_key("project"), "Use the id that `gcloud projects list` shows"
    rule = limits.name_rule("project", project)
    yield from broken(key, project, rule, fix)
    if rule is None:
        bucket = naming.Names(project=project, region=region).artifact_bucket
        yield from broken(key, project, named_after("bucket", bucket), "Use another project")


def _region(region: str) -> Iterator[Problem]:
    yield from broken(
        config_key("region"), region, limits.region_rule(region), "Choose one where the pools' machines are offered"
    )


def _environment(environment: str) -> Iterator[Problem]:
    rule = limits.name_rule("label", environment)
    yield from broken(
        config_key("environment"), environment, rule, "It is a label on resources: use a word such as dev or prod"
    )


def _state_backend(url: str, environment: str) -> Iterator[Problem]:
    key = config_key("state_backend")
    scheme, _, place = url.partition("://")
    if not url.startswith(_STATE_SCHEMES):
        yield problem(key, url, f"must begin with one of {' '.join(_STATE_SCHEMES)}", _NAME_A_BUCKET)
    elif not re.fullmatch(r"[!-~]+", place) or (scheme != "file" and place.startswith("/")):
        yield problem(key, url, f"names no place behind {scheme}://", _NAME_A_BUCKET)
    elif scheme == "gs":
        bucket = re.split(r"[/?]", place, maxsplit=1)[0]
        yield from broken(key, url, named_after("bucket", bucket), _NAME_A_BUCKET)
    elif scheme == "file" and environment != "local":
        rule = "keeps the state of real resources on one machine"
        yield problem(key, url, rule, f"{_NAME_A_BUCKET}, or set environment to local")


def _schedules(schedules: tuple[ScheduleSettings, ...]) -> Iterator[Problem]:
    names: set[str] = set()
    for index, schedule in enumerate(schedules):
        key = f"{config_key('schedules')}[{index}]"
        yield from broken(f"{key}.name", schedule.name, limits.name_rule("schedule", schedule.name), "Rename it")
        if schedule.name in names:
            yield problem(f"{key}.name", schedule.name, "is the name of another schedule", "Rename one")
        names.add(schedule.name)
        yield from _when(key, schedule)
        yield from _runs(key, schedule)


def _when(key: str, schedule: ScheduleSettings) -> Iterator[Problem]:
    cron_fix = 'Write it as in "0 3 * * *" (the time zone goes to timeZone)'
    yield from broken(f"{key}.cron", schedule.cron, limits.cron_rule(schedule.cron), cron_fix)
    zone_fix = "Use a name such as Etc/UTC or Europe/Paris"
    yield from broken(f"{key}.timeZone", schedule.time_zone, limits.time_zone_rule(schedule.time_zone), zone_fix)
    given = {"startTime": schedule.start_time, "endTime": schedule.end_time}
    unreadable = False
    for name, moment in given.items():
        rule = limits.moment_rule(moment) if moment else None
        unreadable = unreadable or rule is not None
        yield from broken(f"{key}.{name}", moment, rule, 'Correct it, or set it to ""')
    both = schedule.start_time and schedule.end_time and not unreadable
    if both and datetime.fromisoformat(schedule.end_time) <= datetime.fromisoformat(schedule.start_time):
        rule = f"is not after startTime, {schedule.start_time!r}"
        yield problem(f"{key}.endTime", schedule.end_time, rule, 'Correct one, or set it to ""')


def _runs(key: str, schedule: ScheduleSettings) -> Iterator[Problem]:
    if not 0 <= schedule.max_runs <= limits.MAX_RUNS:
        rule = f"must be 0 (no end) to {limits.MAX_RUNS}"
        yield problem(f"{key}.maxRuns", schedule.max_runs, rule, "Set how often it runs in all")
    if not 1 <= schedule.max_concurrent_runs <= limits.MAX_RUNS:
        rule = "a schedule runs at least one at a time"
        yield problem(
            f"{key}.maxConcurrentRuns", schedule.max_concurrent_runs, rule, "Set it to 1; to stop it set paused: true"
        )
    for name, value in schedule.parameters.items():
        if name in _FROM_RUN_ON:
            rule = "follows from runOn: a pool has no Spot and no flex-start capacity"
            yield problem(f"{key}.parameters.{name}", value, rule, "Remove it and set runOn")
        elif name in _FROM_POOL and schedule.run_on not in pool_rules.ELSEWHERE:
            rule = "follows from the pool that runOn names: a job must have its pool's machine and disk"
            yield problem(f"{key}.parameters.{name}", value, rule, "Remove it, or set runOn to on-demand")
        elif not isinstance(value, str | int | float):
            rule = "must be text, a number, true or false"
            yield problem(f"{key}.parameters.{name}", value, rule, "Write the value with its type")


def _retention(retention: RetentionSettings) -> Iterator[Problem]:
    key = config_key("retention")
    partitioned = {"logsDays": limits.MAX_PARTITIONS, "driftDays": limits.MAX_PARTITIONS // 24}
    soft = retention.soft_delete_days
    if soft and soft not in limits.SOFT_DELETE_DAYS:
        rule = f"a bucket keeps what is deleted {limits.SOFT_DELETE_DAYS[0]} to {limits.SOFT_DELETE_DAYS[-1]} days"
        yield problem(f"{key}.softDeleteDays", soft, rule, "Set days in that range, or 0 to keep nothing")
    for name, days in retention.model_dump(by_alias=True, exclude={"soft_delete_days"}).items():
        if days <= 0:
            yield problem(f"{key}.{name}", days, "must be at least one day", "Set how many days are kept")
        elif days > partitioned.get(name, days):
            rule = f"a table has at most {limits.MAX_PARTITIONS} partitions, here {partitioned[name]} days"
            yield problem(f"{key}.{name}", days, rule, "Keep fewer days")
        elif days > limits.MAX_OBJECT_AGE_DAYS:
            rule = f"a bucket's rule has at most {limits.MAX_OBJECT_AGE_DAYS} days"
            yield problem(f"{key}.{name}", days, rule, "Keep fewer days")


def _registry(registry: RegistrySettings) -> Iterator[Problem]:
    key = config_key("registry")
    for name, number in registry.model_dump(by_alias=True, exclude={"immutable_tags"}).items():
        if not 1 <= number <= limits.MAX_KEPT:
            rule = f"must be 1 to {limits.MAX_KEPT}"
            yield problem(f"{key}.{name}", number, rule, "Set how much of the images' past is kept")


def _submitters(submitters: tuple[str, ...]) -> Iterator[Problem]:
    key = config_key("submitters")
    seen: dict[str, str] = {}
    for index, member in enumerate(submitters):
        yield from broken(f"{key}[{index}]", member, limits.member_rule(member), "Name people, groups or accounts")
        same = limits.same_member(member)
        if same in seen:
            rule = f"is listed twice: IAM takes it for {seen[same]!r} above"
            yield problem(f"{key}[{index}]", member, rule, "Remove one")
        seen.setdefault(same, member)


def _itself(submitters: tuple[str, ...], project: str, region: str) -> Iterator[Problem]:
    """Two resources for one grant would take it away when one of them goes."""
    names = naming.Names(project=project, region=region)
    own = {f"serviceAccount:{names.account_email(account)}" for account in naming.ACCOUNTS}
    for index, member in enumerate(submitters):
        if limits.same_member(member) in own:
            rule = "is one of the platform's own accounts, which have what they need"
            yield problem(f"{config_key('submitters')}[{index}]", member, rule, "Remove it")


def _federation(federation: FederationSettings) -> Iterator[Problem]:
    key = config_key("federation")
    if federation.github_repository:
        rule = limits.name_rule("GitHub repository", federation.github_repository)
        fix = 'Write owner/name, or "" for no CI without keys'
        yield from broken(f"{key}.githubRepository", federation.github_repository, rule, fix)
    branch = limits.name_rule("branch", federation.branch)
    yield from broken(f"{key}.branch", federation.branch, branch, "Name the branch that deploys, such as main")


def _encryption(encryption: EncryptionSettings) -> Iterator[Problem]:
    days = encryption.rotation_days
    if days not in limits.ROTATION_DAYS:
        rule = f"a key is turned over after {limits.ROTATION_DAYS[0]} to {limits.ROTATION_DAYS[-1]} days"
        yield problem(f"{config_key('encryption')}.rotationDays", days, rule, "Set it to 90, as most do")


def _audit_logs(audit: AuditLogSettings) -> Iterator[Problem]:
    key = config_key("audit_logs")
    for name in ("kept_days", "locked_days"):
        days = getattr(audit, name)
        if not 0 <= days <= limits.MAX_RETENTION_DAYS:
            rule = f"a bucket's retention has at most {limits.MAX_RETENTION_DAYS} days"
            yield problem(f"{key}.{to_camel(name)}", days, rule, "Set days in that range, or 0 for none")
    if 0 <= audit.kept_days < audit.locked_days:
        rule = f"nothing can be deleted before it, and keptDays deletes after {audit.kept_days}"
        yield problem(f"{key}.lockedDays", audit.locked_days, rule, "Keep them at least as long")
    if audit.locked and audit.locked_days < 1:
        rule = "locks a retention of lockedDays, and there is none"
        yield problem(f"{key}.locked", audit.locked, rule, "Set lockedDays, or locked: false")
    if audit.kept_days > 0 and not (audit.data_reads or audit.data_writes):
        rule = "keeps what is logged, and nothing is"
        yield problem(f"{key}.keptDays", audit.kept_days, rule, "Set dataWrites: true, or keptDays: 0")


def _operations(operations: OperationsSettings) -> Iterator[Problem]:
    key = config_key("operations")
    for index, address in enumerate(operations.emails):
        rule = limits.email_rule(address)
        if rule is None and address in operations.emails[:index]:
            rule = "is listed twice"
        yield from broken(f"{key}.emails[{index}]", address, rule, "Name each address once")
    for name in ("no_success_hours", "idle_pool_hours"):
        hours = getattr(operations, name)
        if not 0 <= hours <= limits.MAX_ALERT_HOURS:
            rule = f"an alert looks back 1 to {limits.MAX_ALERT_HOURS} hours"
            yield problem(f"{key}.{to_camel(name)}", hours, rule, "Set it in that range, or 0 for no alert")
    if operations.billing_account:
        rule = limits.name_rule("billing account", operations.billing_account)
        fix = 'Use the id that `gcloud billing accounts list` shows, or "" for no budget'
        yield from broken(f"{key}.billingAccount", operations.billing_account, rule, fix)
    if operations.monthly_budget < 1:
        rule = "must be at least 1, in the billing account's currency"
        yield problem(f"{key}.monthlyBudget", operations.monthly_budget, rule, "Set what a month may cost")
    elif operations.monthly_budget > limits.MAX_BUDGET:
        rule = f"must be at most {limits.MAX_BUDGET}"
        yield problem(f"{key}.monthlyBudget", operations.monthly_budget, rule, "Set what a month may cost")


def _training(training: TrainingSettings) -> Iterator[Problem]:
    key = config_key("training")
    experiment = limits.name_rule("experiment", training.experiment)
    yield from broken(f"{key}.experiment", training.experiment, experiment, "Rename it")
    yield from broken(
        f"{key}.modelName", training.model_name, limits.name_rule("model", training.model_name), "Rename it"
    )
    if not limits.MIN_JOB_MINUTES <= training.max_minutes <= limits.MAX_JOB_MINUTES:
        rule = f"must be at least a second and at most {limits.MAX_JOB_MINUTES} minutes, a custom job's longest time"
        yield problem(f"{key}.maxMinutes", training.max_minutes, rule, "Set the minutes that training may take")


_RULES: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Problem]]], ...] = (
    (("project", "region"), _project),
    (("region",), _region),
    (("environment",), _environment),
    (("state_backend", "environment"), _state_backend),
    (("training_pool", "region"), pool_rules.training_pool),
    (("further_training_pools", "region"), pool_rules.further_training_pools),
    (("steps_pool", "region"), pool_rules.steps_pool),
    (("training_pool", "further_training_pools", "steps_pool"), pool_rules.beside_one_another),
    (("training_pool", "further_training_pools"), pool_rules.ids),
    (("schedules",), _schedules),
    (("schedules", "training_pool", "further_training_pools"), pool_rules.run_on),
    (("schedules", "training_pool", "further_training_pools"), pool_rules.training_concurrency),
    (("schedules", "steps_pool"), pool_rules.steps_concurrency),
    (("retention",), _retention),
    (("registry",), _registry),
    (("submitters",), _submitters),
    (("submitters", "project", "region"), _itself),
    (("federation",), _federation),
    (("encryption",), _encryption),
    (("network",), network_rules.network_problems),
    (("network", "training_pool", "further_training_pools", "steps_pool"), network_rules.room_problems),
    (("network", "training_pool", "further_training_pools", "steps_pool"), network_rules.accelerator_problems),
    (("audit_logs",), _audit_logs),
    (("operations",), _operations),
    (("training",), _training),
)
