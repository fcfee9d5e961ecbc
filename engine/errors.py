"""The errors that the engine shows to its user; anything else that escapes is a bug."""

from __future__ import annotations


class EngineError(Exception):
    """A refusal: its text names what is refused, the rule, and what to do."""


class ProgramError(EngineError):
    """The user's program failed; the text is its traceback without the engine's frames."""


class OperationError(EngineError):
    """An operation on a resource failed; the text is the API's own message."""


class UnsureError(OperationError):
    """Whether it was done is not known: no answer came back, or something failed after it was accepted."""


class EndedInErrorError(OperationError):
    """A long-running operation was accepted and then ended in an error of its own."""


class AlreadyExistsError(OperationError):
    """A create met a thing of that name; `identity` is the id that it would have."""

    def __init__(self, message: str, identity: str) -> None:
        super().__init__(message)
        self.identity = identity
