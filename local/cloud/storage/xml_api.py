"""Objects under the paths of the XML API, `/BUCKET/OBJECT`: where signed URLs and public links lead.

Owns: GET, HEAD, PUT, DELETE and the start of a resumable upload of one object, with the headers and errors of that API.
Does not own: signatures (signed_urls.py), what an object is. Not here: buckets, lists, multipart uploads, copies and
ACLs by XML, and names of buckets in the host, which is the loopback's.
Source: https://cloud.google.com/storage/docs/xml-api/reference-headers and …/xml-api/reference-status
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from local.cloud.call import Call, Response
from local.cloud.errors import ApiError, unimplemented
from local.cloud.iam.enforcement import object_name
from local.cloud.routing import Match, Route, Service
from local.cloud.storage.naming import check_object_name
from local.cloud.storage.object_api import ObjectApi
from local.cloud.storage.records import Record
from local.cloud.storage.resource import content_etag, hash_header
from local.cloud.storage.signed_urls import signer
from local.cloud.storage.uploads import UploadApi

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_META = "x-goog-meta-"
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # what may be a header's name; another would begin one of its own
_CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
    416: "InvalidRange",
    503: "ServiceUnavailable",
}
_CONDITIONS = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
}
_FIELDS = {
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "content-type": "contentType",
    "x-goog-custom-time": "customTime",
    "x-goog-storage-class": "storageClass",
}
_OVERRIDES = {"response-content-type": "content-type", "response-content-disposition": "content-disposition"}
_ELSEWHERE = ("acl", "attributes", "compose", "partNumber", "retention", "tagging", "torrent", "uploadId", "uploads")


class XmlApi:
    """Every handler finds out itself who calls: by the URL's signature, a token, or nobody."""

    def __init__(self, cloud: "Cloud", uploads: UploadApi) -> None:
        self._cloud = cloud
        self._objects = ObjectApi(cloud.objects)
        self._uploads = uploads
        handlers = {"GET": self._get, "HEAD": self._get, "PUT": self._put, "POST": self._start, "DELETE": self._delete}
        rows = {method: _in_xml(handler) for method, handler in handlers.items()}
        self._routes = {each: Route(each, "/{object}", rows[each], streams=True, public=True) for each in rows}
        self._service = Service("storage-xml", [*self._routes.values()], prefixes=())

    def match(self, method: str, raw_path: str) -> Match | None:
        """Of a path that no other API has, if it begins with the name of a bucket that is there."""
        bucket, _, name = raw_path.removeprefix("/").partition("/")
        route, bucket = self._routes.get(method), unquote(bucket)
        if route is None or not name or self._cloud.objects.buckets.owner(bucket) is None:
            return None
        return Match(self._service, route, {"bucket": bucket, "object": unquote(name)})

    def _get(self, call: Call) -> Response:
        self._admit(call)
        call.require("storage.objects.get", object_name(**_named(call)))
        record, response = self._objects.content(call)
        response.headers |= _described(record)
        response.headers |= {header: call.query[name] for name, header in _OVERRIDES.items() if name in call.query}
        return response

    def _put(self, call: Call) -> Response:
        if "upload_id" in call.query:
            answer = self._uploads.resume(call)
            return Response(None, answer.status, answer.headers)
        self._admit(call)
        if "x-goog-copy-source" in call.headers:
            raise unimplemented("The local cloud copies no object by the XML API: use rewriteTo of the JSON API")
        record = self._uploads.publish(call, _metadata(call), call.stream, "")
        return Response(None, 200, {"content-length": "0", **_described(record)})

    def _start(self, call: Call) -> Response:
        """The address of the upload is all that is needed to go on with it."""
        self._admit(call)
        if call.headers.get("x-goog-resumable") != "start":
            raise ApiError(400, "POST needs the header x-goog-resumable: start", reason="MissingSecurityHeader")
        upload = self._uploads.begin(call, _metadata(call), "")
        path = f"{quote(call.params['bucket'])}/{quote(call.params['object'], safe='/~')}"
        location = f"{call.url_base}/{path}?upload_id={upload}"
        return Response(None, 201, {"content-length": "0", "location": location, "x-guploader-uploadid": upload})

    def _delete(self, call: Call) -> Response:
        if "upload_id" in call.query:
            return self._uploads.cancel(call)
        self._admit(call)
        call.require("storage.objects.delete", object_name(**_named(call)))
        return self._objects.delete(call)

    def _admit(self, call: Call) -> None:
        check_object_name(call.params["object"])
        call.caller = signer(call) or self._cloud.identity.principal(call.headers, call.query, anonymous=True)
        if asked := next((each for each in _ELSEWHERE if each in call.query), None):
            raise unimplemented(f"The local cloud has no {asked!r} in the XML API: use the JSON API")
        call.query |= {name: call.headers[header] for header, name in _CONDITIONS.items() if header in call.headers}


def _named(call: Call) -> dict[str, str]:
    return {"bucket": call.params["bucket"], "name": call.params["object"]}


def _metadata(call: Call) -> dict[str, Any]:
    """An object's fields from a request's headers."""
    fields = {name: call.headers[header] for header, name in _FIELDS.items() if header in call.headers}
    custom = {name.removeprefix(_META): value for name, value in call.headers.items() if name.startswith(_META)}
    return {"name": call.params["object"], **fields, **({"metadata": custom} if custom else {})}


def _described(record: Record) -> dict[str, str]:
    """The headers of an object that the JSON API has no need of."""
    named = (record.meta.get("metadata") or {}).items()
    custom = {f"{_META}{name}": str(value) for name, value in named if _TOKEN.fullmatch(name)}
    return custom | {
        "etag": f'"{content_etag(record)}"',
        "x-goog-generation": str(record.generation),
        "x-goog-hash": hash_header(record),
        "x-goog-metageneration": str(record.metageneration),
    }


def _in_xml(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """The handler, its refusals as the XML API words them."""

    def answer(call: Call) -> Response:
        try:
            return handler(call)
        except ApiError as error:
            return _refusal(error)

    return answer


def _refusal(error: ApiError) -> Response:
    code = error.reason if error.reason[:1].isupper() else _CODES.get(error.code, "InternalError")
    if error.code == 304:
        return Response(None, 304, error.headers)
    head = "<?xml version='1.0' encoding='UTF-8'?>"
    body = f"{head}<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    headers = {**error.headers, "content-type": "application/xml; charset=UTF-8"}
    return Response(body.encode(), error.code, headers)
