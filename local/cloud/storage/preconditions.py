"""Conditions under which a request on an object or a bucket is carried out.

Source: https://cloud.google.com/storage/docs/request-preconditions
"""

from collections.abc import Mapping
from dataclasses import dataclass

from local.cloud.errors import ApiError, invalid_argument
from local.cloud.storage.records import Record
from local.cloud.storage.resource import content_etag, object_etag
from local.cloud.validation import as_int


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What the present generation and metageneration must be; a generation of 0 stands for no live object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], infix: str = "") -> "Preconditions":
        """From `ifGenerationMatch` and its kin; `infix` "Source" reads `ifSourceGenerationMatch`."""
        return cls(
            _number(query, f"if{infix}GenerationMatch"),
            _number(query, f"if{infix}GenerationNotMatch"),
            _number(query, f"if{infix}MetagenerationMatch"),
            _number(query, f"if{infix}MetagenerationNotMatch"),
        )

    def check(self, record: Record | None, *, reading: bool = False) -> None:
        """Raises 412 for a condition that does not hold, 304 for an unmet not-match of a read."""
        self.check_numbers(
            record.generation if record else 0, record.metageneration if record else None, reading=reading
        )

    def check_numbers(self, generation: int, metageneration: int | None, *, reading: bool = False) -> None:
        unmet = [
            ("ifGenerationMatch", self.generation_match, self.generation_match not in (None, generation)),
            (
                "ifMetagenerationMatch",
                self.metageneration_match,
                self.metageneration_match not in (None, metageneration),
            ),
        ]
        for name, wanted, failed in unmet:
            if failed:
                raise _unmet(412, name, wanted, generation)
        same = [
            ("ifGenerationNotMatch", self.generation_not_match, self.generation_not_match == generation),
            (
                "ifMetagenerationNotMatch",
                self.metageneration_not_match,
                self.metageneration_not_match == metageneration,
            ),
        ]
        for name, unwanted, failed in same:
            if failed and unwanted is not None:
                raise _unmet(304 if reading else 412, name, unwanted, generation)


def check_etags(headers: Mapping[str, str], record: Record) -> None:
    """`If-Match` and `If-None-Match` of a read, by the object's etag in either API. Raises 412 or 304."""
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is None and unwanted is None:
        return
    etags = {object_etag(record), content_etag(record), "*"}
    if wanted is not None and etags.isdisjoint(_etags(wanted)):
        raise _unmet(412, "If-Match", wanted, record.generation)
    if unwanted is not None and not etags.isdisjoint(_etags(unwanted)):
        raise _unmet(304, "If-None-Match", unwanted, record.generation)


def _etags(header: str) -> set[str]:
    return {each.strip().removeprefix("W/").strip('"') for each in header.split(",")}


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    number = as_int(text)
    if number is None:
        raise invalid_argument([(name, f"{text!r} is not an integer")])
    return number


def _unmet(code: int, name: str, value: int | str | None, generation: int) -> ApiError:
    message = (
        f"At least one of the pre-conditions you specified did not hold: {name}={value}, generation is {generation}"
    )
    return ApiError(code, message, location=name)
