"""The objects that URIs name, as files to read.

Source: https://cloud.google.com/bigquery/docs/batch-loading-data#load-wildcards
"""

import fnmatch
import os
from collections.abc import Iterator

from local.cloud.bigquery import permissions
from local.cloud.bigquery.problems import not_found, problem
from local.cloud.bigquery.service import BigQuery
from local.cloud.bigquery.sources import Input

_MOST_URIS = 10_000


def inputs_of(bq: BigQuery, user: str, uris: list[str]) -> Iterator[Input]:
    """Raises for a URI that names nothing, or what the user may not read."""
    if not 1 <= len(uris) <= _MOST_URIS:
        raise problem("invalid", f"Load configuration must specify at least one source URI, and at most {_MOST_URIS}")
    permissions.may_read_objects(bq, user, uris)
    for uri in uris:
        yield from _matching(bq, user, uri)


def _matching(bq: BigQuery, user: str, uri: str) -> Iterator[Input]:
    """The objects of a URI, which may hold one `*`."""
    objects = bq.cloud.objects
    if not uri.startswith("gs://") or "/" not in uri[5:]:
        raise problem("invalid", f"Source URI must be a Google Cloud Storage location: {uri!r}")
    if uri.count("*") > 1:
        raise problem("invalid", f"Source URI {uri!r} has more than one '*'")
    head = uri.partition("*")[0]
    found = [each for each in objects.list(head) if fnmatch.fnmatchcase(each, _only_star(uri))] if "*" in uri else [uri]
    if not found or not all(map(objects.exists, found)):
        raise not_found("URI", uri)
    for each in found if "*" in uri else ():
        permissions.may_read_object(bq, user, each)
    for each in found:
        bucket, _, name = each[5:].partition("/")
        record = objects.find(bucket, name)
        place = (bucket, name, record.generation)
        version = f"{each}#{record.generation}"
        yield Input(each, lambda place=place: os.fdopen(objects.open(*place)[1], "rb"), record.size, version)


def _only_star(uri: str) -> str:
    return uri.replace("[", "[[]").replace("?", "[?]")
