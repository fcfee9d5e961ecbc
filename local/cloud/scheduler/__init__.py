"""Cloud Scheduler: jobs that publish or call on time.

Owns: the REST API v1 and the firing. App Engine targets can be declared, but reach nothing.
Source: https://cloud.google.com/scheduler/docs/reference/rest
"""

from typing import TYPE_CHECKING

from local.cloud.pubsub.topics import Topics
from local.cloud.routing import Service
from local.cloud.scheduler.firing import Firing
from local.cloud.scheduler.jobs import SchedulerJobs

if TYPE_CHECKING:
    from local.cloud.app import Cloud


def services(cloud: "Cloud", topics: Topics) -> list[Service]:
    jobs = SchedulerJobs(cloud)
    firing = Firing(cloud, jobs, topics)
    cloud.on_start.append(firing.start)
    return [Service("cloudscheduler", [*jobs.routes(), firing.route()], prefixes=("/cloudscheduler",))]
