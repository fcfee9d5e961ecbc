"""The console's routes under `/_local/console`.

Owns: who is let in, and the forms that change something. All but the way in needs a session; what changes something is
a POST that must name this very server as its Origin, which no other page can make a browser say. Reading a page changes
nothing, so that a foreign page that navigates here gains nothing by it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from local.cloud.admin import by_operator
from local.cloud.call import Call, Response
from local.cloud.console import faults_view, html
from local.cloud.console.page import Page
from local.cloud.console.sessions import PATH, Sessions, secret_in, set_cookie
from local.cloud.console.view import View
from local.cloud.errors import ApiError, not_found
from local.cloud.faults.api import let_happen
from local.cloud.iam.enforcement import object_name
from local.cloud.identity import OPERATOR_EMAIL, Principal
from local.cloud.jobs.logs import STREAMS
from local.cloud.routing import Route, Service
from local.cloud.storage.content import Content
from local.cloud.storage.download import media

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_MOST_FORM_BYTES = 64 * 1024
_OPERATOR = Principal(OPERATOR_EMAIL)

Handler = Callable[[Call], Response]


def service(cloud: "Cloud") -> Service:
    return Service("local-console", Console(cloud).routes(), prefixes=(PATH,), bare=False)


class Console:
    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._sessions = Sessions(cloud.store)
        self._page: Page | None = None  # made when it is first asked for: it needs all services

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/tickets", by_operator(self._ticket)),
            Route("GET", "/enter", _as_page(self._enter), public=True),
            Route("POST", "/enter", _as_page(_from_own_page(self._enter_by_token)), public=True, streams=True),
            Route("POST", "/leave", self._form(self._leave), public=True, streams=True),
            Route("GET", "/static/{name}", _as_page(lambda call: html.static(call.params["name"])), public=True),
            Route("GET", "/", self._signed_in(self._show), public=True),
            Route("GET", "/object", self._signed_in(self._object), public=True),
            Route("GET", "/log", self._signed_in(self._log), public=True),
            Route("POST", "/faults", self._form(self._add_fault), public=True, streams=True),
            Route("POST", "/faults/clear", self._form(self._clear_faults), public=True, streams=True),
            Route("POST", "/faults/seed", self._form(self._sow), public=True, streams=True),
        ]

    # The way in and out

    def _ticket(self, call: Call) -> dict[str, Any]:
        """A link that opens the console once."""
        return {"url": f"{call.url_base}{PATH}/enter?ticket={self._sessions.ticket()}"}

    def _enter(self, call: Call) -> Response:
        if self._sessions.redeem(call.query.get("ticket", "")):
            return self._let_in(call)
        told = "This link has been used, or is too old." if call.query.get("ticket") else ""
        return self._ask_in(401, told)

    def _enter_by_token(self, call: Call) -> Response:
        token = _form_of(call).get("token", "").strip()
        try:
            caller = self._cloud.identity.principal({"authorization": f"Bearer {token}"}, {})
            self._cloud.identity.require_operator(caller)
        except ApiError:
            return self._ask_in(401, "This is not the operator's token.")
        return self._let_in(call)

    def _leave(self, call: Call) -> Response:
        self._sessions.close(secret_in(call.headers, _port(call)))
        return html.redirect(f"{PATH}/enter", {"set-cookie": set_cookie("", _port(call))})

    def _let_in(self, call: Call) -> Response:
        return html.redirect(PATH, {"set-cookie": set_cookie(self._sessions.open(), _port(call))})

    def _ask_in(self, status: int, told: str) -> Response:
        return html.page("enter.html", status, told=told, root=str(self._cloud.root))

    def _signed_in(self, handler: Handler) -> Handler:
        def guarded(call: Call) -> Response:
            if not self._sessions.holds(secret_in(call.headers, _port(call))):
                return self._ask_in(401, "")
            return handler(call)

        return _as_page(guarded)

    def _form(self, handler: Handler) -> Handler:
        return _as_page(_from_own_page(self._signed_in(handler)))

    # What is shown

    def _show(self, call: Call, problem: str = "", status: int = 200) -> Response:
        self._page = self._page or Page(self._cloud)
        return self._page.show(View.of(call.query), problem=problem, status=status)

    def _object(self, call: Call) -> Response:
        """An object's bytes, to be saved; noted in the access log as a read of the operator's."""
        bucket, name, generation = call.query.get("bucket", ""), call.query.get("name", ""), call.number("generation")
        self._cloud.access.require(_OPERATOR, "storage.objects.get", object_name(bucket, name))
        record, descriptor = self._cloud.objects.open(bucket, name, generation)
        content = Content(descriptor, 0, 0)
        try:
            return html.as_download(media(call, record, content), name.rsplit("/", 1)[-1])
        except BaseException:
            content.close()
            raise

    def _log(self, call: Call) -> Response:
        """The whole of one stream of one replica's log, to be saved."""
        job, task, stream = (call.query.get(key, "") for key in ("job", "task", "stream"))
        logs = self._cloud.vertex.runner.logs(job) if job.isascii() and job.isdigit() else None
        if logs is None or stream not in STREAMS or task not in logs.tasks():
            raise not_found(f"There is no log {stream!r} of {task!r} of job {job!r}")
        path = logs.folder / task / f"{stream}.log"
        if not path.exists():
            raise not_found(f"Job {job} has written nothing to {stream} of {task}")
        return html.as_download(Response(_chunks(path.open("rb"))), f"{job}-{task}-{stream}.log")

    # What is changed

    def _add_fault(self, call: Call) -> Response:
        form = _form_of(call)
        try:
            let_happen(self._cloud, faults_view.body_of(form))
        except ApiError as error:
            return self._show(call, f"{form.get('kind', 'The fault')}: {error.message}", error.code)
        return _back(call, "faults")

    def _clear_faults(self, call: Call) -> Response:
        """One fault, or all of them where none is named."""
        try:
            self._cloud.faults.clear(_form_of(call).get("id", ""))
        except ApiError as error:
            return self._show(call, error.message, error.code)
        return _back(call, "faults")

    def _sow(self, call: Call) -> Response:
        seed = _form_of(call).get("seed", "")
        if not seed.removeprefix("-").isdigit():
            return self._show(call, f"seed: {seed!r} is not an integer", 400)
        self._cloud.faults.sow(int(seed))
        return _back(call, "faults")


def _from_own_page(handler: Handler) -> Handler:
    """The server has refused any other Origin; here it must be there, as browsers send it with every POST."""

    def guarded(call: Call) -> Response:
        origin, site = call.headers.get("origin", ""), call.headers.get("sec-fetch-site", "same-origin")
        if origin.lower() != call.url_base.lower() or site != "same-origin":
            raise ApiError(403, f"Origin {origin!r} is refused: forms of the console come from the console's own page")
        return handler(call)

    return guarded


def _as_page(handler: Handler) -> Handler:
    """Refusals as a page for people."""

    def answered(call: Call) -> Response:
        try:
            return handler(call)
        except ApiError as error:
            return html.page("refused.html", error.code, message=error.message, code=error.code)

    return answered


def _form_of(call: Call) -> dict[str, str]:
    """The fields of a form. Raises 413 for what is too long to be one."""
    body = b""
    for chunk in call.stream:
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise ApiError(413, f"The form is larger than {_MOST_FORM_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise ApiError(400, "The form is not UTF-8 text") from None


def _back(call: Call, anchor: str) -> Response:
    return html.redirect(View.of(call.query).link(anchor))


def _port(call: Call) -> str:
    return str(urlsplit(call.url_base).port or 80)


def _chunks(file: Any) -> Any:
    with file:
        while chunk := file.read(1 << 16):
            yield chunk
