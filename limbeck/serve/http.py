"""What all routes share: bodies of a limited length, answers in JSON, and one shape of error.

Browsers that open an address are told of an error on a page, all others in JSON.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from limbeck.errors import InputError
from limbeck.serve import bodies, page
from limbeck.serve.engine import EngineDown
from limbeck.serve.messages import MAX_BODY, Refused

log = logging.getLogger("limbeck.serve")


async def body(request: Request) -> bytes:
    """The body; `Refused` where it is longer than `MAX_BODY`."""
    read = await bodies.read(request, MAX_BODY)
    if read is None:
        raise Refused(413, f"the body is longer than {MAX_BODY:,} bytes", "Send fewer or shorter documents")
    return read


def parameters(request: Request) -> dict[str, str]:
    """Those of the address; of several of the same name, the last one."""
    return dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))


class Json(Response):
    """What was asked for, as JSON: of what any response may have, it has what it needs."""

    media_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self.body, self.status_code, self.background = body, 200, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Anything that msgspec can write, as JSON."""
    body = msgspec.json.encode(data)
    return Json(body) if status == 200 and not headers else Response(body, status, headers, Json.media_type)


def by_person(request: Request) -> bool:
    """Whether a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "")


def _error(
    request: Request, status: int, said: str, remedy: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    """What is wrong, and what to do about it."""
    if by_person(request):
        view = page.View(query=request.query_params.get("q", ""), error=said, remedy=remedy)
        return HTMLResponse(page.render(view), status, {**page.HEADERS, **(headers or {})})
    return answer({"error": said, "remedy": remedy}, status, headers)


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return _error(request, refused.status, refused.error, refused.remedy, refused.headers)


async def _input_error(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, InputError)
    return _error(request, 422, str(wrong.args[0]), wrong.remedy)


async def _engine_down(request: Request, down: Exception) -> Response:
    """The reason is for the operator: it may name hosts."""
    log.error("%s", down)
    return _error(request, 503, "the search engine does not answer", "Try again later", {"Retry-After": "5"})


async def _no_route(request: Request, missing: Exception) -> Response:
    assert isinstance(missing, HTTPException)
    if missing.status_code == 404 and by_person(request):
        return _error(request, 404, "there is no page at this address", None)
    return _error(request, missing.status_code, missing.detail.lower(), "GET / lists what there is", missing.headers)


async def _gone(request: Request, left: Exception) -> Response:
    """The client went away while sending; nobody reads this."""
    return _error(request, 400, "the request ended early", None)


async def _fault(request: Request, fault: Exception) -> Response:
    """Our own fault. The server's log has the traceback, the answer has not."""
    return _error(request, 500, "something went wrong in the service", "Its log says what")


Refuse = Callable[[Request, Exception], Awaitable[Response]]
HANDLERS: Any = {
    Refused: _refused,
    InputError: _input_error,
    EngineDown: _engine_down,
    HTTPException: _no_route,
    ClientDisconnect: _gone,
    Exception: _fault,
}


def refused(request: Request, error: Exception) -> Awaitable[Response]:
    """What is answered to a request for which an endpoint raised this, as the framework does."""
    refuse: Refuse = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    return refuse(request, error)


def is_fault(error: Exception) -> bool:
    """Whether an error is our own."""
    return not isinstance(error, tuple(kind for kind in HANDLERS if kind is not Exception))
