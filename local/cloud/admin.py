"""The cloud's own commands, under `/_local/`; no part of any Google API.

Owns: health, stop, the registration of images and of project numbers. All but health need the operator's token.
"""

from collections.abc import Callable
from typing import Any

from local.cloud.call import Call
from local.cloud.routing import Route, Service


def service() -> Service:
    routes = [
        Route("GET", "/health", _health, public=True),
        Route("PUT", "/images", by_operator(_register_image)),
        Route("PUT", "/projects", by_operator(_register_project)),
        Route("POST", "/stop", by_operator(_stop)),
    ]
    return Service("local", routes, prefixes=("/_local",), bare=False)


def by_operator(handler: Callable[[Call], dict[str, Any]]) -> Callable[[Call], dict[str, Any]]:
    """The handler of a command that is the operator's alone."""

    def guarded(call: Call) -> dict[str, Any]:
        call.cloud.identity.require_operator(call.caller)
        return handler(call)

    return guarded


def _health(call: Call) -> dict[str, Any]:
    return {"status": "ok", "root": str(call.cloud.root)}


def _register_image(call: Call) -> dict[str, Any]:
    body = call.object()
    return call.cloud.images.register(body.get("image", ""), body.get("runtime") or {}, body.get("tags"))


def _register_project(call: Call) -> dict[str, Any]:
    body = call.object()
    return call.cloud.projects.register(str(body.get("projectId", "")), str(body.get("projectNumber", "")))


def _stop(call: Call) -> dict[str, Any]:
    call.cloud.request_stop()
    return {}
