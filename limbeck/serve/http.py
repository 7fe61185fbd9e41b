"""What all routes share: bodies read no further than they may be long, answers in JSON, and one shape of error."""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from limbeck.errors import InputError
from limbeck.serve.engines import EngineDown
from limbeck.serve.messages import MAX_BODY, Refused

log = logging.getLogger("limbeck.serve")


async def body(request: Request) -> bytes:
    """The body; `Refused` where it is longer than `MAX_BODY`."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            raise Refused(413, f"the body is longer than {MAX_BODY:,} bytes", "Send fewer or shorter documents")
    return bytes(read)


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Anything that msgspec can write, as JSON."""
    return Response(msgspec.json.encode(data), status, headers, "application/json")


def error(status: int, said: str, remedy: str | None, headers: Mapping[str, str] | None = None) -> Response:
    """What is wrong, and what to do about it."""
    return answer({"error": said, "remedy": remedy}, status, headers)


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return error(refused.status, refused.error, refused.remedy, refused.headers)


async def _input_error(request: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, InputError)
    return error(422, str(wrong.args[0]), wrong.remedy)


async def _engine_down(request: Request, down: Exception) -> Response:
    """The reason is for the operator: it may name hosts."""
    log.error("%s", down)
    return error(503, "the search engine does not answer", "Try again later", {"Retry-After": "5"})


async def _no_route(request: Request, missing: Exception) -> Response:
    assert isinstance(missing, HTTPException)
    return error(missing.status_code, missing.detail.lower(), "GET / lists what there is", missing.headers)


async def _gone(request: Request, left: Exception) -> Response:
    """The client went away while sending; nobody reads this."""
    return error(400, "the request ended early", None)


async def _fault(request: Request, fault: Exception) -> Response:
    """Our own fault. The server's log has the traceback, the answer has not."""
    return error(500, "something went wrong in the service", "Its log says what")


HANDLERS: Any = {
    Refused: _refused,
    InputError: _input_error,
    EngineDown: _engine_down,
    HTTPException: _no_route,
    ClientDisconnect: _gone,
    Exception: _fault,
}
