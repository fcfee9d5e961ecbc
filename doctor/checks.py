"""What must be so before a stack can come up, one function each; asked of Google, answered with a finding and its fix.

A check that Google does not answer is no failure: it is told as not checked, with the command that a person can run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from doctor.google import Google, NoAnswerError
from infra.naming import Names
from infra.stack_config import PoolSettings, StackConfig

Verdict = Literal["ok", "wrong", "not checked"]

_BOOTSTRAP = ("serviceusage", "cloudresourcemanager")
_DEPLOYER_NEEDS = (
    "aiplatform.persistentResources.create",
    "bigquery.datasets.create",
    "iam.serviceAccounts.create",
    "resourcemanager.projects.setIamPolicy",
    "serviceusage.services.enable",
    "storage.buckets.create",
)
_ACT_AS = "iam.serviceAccounts.actAs"


@dataclass(frozen=True)
class Finding:
    """`fix` is a command, "" where nothing is wrong."""

    check: str
    verdict: Verdict
    told: str
    fix: str = ""

    def lines(self) -> list[str]:
        mark = {"ok": "ok         ", "wrong": "WRONG      ", "not checked": "not checked"}[self.verdict]
        return [f"{mark}  {self.check}: {self.told}", *([f"             fix: {self.fix}"] if self.fix else [])]


def examine(google: Google, config: StackConfig) -> list[Finding]:
    """Every check on a stack, in the order in which its creation would meet them."""
    found = [check(google, config) for check in _CHECKS]
    for pool in config.pools:
        found += [machine_offered(google, config, pool), quota(google, config, pool)]
    return found


def project(google: Google, config: StackConfig) -> Finding:
    fix = f"gcloud projects describe {config.project}  # create it, or correct gcp:project"
    try:
        state = google.get("projects", f"projects/{config.project}").get("lifecycleState", "")
    except NoAnswerError as error:
        return _unanswered("project", error, fix, absent="there is none, or you may not see it")
    return _judged("project", state == "ACTIVE", f"{config.project} is {state or 'in no known state'}", fix)


def billing(google: Google, config: StackConfig) -> Finding:
    fix = f"gcloud billing projects link {config.project} --billing-account ACCOUNT"
    try:
        enabled = google.get("billing", f"projects/{config.project}/billingInfo").get("billingEnabled") is True
    except NoAnswerError as error:
        return _unanswered("billing", error, f"gcloud billing projects describe {config.project}")
    return _judged("billing", enabled, "enabled" if enabled else "no billing account is linked", fix)


def bootstrap_apis(google: Google, config: StackConfig) -> Finding:
    """The two that must be on before a program can enable the others."""
    off: list[str] = []
    for api in _BOOTSTRAP:
        name = f"{api}.googleapis.com"
        try:
            if google.get("services", f"projects/{config.project}/services/{name}").get("state") != "ENABLED":
                off.append(name)
        except NoAnswerError as error:
            return _unanswered(
                "bootstrap APIs", error, _enable(list(_BOOTSTRAP), config), absent="there is no such API"
            )
    told = f"{' and '.join(off)} not enabled" if off else "enabled"
    return _judged("bootstrap APIs", not off, told, _enable(off, config))


def _enable(names: list[str], config: StackConfig) -> str:
    full = [name if "." in name else f"{name}.googleapis.com" for name in names]
    return f"gcloud services enable {' '.join(full)} --project {config.project}"


def state_backend(google: Google, config: StackConfig) -> Finding:
    kind, _, place = config.state_backend.partition("://")
    if kind != "gs":
        return Finding("state backend", "ok" if kind == "file" else "not checked", config.state_backend)
    bucket = place.split("/")[0]
    create = (
        f"gcloud storage buckets create gs://{bucket} --project {config.project} --location {config.region} "
        "--uniform-bucket-level-access"
    )
    try:
        found = google.get("storage", f"b/{bucket}")
    except NoAnswerError as error:
        return _unanswered("state backend", error, create, absent=f"there is no bucket {bucket}")
    versioned = (found.get("versioning") or {}).get("enabled") is True
    kept = "old versions" if versioned else "no old versions: a damaged state could not be restored"
    told = f"gs://{bucket} keeps {kept}"
    return _judged("state backend", versioned, told, f"gcloud storage buckets update gs://{bucket} --versioning")


def permissions(google: Google, config: StackConfig) -> Finding:
    """Whether whoever is logged in may bring the stack up."""
    fix = f"gcloud projects add-iam-policy-binding {config.project} --member user:YOU --role roles/owner  # to set up"
    try:
        held = google.post(
            "projects", f"projects/{config.project}:testIamPermissions", {"permissions": list(_DEPLOYER_NEEDS)}
        )
    except NoAnswerError as error:
        return _unanswered("your permissions", error, fix, absent="there is no such project")
    missing = sorted(set(_DEPLOYER_NEEDS) - set(held.get("permissions") or []))
    told = f"missing: {', '.join(missing)}" if missing else "enough to bring the stack up"
    return _judged("your permissions", not missing, told, fix)


def act_as(google: Google, config: StackConfig) -> Finding:
    """Whoever creates the schedule must be allowed to act as the pipeline's account."""
    names = Names(project=config.project, region=config.region)
    account = names.service_account
    grant = "add-iam-policy-binding {} --member user:YOU --role roles/iam.serviceAccountUser"
    fix = f"gcloud iam service-accounts {grant.format(account)}"
    try:
        held = google.post("iam", f"{names.service_account_name}:testIamPermissions", {"permissions": [_ACT_AS]})
    except NoAnswerError as error:
        if error.status == 404:
            return Finding(
                "acting as the pipeline", "ok", f"{account} does not exist yet: `up` creates it and grants it"
            )
        return _unanswered("acting as the pipeline", error, fix)
    allowed = _ACT_AS in (held.get("permissions") or [])
    told = f"you may{'' if allowed else ' not'} act as {account}"
    return _judged("acting as the pipeline", allowed, told, fix + "  # or add yourself to submitters, and `up`")


def organisation_policies(google: Google, config: StackConfig) -> Finding:
    """The two that refuse this platform most often: accounts that must not be created, places that are not allowed."""
    asked = f"projects/{config.project}:getEffectiveOrgPolicy"
    look = f"gcloud resource-manager org-policies list --project {config.project} --show-unset"
    try:
        accounts = google.post("projects", asked, {"constraint": "constraints/iam.disableServiceAccountCreation"})
        places = google.post("projects", asked, {"constraint": "constraints/gcp.resourceLocations"})
    except NoAnswerError as error:
        return _unanswered("organisation policies", error, look)
    wrong = []
    if (accounts.get("booleanPolicy") or {}).get("enforced"):
        wrong.append("iam.disableServiceAccountCreation forbids the accounts that the stack creates")
    allowed = (places.get("listPolicy") or {}).get("allowedValues") or []
    if allowed and not any(_covers(value, config.region) for value in allowed):
        wrong.append(f"gcp.resourceLocations allows {', '.join(allowed)}, not {config.region}")
    fix = f"ask whoever owns the organisation for an exception of {config.project}; {look}"
    return _judged("organisation policies", not wrong, "; ".join(wrong) or "none refuses the stack", fix)


def _covers(value: str, region: str) -> bool:
    """Whether an allowed value, a region or a group such as `in:us-locations`, holds a region.

    Source: https://cloud.google.com/resource-manager/docs/organization-policy/defining-locations
    """
    place = value.removeprefix("in:").removesuffix("-locations")
    return region == place or region.startswith(_AREAS.get(place, f"{place}-"))


_AREAS = {"eu": "europe-", "canada": "northamerica-northeast", "au": "australia-"}


def machine_offered(google: Google, config: StackConfig, pool: PoolSettings) -> Finding:
    machine = pool.machine_type
    look = f"gcloud compute machine-types list --filter name={machine} --project {config.project}"
    check = f"{machine} in {config.region}"
    try:
        found = google.get("compute", f"projects/{config.project}/aggregated/machineTypes?filter=name%3D{machine}")
    except NoAnswerError as error:
        return _unanswered(check, error, look)
    zones = sorted(
        zone.removeprefix("zones/")
        for zone, held in (found.get("items") or {}).items()
        if zone.startswith(f"zones/{config.region}-") and held.get("machineTypes")
    )
    return _judged(check, bool(zones), f"offered in {', '.join(zones)}" if zones else "in no zone of the region", look)


def quota(google: Google, config: StackConfig, pool: PoolSettings) -> Finding:
    """Of custom training, whose quotas are others than Compute Engine's. A create without it fails after 20 minutes."""
    if not pool.accelerator_count:
        return Finding(f"quota for {pool.name}", "ok", "it has no accelerators")
    metric = quota_metric(pool.accelerator_type)
    needed = pool.max_replicas * pool.accelerator_count
    service = f"projects/{config.project}/services/aiplatform.googleapis.com"
    fix = f"gcloud alpha quotas info describe {metric} --service aiplatform.googleapis.com --project {config.project}"
    try:
        limits = google.get("services", f"{service}/consumerQuotaMetrics/aiplatform.googleapis.com%2F{metric}")
    except NoAnswerError as error:
        return _unanswered(f"quota for {pool.name}", error, fix)
    held = _limit(limits, config.region)
    if held == _UNLIMITED:
        return Finding(f"quota for {pool.name}", "ok", f"{metric} in {config.region} has no limit")
    told = f"{metric} in {config.region} is {held}, the pool needs {needed}" + (
        " and as many again while it is rotated" if held < 2 * needed else ""
    )
    return _judged(f"quota for {pool.name}", held >= needed, told, f"ask for more: {fix}")


_UNLIMITED = -1
_MEMORY_UNNAMED = ("h100_80gb", "h100_mega_80gb", "h200_141gb")  # an A100's is named


def quota_metric(accelerator_type: str) -> str:
    """`NVIDIA_TESLA_T4` is counted by `custom_model_training_nvidia_t4_gpus`."""
    name = accelerator_type.lower().replace("_tesla", "")
    for memory in _MEMORY_UNNAMED:
        name = name.replace(memory, memory.rpartition("_")[0])
    return f"custom_model_training_{name}_gpus"


def _limit(metric: dict, region: str) -> int:
    buckets = [
        bucket for limit in metric.get("consumerQuotaLimits") or [] for bucket in limit.get("quotaBuckets") or []
    ]
    of_region = [each for each in buckets if (each.get("dimensions") or {}).get("region") == region]
    everywhere = [each for each in buckets if not each.get("dimensions")]
    return max((int(each.get("effectiveLimit") or 0) for each in of_region or everywhere), default=0)


def _judged(check: str, good: bool, told: str, fix: str) -> Finding:  # noqa: FBT001 (what a check comes to)
    return Finding(check, "ok" if good else "wrong", told, "" if good else fix)


def _unanswered(check: str, error: NoAnswerError, fix: str, *, absent: str = "") -> Finding:
    """404 means that it is not there, where the check says so; anything else, that nobody knows."""
    if error.status in (403, 404) and absent:
        return Finding(check, "wrong", absent, fix)
    return Finding(check, "not checked", f"HTTP {error.status}: {error}", fix)


_CHECKS: tuple[Callable[[Google, StackConfig], Finding], ...] = (
    project,
    billing,
    bootstrap_apis,
    state_backend,
    permissions,
    act_as,
    organisation_policies,
)
