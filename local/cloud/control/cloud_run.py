"""Cloud Run: jobs and services, as far as they are declared.

Owns: the resources. Containers of Cloud Run are never started here: a job has no executions, a service no address that
answers.
Source: https://cloud.google.com/run/docs/reference/rest/v2
"""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud.call import Call
from local.cloud.iam.enforcement import act_as
from local.cloud.resources import LongRunning
from local.cloud.routing import Route
from local.cloud.validation import Violations, as_int

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?"
_ID_RULE = "must begin with a letter and hold at most 49 lowercase letters, digits and hyphens, the last no hyphen"
_INGRESS = (
    *("INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
    "INGRESS_TRAFFIC_NONE",
)
_STAGES = ("GA", "BETA", "ALPHA")


def run_routes(cloud: "Cloud") -> list[Route]:
    return [*RunJobs(cloud).routes(), *RunServices(cloud).routes()]


class Declared(LongRunning):
    version = "v2"
    policies_by = "GET"
    operations_kind = "run.operations"
    etag_form = '"{}"'
    deleted_is_empty = False
    whole_without_mask = True
    output = (
        *("name", "uid", "generation", "createTime", "updateTime", "deleteTime", "expireTime", "creator"),
        *("lastModifier", "observedGeneration", "terminalCondition", "conditions", "reconciling", "etag", "uri"),
        *("executionCount", "latestCreatedExecution", "latestReadyRevision", "latestCreatedRevision", "urls"),
        *("trafficStatuses", "satisfiesPzs"),
    )
    id_field: ClassVar[str]

    def create(self, call: Call) -> dict[str, Any]:
        if call.flag("validateOnly"):
            return self._validated(call)
        return super().create(call)

    def _validated(self, call: Call) -> dict[str, Any]:
        """Checked as a new one, and not kept."""
        found = Violations()
        body = self.body(call)
        self.check(found, self.new_id(call, body), body)
        found.refuse()
        return self.cloud.operations.done(
            call.params["parent"], body, kind=self.operations_kind, response_type=self.message
        )

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        found.matches(_ID, resource_id, self.id_field, _ID_RULE)
        found.labels(body.get("labels"))
        found.one_of(_STAGES, body.get("launchStage") or "GA", "launchStage")
        found.unless(isinstance(body.get("template"), dict), "template", "is required")

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        now = self.cloud.clock.timestamp()
        identity = {"uid": str(uuid.uuid4()), "generation": "1", "createTime": now}
        return self._ready({"name": name, "launchStage": "GA", **body, **identity}, now)

    def signed(self, call: Call, resource: dict[str, Any]) -> dict[str, Any]:
        """Whoever deploys may act as the identity of what is deployed, where it names one."""
        template = resource["template"]
        act_as(self.cloud, call.caller, (template.get("template") or template).get("serviceAccount") or "")
        return resource

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return self._ready(
            {"launchStage": "GA", **new, "generation": str(int(old["generation"]) + 1)}, self.cloud.clock.timestamp()
        )

    def _ready(self, resource: dict[str, Any], now: str) -> dict[str, Any]:
        condition = {"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": now}
        return resource | {
            "updateTime": now,
            "observedGeneration": resource["generation"],
            "terminalCondition": condition,
        }


class RunJobs(Declared):
    kind = "run.jobs"
    collection = "jobs"
    id_parameter = "jobId"
    id_field = "jobId"
    message = "google.cloud.run.v2.Job"

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        super().check(found, resource_id, body)
        execution = body.get("template") or {}
        task = execution.get("template") or {}
        check_containers(found, task.get("containers"), "template.template.containers")
        if task.get("maxRetries") is not None:
            found.within(0, 10, task["maxRetries"], "template.template.maxRetries")
        if execution.get("taskCount") is not None:
            found.within(1, 10_000, execution["taskCount"], "template.taskCount")


class RunServices(Declared):
    kind = "run.services"
    collection = "services"
    id_parameter = "serviceId"
    id_field = "serviceId"
    message = "google.cloud.run.v2.Service"

    def check(self, found: Violations, resource_id: str, body: dict[str, Any]) -> None:
        super().check(found, resource_id, body)
        template = body.get("template") or {}
        check_containers(found, template.get("containers"), "template.containers")
        found.one_of(_INGRESS, body.get("ingress") or _INGRESS[0], "ingress")
        scaling = template.get("scaling") or {}
        least, most = as_int(scaling.get("minInstanceCount", 0)), as_int(scaling.get("maxInstanceCount", 100))
        rule = f"{least!r} to {most!r} is no range of instances"
        found.unless(least is not None and most is not None and 0 <= least <= most, "template.scaling", rule)

    def fill(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._revised(super().fill(name, body))

    def refill(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return self._revised(super().refill(old, new))

    def _revised(self, service: dict[str, Any]) -> dict[str, Any]:
        """With the revision that its present template is."""
        number = int(service["generation"])
        revision = f"{service['name']}/revisions/{service['name'].rsplit('/', 1)[-1]}-{number:05d}-loc"
        return service | {"latestReadyRevision": revision, "latestCreatedRevision": revision}


def check_containers(found: Violations, containers: Any, where: str) -> None:
    if not isinstance(containers, list) or not containers:
        found.add(where, "at least one container is required")
        return
    for index, container in enumerate(containers):
        image = container.get("image")
        found.matches(
            r"[\w./:@-]+", image, f"{where}[{index}].image", "is not an image, as in 'REGION-docker.pkg.dev/…'"
        )
        for place, variable in enumerate(container.get("env") or []):
            rule = "is not the name of an environment variable"
            found.matches(r"[A-Za-z_][\w.-]*", variable.get("name"), f"{where}[{index}].env[{place}].name", rule)
