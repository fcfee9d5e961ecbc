"""The errors that the engine shows to its user; anything else that escapes is a bug."""

from __future__ import annotations


class EngineError(Exception):
    """A refusal: its text names what is refused, the rule, and what to do."""


class ProgramError(EngineError):
    """The user's program failed; the text is its traceback without the engine's frames."""


class OperationError(EngineError):
    """An operation on a resource failed; the text is the API's own message."""


class UnsureError(OperationError):
    """A request went out and no answer came back: whether it was done is not known."""


class AlreadyExistsError(OperationError):
    """A create met a thing of that name; `identity` is the id that it would have."""

    def __init__(self, message: str, identity: str) -> None:
        super().__init__(message)
        self.identity = identity
