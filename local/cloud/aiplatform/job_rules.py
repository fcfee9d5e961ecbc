"""What Vertex AI refuses when a custom job is created.

Owns: the rules of `CustomJob` and of a job's match with its persistent resource. Pure: the persistent resource is
given. Sources: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec and
https://cloud.google.com/vertex-ai/docs/training/persistent-resource-train
"""

from typing import Any

from local.cloud.aiplatform.machines import check_disk, check_machine, same_machine
from local.cloud.aiplatform.pool_rules import most_replicas
from local.cloud.errors import failed_precondition
from local.cloud.jobs.spec import PoolSlot
from local.cloud.validation import Violations, as_int

_MOST_WORKER_POOLS = 4
_MOST_PACKAGES = 100
_MOST_VARIABLES = 100
_ON_A_POOL = {"STRATEGY_UNSPECIFIED", "ON_DEMAND", "STANDARD"}


def check_job(body: dict[str, Any], *, at: str = "jobSpec") -> None:
    """Refuse a `CustomJob` that is wrong by itself, with all that is found. `at`: what the caller calls its spec."""
    found = Violations()
    found.unless(body.get("displayName"), "displayName", "is required")
    found.unless(len(body.get("displayName", "")) <= 128, "displayName", "has more than 128 characters")
    found.labels(body.get("labels"))
    spec = body.get("jobSpec") or {}
    pools = spec.get("workerPoolSpecs") or []
    found.unless(
        1 <= len(pools) <= _MOST_WORKER_POOLS,
        f"{at}.workerPoolSpecs",
        f"{len(pools)} worker pools: at least 1 and at most {_MOST_WORKER_POOLS} are allowed",
    )
    for index, pool in enumerate(pools):
        if pool or index == 0:
            _check_worker_pool(found, pool, f"{at}.workerPoolSpecs[{index}]", first=index == 0)
    timeout = spec.get("scheduling", {}).get("timeout")
    found.unless(timeout is None or seconds(timeout) > 0, f"{at}.scheduling.timeout", f"{timeout!r} is not positive")
    if spec.get("network"):
        form = r"projects/[^/]+/global/networks/[^/]+"
        found.matches(form, spec["network"], f"{at}.network", "is not projects/PROJECT/global/networks/NETWORK")
    base = spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "")
    found.unless(
        not base or base.startswith("gs://"),
        f"{at}.baseOutputDirectory.outputUriPrefix",
        f"{base!r} is not a gs:// URI",
    )
    found.refuse()


def _check_worker_pool(found: Violations, pool: dict[str, Any], at: str, *, first: bool) -> None:
    check_machine(found, pool.get("machineSpec"), f"{at}.machineSpec")
    check_disk(found, pool.get("diskSpec"), f"{at}.diskSpec", (pool.get("machineSpec") or {}).get("machineType") or "")
    replicas = as_int(pool.get("replicaCount", 1)) or 0
    if first:
        found.unless(
            replicas == 1, f"{at}.replicaCount", f"{replicas} is not 1: the first worker pool is the primary replica"
        )
    else:
        found.unless(replicas >= 1, f"{at}.replicaCount", f"{replicas} is not at least 1")
    container = pool.get("containerSpec")
    found.unless(
        (container is None) != (pool.get("pythonPackageSpec") is None),
        f"{at}.containerSpec",
        "exactly one of containerSpec and pythonPackageSpec is required",
    )
    if container is not None:
        found.unless(container.get("imageUri"), f"{at}.containerSpec.imageUri", "is required")
        _check_variables(found, container, f"{at}.containerSpec.env")
    elif pool.get("pythonPackageSpec") is not None:
        _check_package(found, pool["pythonPackageSpec"], f"{at}.pythonPackageSpec")


def _check_package(found: Violations, package: dict[str, Any], at: str) -> None:
    for key in ("executorImageUri", "pythonModule"):
        found.unless(package.get(key), f"{at}.{key}", "is required")
    uris = package.get("packageUris") or []
    most = f"{len(uris)} packages: at least 1 and at most {_MOST_PACKAGES} are allowed"
    found.unless(1 <= len(uris) <= _MOST_PACKAGES, f"{at}.packageUris", most)
    for index, uri in enumerate(uris):
        found.matches(r"gs://[^/]+/.+", uri, f"{at}.packageUris[{index}]", "is not gs://BUCKET/OBJECT")
    _check_variables(found, package, f"{at}.env")


def _check_variables(found: Violations, program: dict[str, Any], at: str) -> None:
    names = [entry.get("name", "") for entry in program.get("env", [])]
    found.unless(all(names), at, "each variable needs a name")
    found.unless(len(names) <= _MOST_VARIABLES, at, f"{len(names)} variables: at most {_MOST_VARIABLES} are allowed")
    for index, name in enumerate(names):
        if name:
            found.matches(r"[A-Za-z_][A-Za-z0-9_]*", name, f"{at}[{index}].name", "is no C identifier")
    found.unless(len(names) == len(set(names)), at, "EnvVar names must be unique")


def require_running(resource: dict[str, Any]) -> None:
    """Raises FAILED_PRECONDITION while a persistent resource takes no new jobs."""
    if resource["state"] != "RUNNING":
        raise failed_precondition(
            f"PersistentResource {resource['name']} is {resource['state']}: a job needs it RUNNING."
        )


def slots_on(body: dict[str, Any], resource: dict[str, Any]) -> list[PoolSlot | None]:
    """The resource pool of each worker pool of a job on `resource`. Raises INVALID_ARGUMENT where none can match."""
    spec = body["jobSpec"]
    found = Violations()
    _check_runtime(found, spec, resource)
    slots: list[PoolSlot | None] = []
    taken: dict[str, int] = {}
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        replicas = int(pool.get("replicaCount", 1)) if pool else 0
        matching = [each for each in resource["resourcePools"] if pool and not same_machine(pool, each)]
        roomy = [each for each in matching if taken.get(each["id"], 0) + replicas <= most_replicas(each)]
        if roomy:
            taken[roomy[0]["id"]] = taken.get(roomy[0]["id"], 0) + replicas
        elif pool:
            _explain(found, pool, resource, f"jobSpec.workerPoolSpecs[{index}]")
        slots.append(PoolSlot(resource["name"], roomy[0]["id"]) if roomy else None)
    found.refuse()
    return slots


def _check_runtime(found: Violations, spec: dict[str, Any], resource: dict[str, Any]) -> None:
    name = resource["name"]
    strategy = spec.get("scheduling", {}).get("strategy", "STRATEGY_UNSPECIFIED")
    found.unless(
        strategy in _ON_A_POOL,
        "jobSpec.scheduling.strategy",
        f"{strategy} is not supported on a persistent resource: leave it out, or run the job on demand",
    )
    account = resource.get("resourceRuntimeSpec", {}).get("serviceAccountSpec", {})
    found.unless(
        not account.get("enableCustomServiceAccount") or account.get("serviceAccount") or spec.get("serviceAccount"),
        "jobSpec.serviceAccount",
        f"is required: PersistentResource {name} enforces custom service accounts",
    )
    for key in ("network", "pscInterfaceConfig"):
        found.unless(
            not spec.get(key) or spec.get(key) == resource.get(key),
            f"jobSpec.{key}",
            f"{spec.get(key)!r} is not that of PersistentResource {name}, {resource.get(key)!r}",
        )


def check_encryption(body: dict[str, Any], resource: dict[str, Any]) -> None:
    """A job's key must be its persistent resource's."""
    key = body.get("encryptionSpec", {}).get("kmsKeyName", "")
    held = resource.get("encryptionSpec", {}).get("kmsKeyName", "")
    found = Violations()
    found.unless(
        not key or key == held, "encryptionSpec.kmsKeyName", f"{key!r} is not that of {resource['name']}, {held!r}"
    )
    found.refuse()


def _explain(found: Violations, pool: dict[str, Any], resource: dict[str, Any], at: str) -> None:
    """Say why no resource pool takes a worker pool: the wrong machine, or too few replicas."""
    matching = [each for each in resource["resourcePools"] if not same_machine(pool, each)]
    name = resource["name"]
    if matching:
        most = sum(most_replicas(each) for each in matching)
        rule = f"{pool.get('replicaCount', 1)} replicas do not fit PersistentResource {name}, which has at most {most}"
        found.add(f"{at}.replicaCount", rule)
        return
    nearest = min(resource["resourcePools"], key=lambda each: len(same_machine(pool, each)))
    for field in same_machine(pool, nearest):
        group, _, key = field.partition(".")
        mine, held = pool.get(group, {}).get(key), nearest.get(group, {}).get(key)
        rule = f"{mine!r} does not match any resource pool of PersistentResource {name}"
        fix = f"pool {nearest['id']!r} has {held!r}, and machineSpec and diskSpec must be identical"
        found.add(f"{at}.{field}", f"{rule}: {fix}")


def seconds(duration: str) -> float:
    """A protobuf Duration (`3.5s`) in seconds."""
    return float(duration.removesuffix("s"))
