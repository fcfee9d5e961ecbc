"""Requests that carry an id and are carried out once.

Owns: what was answered to an id. A request that was lost on its way back is sent again with the same id, and gets the
same answer; the same id for something else is refused. Source: https://google.aip.dev/155
"""

import hashlib
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from local.cloud.call import Call, Response
from local.cloud.clock import parse_rfc3339
from local.cloud.errors import ApiError, invalid_argument
from local.cloud.routing import Handler, Route

_KIND = "requestId"
_KEPT = timedelta(hours=1)


def once(route: Route) -> Route:
    """The row of a method that takes `requestId`."""
    return route if route.method == "GET" else replace(route, handler=_once(route.handler))


def _once(handler: Handler) -> Handler:
    def answered(call: Call) -> "dict[str, Any] | Response":
        given = call.query.get("requestId")
        if not given:
            return handler(call)
        name, asked = f"{call.principal}/{_checked(given)}", _digest(call)
        store, clock = call.cloud.store, call.cloud.clock
        with store.transaction():
            held = store.get(_KIND, name)
            if held and clock.now() - parse_rfc3339(held["time"]) < _KEPT:
                if held["asked"] != asked:
                    raise ApiError(400, f"Request id {given!r} was used for another request", reason="invalid")
                return held["answer"]
            answer = handler(call)
            if isinstance(answer, dict):
                store.put(_KIND, name, {"asked": asked, "answer": answer, "time": clock.timestamp()}, parent="")
            return answer

    return answered


def _checked(given: str) -> str:
    try:
        number = uuid.UUID(given)
    except ValueError:
        number = uuid.UUID(int=0)
    if not number.int:
        raise invalid_argument([("requestId", f"{given!r} is not a UUID other than zero")])
    return str(number)


def _digest(call: Call) -> str:
    text = json.dumps([call.method, call.path, call.body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
