"""Google's limits on the requests that a project makes in a region in a minute, where the settings ask for them.

Owns: the counting, by minutes of the cloud's clock, and the refusal. Does not own: whether there are limits
(settings.py). Nothing is kept: a restart begins anew.
Sources: https://cloud.google.com/vertex-ai/docs/quotas and https://google.aip.dev/194
"""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.settings import SettingsStore
from local.cloud.call import Call, Response
from local.cloud.errors import ApiError
from local.cloud.routing import Handler, Route

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_SERVICE = "aiplatform.googleapis.com"
_SUBMITTED = re.compile(
    r"/(customJobs|pipelineJobs|persistentResources|metadataStores|tensorboards|trainingPipelines)$|:(reboot|upload)$"
)
_PLACE = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_TITLES = {
    "resource_management_requests": "Resource management (CRUD) requests",
    "job_lro_submission_requests": "Job or long running operation submission requests",
}


class Quotas:
    def __init__(self, cloud: "Cloud", settings: SettingsStore) -> None:
        self._cloud = cloud
        self._settings = settings
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str, str], tuple[int, int]] = {}  # the minute, and how many requests it has seen

    def counted(self, route: Route) -> Route:
        """The row, whose requests count."""
        submits = route.method == "POST" and _SUBMITTED.search(route.template) is not None
        limit: Callable[[], int] = self._submissions if submits else self._requests
        metric = "job_lro_submission_requests" if submits else "resource_management_requests"
        return replace(route, handler=self._limited(route.handler, metric, limit))

    def _requests(self) -> int:
        return self._settings.now.requests_per_minute

    def _submissions(self) -> int:
        return self._settings.now.submissions_per_minute

    def _limited(self, handler: Handler, metric: str, limit: Callable[[], int]) -> Handler:
        def limited(call: Call) -> "dict[str, Any] | Response":
            if most := limit():
                self._spend(call, metric, most)
            return handler(call)

        return limited

    def _spend(self, call: Call, metric: str, most: int) -> None:
        place = _PLACE.match(call.params.get("parent") or call.params.get("name") or "")
        if place is None:
            return
        project, region = place.groups()
        minute = self._cloud.clock.millis() // 60_000
        with self._lock:
            seen, used = self._used.get((project, region, metric), (minute, 0))
            used = used + 1 if seen == minute else 1
            self._used[project, region, metric] = (minute, used)
        if used > most:
            raise _exceeded(f"project_number:{self._cloud.projects.number_of(project)}", region, metric, most)


def _exceeded(consumer: str, region: str, metric: str, most: int) -> ApiError:
    title = _TITLES[metric]
    limit = f"{title} per minute per region"
    message = (
        f"Quota exceeded for quota metric '{title}' and limit '{limit}' of service '{_SERVICE}' "
        f"for consumer '{consumer}'."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": consumer,
            "quota_limit": f"{metric}_per_minute_per_region",
            "quota_limit_value": str(most),
            "quota_location": region,
            "quota_metric": f"{_SERVICE}/{metric}",
            "service": _SERVICE,
        },
    }
    failure = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"subject": consumer, "description": f"{limit}: {most}"}],
    }
    return ApiError(429, message, "RESOURCE_EXHAUSTED", [info, failure])
