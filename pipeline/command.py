"""How the commands of this package end: exit codes, refusals in words, and no traceback for what the user can mend.

Owns: the exit codes and the lines on stderr. Does not own: what the commands do.
"""

import sys
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from contracts.problems import Refused


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1  # the run did not succeed, or the machine is at fault
    USAGE = 2  # argparse's own
    REFUSED = 3  # bad input, refused before anything was sent or loaded
    REFUSED_BY_GOOGLE = 4  # the service answered with an error
    DIFFERS = 5  # what is there is not what was declared
    INTERRUPTED = 130


def run(command: Callable[[], ExitCode]) -> NoReturn:
    """Run a command and exit with its code; a refusal is told in words."""
    try:
        code = command()
    except Refused as refused:
        tell(str(refused))
        code = ExitCode.REFUSED
    except KeyboardInterrupt:
        tell("Interrupted")
        code = ExitCode.INTERRUPTED
    except Exception as error:
        told = told_by_google(error)
        if told is None:
            raise
        tell(told)
        code = ExitCode.REFUSED_BY_GOOGLE
    sys.exit(int(code))


def tell(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say(text: str) -> None:
    """A line of a command's result, on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def told_by_google(error: Exception) -> str | None:
    """The reason in an error of Google's clients, or of the way there; None for any other error."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    if isinstance(error, GoogleAPICallError):
        status = error.grpc_status_code.name if error.grpc_status_code else error.reason
        code = " ".join(str(part) for part in (error.code, status) if part)
        return f"Refused by the service{f' ({code})' if code else ''}: {error.message}"
    if isinstance(error, GoogleAuthError):
        return f"No valid credentials: {error}. Log in: gcloud auth application-default login"
    if isinstance(error, RetryError | RequestException):
        return f"The service cannot be reached: {error}"
    return None
