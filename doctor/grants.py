"""`python -m doctor.grants`: wait until what `up` has just granted holds, asked between `up` and the first run.

Google takes a grant at once and lets it hold some time later, usually within two minutes, at times after seven or more
(https://cloud.google.com/iam/docs/access-change-propagation). So whoever is logged in asks what it may do until it may
submit a run. Owns: this wait. Does not own: rights that nobody granted (doctor/checks.py), or those of a run's own
account, whose machines take longer to start than its grants to hold.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from google.auth.exceptions import GoogleAuthError

from contracts.problems import Refused
from doctor.google import Google, NoAnswerError, Rest
from doctor.stack_file import StackPlace, read_place
from infra.naming import Names

_LONGEST_PAUSE = 10.0
_MINUTES = 7.0


def missing(google: Google, place: StackPlace) -> list[str]:
    """What whoever is logged in may not do yet, of what submitting a run takes."""
    account = Names(project=place.project, region="").service_account_name
    asked = [
        ("projects", f"projects/{place.project}", "aiplatform.pipelineJobs.create"),
        ("iam", account, "iam.serviceAccounts.actAs"),
    ]
    return [f"{right} on {resource}" for api, resource, right in asked if not _holds(google, api, resource, right)]


def _holds(google: Google, api: str, resource: str, permission: str) -> bool:
    """An answer that is refused, or finds nothing, is one that may change: the account itself is as new as its grants.

    Raises NoAnswerError for any other.
    """
    try:
        held = google.post(api, f"{resource}:testIamPermissions", {"permissions": [permission]})
    except NoAnswerError as error:
        if error.status in (403, 404):
            return False
        raise
    return permission in (held.get("permissions") or [])


def wait(
    look: Callable[[], list[str]],
    *,
    seconds: float,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Looks until nothing is missing or the time is over; what is still missing. Each change is told."""
    begun, pause, told = clock(), 1.0, []
    while lacking := look():
        if clock() - begun + pause > seconds:
            break
        if lacking != told:
            tell(f"not granted yet, asking again for up to {seconds / 60:g} min: {'; '.join(lacking)}")
            told = lacking
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    if told and not lacking:
        tell(f"granted after {clock() - begun:.0f} s")
    return lacking


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m doctor.grants", description=__doc__)
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack")
    parser.add_argument(
        "--minutes", type=float, default=_MINUTES, metavar="M", help=f"how long to ask (default: {_MINUTES:g})"
    )
    parser.add_argument(
        "--cwd", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)"
    )
    arguments = parser.parse_args(argv)
    try:
        place, google = read_place(arguments.cwd, arguments.stack), Rest(os.environ)
        lacking = wait(lambda: missing(google, place), seconds=60 * arguments.minutes, tell=_tell)
    except Refused as refused:
        _tell(str(refused))
        return 3
    except (GoogleAuthError, NoAnswerError) as error:
        _tell(f"{error}. Log in and run it again: gcloud auth application-default login")
        return 1
    if lacking:
        _tell(f"You may not submit runs: {'; '.join(lacking)}. Add yourself to submitters, and `up`")
    return 1 if lacking else 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
