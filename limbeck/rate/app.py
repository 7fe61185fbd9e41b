"""The desk over HTTP: a thin skin on `desk.py`, for raters and, behind a link of its own, for the administrator.

A link carries its secret behind the `#`, where no server, proxy or log sees it; the page trades it for a cookie that
scripts cannot read and that other sites cannot send.
"""

import hashlib
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio.to_thread
import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from limbeck.errors import InputError
from limbeck.rate import export, page
from limbeck.rate.desk import Desk
from limbeck.rate.store import ADMIN, Event, Store
from limbeck.serve import bodies, pictures

MAX_BODY = 1 << 20  # bytes
MONTH = 30 * 24 * 3600
T = TypeVar("T")


class Entry(msgspec.Struct):
    """`POST /enter`: what stands behind the `#` of a link."""

    secret: Annotated[str, Meta(max_length=200)]


class Ask(msgspec.Struct):
    """`POST /next`: the pairs that the browser has at hand, and whether it wants to be able to go back."""

    holding: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=20_000)] = []
    past: bool = False


class Verdict(msgspec.Struct):
    """`POST /admin/settle`: the level of a pair that raters are at odds about; none takes it back."""

    pair: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    level: Annotated[int, Meta(ge=1, le=5)] | None = None


class Pages:
    """The routes, over one desk and its store."""

    def __init__(self, desk: Desk, store: Store, guidelines: Path) -> None:
        self._desk, self._store, self._guidelines = desk, store, guidelines
        self._people = {_digest(secret): person for person, secret in store.secrets().items()}
        self._cookie = "limbeck-" + _digest(store.secrets()[ADMIN])[:8]  # desks on one host must not share a cookie

    async def home(self, request: Request) -> Response:
        """The rater's page; for whoever brings no cookie, where to get one."""
        person = self._person(request)
        if person is None or person == ADMIN:
            return _page(page.outside(person == ADMIN), 401 if person is None else 200)
        key = _digest(request.cookies[self._cookie])[:12]
        return _page(page.desk(person, key, self._guidelines.read_text(encoding="utf-8")))

    async def door(self, request: Request) -> Response:
        """The page that a link leads to."""
        return _page(page.door())

    async def enter(self, request: Request) -> Response:
        """A link's secret for a cookie."""
        secret = (await _read(request, Entry)).secret
        person = self._people.get(_digest(secret))
        if person is None:
            raise HTTPException(403, "this link is not, or no longer, valid: ask for a new one")
        answer = _json({"to": "/admin" if person == ADMIN else "/"})
        secure = request.url.scheme == "https"
        answer.set_cookie(self._cookie, secret, MONTH, httponly=True, samesite="strict", secure=secure)
        return answer

    async def next(self, request: Request) -> Response:
        """The pairs that come next."""
        rater, ask = self._rater(request), await _read(request, Ask)
        return _json(await _work(self._desk.next, rater, ask.holding, ask.past))

    async def events(self, request: Request) -> Response:
        """Keep what a rater did. The answer is sent when it is on the disk."""
        rater, events = self._rater(request), await _read(request, list[Event])
        return _json(await _work(self._desk.keep, rater, events))

    async def picture(self, request: Request) -> Response:
        """The picture of a pair."""
        if self._person(request) is None:
            raise HTTPException(401)
        path = self._desk.picture(request.path_params["pair"])
        if path is None:
            raise HTTPException(404)
        headers = page.HEADERS | {"Cache-Control": "private, max-age=3600"}
        return FileResponse(path, media_type=pictures.TYPES[path.suffix.lower()], headers=headers)

    async def admin(self, request: Request) -> Response:
        """The administrator's page."""
        if self._person(request) != ADMIN:
            return _page(page.outside(False), 401)
        return _page(page.admin(await _work(self._live)))

    async def live(self, request: Request) -> Response:
        """The part of the administrator's page that changes."""
        self._administrator(request)
        return _page(await _work(self._live))

    async def settle(self, request: Request) -> Response:
        """The administrator's word on a pair."""
        self._administrator(request)
        verdict = await _read(request, Verdict)
        action = "rate" if verdict.level else "undo"
        event = msgspec.convert(
            {"id": uuid.uuid4().hex, "pair": verdict.pair, "action": action, "level": verdict.level}, Event
        )
        return _json(await _work(self._desk.keep, ADMIN, [event]))

    async def export(self, request: Request) -> Response:
        """One of the files that others read."""
        self._administrator(request)
        name = request.path_params["name"]
        if name not in export.FILES:
            raise HTTPException(404)
        headers = page.HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        data = await _work(self._exported, name)
        return Response(data, headers=headers, media_type="application/octet-stream")

    def _exported(self, name: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            export.write(self._store, Path(folder))
            return (Path(folder) / name).read_bytes()

    def _live(self) -> str:
        return page.live(self._desk)

    def _person(self, request: Request) -> str | None:
        """Who asks; None for whoever brings no valid cookie."""
        return self._people.get(_digest(request.cookies.get(self._cookie, "")))

    def _rater(self, request: Request) -> str:
        person = self._person(request)
        if person is None or person == ADMIN:
            raise HTTPException(401, "open your link again")
        return person

    def _administrator(self, request: Request) -> None:
        if self._person(request) != ADMIN:
            raise HTTPException(401, "open the administrator's link again")


def create(desk: Desk, store: Store, guidelines: Path) -> Starlette:
    """The desk as an ASGI application."""
    pages = Pages(desk, store, guidelines)
    return Starlette(
        routes=[
            Route("/", pages.home),
            Route("/enter", pages.door),
            Route("/enter", pages.enter, methods=["POST"]),
            Route("/next", pages.next, methods=["POST"]),
            Route("/events", pages.events, methods=["POST"]),
            Route("/pictures/{pair}", pages.picture),
            Route("/static/{name}", _static),
            Route("/admin", pages.admin),
            Route("/admin/live", pages.live),
            Route("/admin/settle", pages.settle, methods=["POST"]),
            Route("/admin/{name}", pages.export),
        ],
        exception_handlers={
            HTTPException: _refused,
            InputError: _nothing,
            sqlite3.OperationalError: _full,
            ClientDisconnect: _gone,
        },
    )


async def _static(request: Request) -> Response:
    """A script or style sheet; its address changes with its content."""
    found = page.STATIC.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=31536000, immutable"}
    return Response(found.content, headers=headers, media_type=found.kind)


async def _read(request: Request, kind: Callable[..., T] | Any) -> Any:
    """The body of a request, which must say that it is JSON: another site's form cannot."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise HTTPException(415, "send application/json")
    body = await bodies.read(request, MAX_BODY)
    if body is None:
        raise HTTPException(413, f"the body is longer than {MAX_BODY:,} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from None


async def _work(call: Callable[..., T], *arguments: Any) -> T:
    """Run what waits for the disk in a thread."""
    return await anyio.to_thread.run_sync(call, *arguments)


def _digest(secret: str) -> str:
    """What secrets are looked up by: the time that takes says nothing about them."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, page.HEADERS)


def _json(data: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(data), status, page.HEADERS, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if "text/html" in request.headers.get("accept", ""):  # a person, not a script
        said = "there is no page at this address" if error.status_code == 404 else error.detail.lower()
        return _page(page.wrong(said), error.status_code)
    return _json({"error": error.detail.lower()}, error.status_code)


async def _nothing(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 409)


async def _full(request: Request, error: Exception) -> Response:
    """The disk is full, or the file is held by others: nothing was kept, and browsers will send it again."""
    return _json({"error": f"cannot be kept now: {error}"}, 503)


async def _gone(request: Request, error: Exception) -> Response:
    """The client went away while sending; nobody reads this."""
    return _json({"error": "the request ended early"}, 400)
