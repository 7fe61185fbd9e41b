"""Around every request: an id, a key where one is asked for, a line in the log, and what is counted and timed."""

import asyncio
import contextlib
import hmac
import json
import logging
import os
import random
import re
import time
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limbeck.errors import InputError
from limbeck.serve.metrics import Metrics
from limbeck.settings import Serve

log = logging.getLogger("limbeck.serve")
_REQUEST: ContextVar[str] = ContextVar("request", default="")  # the id of the one that is worked on
REQUEST_ID, HARMLESS = b"x-request-id", re.compile(rb"[A-Za-z0-9_.-]{1,64}")
OPEN = ("/healthz", "/readyz", "/metrics")  # asked by machines that watch over the service, and say nothing of its data
NO_KEY = b'{"error":"no key, or a wrong one","remedy":"Send the header Authorization: Bearer KEY"}'


class Observed:
    """The service, with all that an operator needs around it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, key: str | None = None, queries: bool = False) -> None:
        self._app, self._metrics, self._key, self._queries = app, metrics, key, queries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is no HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope)
        _REQUEST.set(seen.id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID, seen.id.encode())]
            await send(message)

        try:
            if self._key is None or self._may(scope, self._key):
                await self._app(scope, receive, sending)
            else:
                await _unauthorised(sending)
        finally:  # what was answered is sent before anything is noted of it
            took = time.perf_counter() - seen.begun
            asyncio.get_running_loop().call_soon(self._note, scope, seen, took)

    def _may(self, scope: Scope, key: str) -> bool:
        sent = Headers(scope=scope).get("authorization", "")
        return scope["path"] in OPEN or hmac.compare_digest(sent.encode(), f"Bearer {key}".encode())

    def _note(self, scope: Scope, seen: "_Seen", seconds: float) -> None:
        route = _route(scope)
        self._metrics.answered(route, seen.status, seconds)
        line = {"request": seen.id, "route": route, "status": seen.status, "milliseconds": round(1000 * seconds, 2)}
        line |= scope.get("state", {}).get("noted", {})
        if self._queries:
            line["query"] = parse_qs(scope["query_string"].decode("latin-1")).get("q", [None])[0]
        _say(msgspec.json.encode(line).decode())


class _Seen:
    """What is known of a request; one that nothing was answered to counts as a fault of ours."""

    def __init__(self, scope: Scope) -> None:
        sent = dict(scope["headers"]).get(REQUEST_ID, b"")
        self.id = sent.decode() if sent and HARMLESS.fullmatch(sent) else f"{random.getrandbits(128):032x}"
        self.begun, self.status = time.perf_counter(), 500
        scope.setdefault("state", {})["id"] = self.id


def _route(scope: Scope) -> str:
    """The method of the service that answered; "none" where no route fits. Paths are of too many kinds to count by."""
    endpoint: Any = scope.get("endpoint")
    return getattr(endpoint, "__name__", "none")


async def _unauthorised(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": NO_KEY})


def key(settings: Serve) -> str | None:
    """The key that clients must send; `InputError` where one is asked for and not there."""
    if settings.key_variable is None:
        return None
    key = os.environ.get(settings.key_variable)
    if not key:
        remedy = f"Set {settings.key_variable} in the service's environment, or leave serve.key_variable out"
        raise InputError(f"serve.key_variable names {settings.key_variable}, which is not set", remedy=remedy)
    return key


class Lines(logging.Formatter):
    """One JSON object a line: what is none becomes one, with the id of its request, a traceback within."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = record.getMessage()
        if said.startswith("{") and not record.exc_info:
            return said
        line = {"level": record.levelname.lower(), "message": said, "request": _REQUEST.get()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value})


class Stderr(logging.StreamHandler[Any]):
    """The log as lines on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines())

    def say(self, line: str) -> None:
        """A line as it is. One that cannot be written is lost: who waits for an answer has nothing to do with it."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError, ValueError):
            self.stream.write(f"{line}\n")
            self.stream.flush()


def to_stderr() -> None:
    """Write the lines of the log to stderr."""
    log.addHandler(Stderr())
    log.setLevel(logging.INFO)
    log.propagate = False


def _say(line: str) -> None:
    """A line of the log, of which no record is made where nobody but our own handler would read it."""
    only = log.handlers[0] if len(log.handlers) == 1 and not log.propagate else None
    if isinstance(only, Stderr):
        only.say(line)
    else:
        log.info(line)
