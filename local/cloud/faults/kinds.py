"""The kinds of faults and what each can be told, one model a kind.

The REST body of a fault (camelCase), the command's options and their help are all made from these models.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from local.cloud.clock import parse_rfc3339
from local.cloud.errors import invalid_argument

When = Literal["before", "after"]


def _moment(text: str) -> str:
    if text:
        parse_rfc3339(text)
    return text


class Fault(BaseModel):
    """What one kind can be told. Its docstring and its fields' descriptions are the command's help."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    kind: ClassVar[str]

    def told(self) -> dict[str, Any]:
        """As REST and the store have it."""
        return {"kind": self.kind, **self.model_dump(mode="json", by_alias=True, exclude_none=True)}


def read(body: dict[str, Any]) -> Fault:
    """The fault that a body describes. Raises INVALID_ARGUMENT for each field that is wrong."""
    model = KINDS.get(str(body.get("kind", "")))
    if model is None:
        raise invalid_argument([("kind", f"{body.get('kind')!r} is none of {', '.join(KINDS)}")])
    try:
        return model.model_validate({key: value for key, value in body.items() if key != "kind"})
    except ValidationError as error:
        found = [(".".join(map(str, each["loc"])) or "body", each["msg"], each["input"]) for each in error.errors()]
        raise invalid_argument([(at, f"{told} (given: {value!r})") for at, told, value in found]) from None


class OnRequests(Fault):
    method: str = Field("*", description="the HTTP method that it is for")
    path: str = Field("*", description="a pattern of paths, as '*/customJobs*'; the cloud's own commands never match")
    rate: float = Field(1.0, gt=0, le=1, description="the share of matching requests that it strikes")
    times: int | None = Field(None, ge=1, description="how often it strikes before it is used up (default: no limit)")


class Latency(OnRequests):
    """Answer requests late."""

    kind: ClassVar[str] = "latency"
    seconds: float = Field(gt=0, le=600, description="how much later")
    spread: float = Field(0.0, ge=0, le=600, description="up to so many seconds more, drawn from the seed")


class Error(OnRequests):
    """Answer requests with an error status, before or after their work is done."""

    kind: ClassVar[str] = "error"
    status: int = Field(503, ge=400, le=599, description="the HTTP status of the answer")
    when: When = Field("before", description="whether the request's work is left undone or is done all the same")


class Drop(OnRequests):
    """Close connections without an answer, before or after the request's work is done."""

    kind: ClassVar[str] = "drop"
    when: When = Field("before", description="whether the request's work is left undone or is done all the same")


class StockOut(Fault):
    """There are no machines for on-demand jobs and new pools."""

    kind: ClassVar[str] = "stock-out"
    location: str = Field("*", description="the region, or a pattern of regions")
    machine: str = Field("*", description="the machine type, or a pattern of machine types")
    times: int | None = Field(None, ge=1, description="how often it strikes before it is used up (default: no limit)")


class DiskFull(Fault):
    """Object content finds no room on disk. What is recorded about objects and all else keeps its room."""

    kind: ClassVar[str] = "disk-full"
    free_bytes: int = Field(0, ge=0, description="how many bytes still fit")


class IamDelay(Fault):
    """Changes of IAM policies are in force only later, as measured by the cloud's clock."""

    kind: ClassVar[str] = "iam-delay"
    seconds: float = Field(60.0, gt=0, description="how much later")


class Preempt(Fault):
    """Take a Spot job's machines away, with the notice that Spot machines get: once, or again and again."""

    kind: ClassVar[str] = "preempt"
    job: str = Field("*", description="the id of a custom job; * is every Spot job that runs")
    every_seconds: float | None = Field(None, gt=0, description="repeat it so often by the cloud's clock")


class KillReplica(Fault):
    """Lose the machine of one replica, without notice."""

    kind: ClassVar[str] = "kill-replica"
    job: str = Field(description="the id of a custom job that runs")
    task: str = Field("workerpool0-0", description="the replica")


class CorruptObject(Fault):
    """Change one byte of an object on disk; size and times stay, so that only a checksum can tell."""

    kind: ClassVar[str] = "corrupt-object"
    uri: str = Field(pattern=r"gs://[^/]+/.+", description="gs://BUCKET/NAME")


class ClockJump(Fault):
    """Move the cloud's clock, by which schedules fire, tokens expire and pools age."""

    kind: ClassVar[str] = "clock-jump"
    seconds: float | None = Field(None, description="how far; a negative number is back")
    to: Annotated[str, AfterValidator(_moment)] = Field("", description="the new time instead, as 2026-03-29T00:59:00Z")

    @model_validator(mode="after")
    def _one(self) -> "ClockJump":
        if (self.seconds is None) == (not self.to):
            raise ValueError(
                f"exactly one of seconds and to is needed, not seconds={self.seconds!r} and to={self.to!r}"
            )
        return self


KINDS: dict[str, type[Fault]] = {
    model.kind: model
    for model in (
        *(Latency, Error, Drop, StockOut, DiskFull, IamDelay, Preempt, KillReplica, CorruptObject, ClockJump),
    )
}
